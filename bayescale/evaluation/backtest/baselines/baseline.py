"""Base class of the baselines: forecast each prediction problem of a fold separately."""

from __future__ import annotations

import time
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from bayescale.evaluation.backtest.baselines.prediction_problem import PredictionProblem, prediction_problems
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.predictive import Predictive

PointsAndDraws = tuple[np.ndarray, np.ndarray]
"""Point forecasts (test model,) and draws (draw, test model) of scores; NaN for models without a forecast."""


@dataclass(frozen=True)
class Baseline(ABC):
    """A method that forecasts each target benchmark separately.

    Parameters
    ----------
    name : str
    draws : int
        Draws from the predictive distribution.
    """

    name: str
    draws: int = 1000

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Forecast the cells of a fold.

        Parameters
        ----------
        fold : Fold
        random_seed : int
            The same seed gives the same draws, whatever other tasks are in the fold.

        Returns
        -------
        Predictive
            Without cells for which there are too few training models, or whose model has no covariates.
        """
        started = time.perf_counter()
        mean = np.full(len(fold.cells), np.nan)
        draws = np.full((self.draws, len(fold.cells)), np.nan)
        for problem in prediction_problems(fold):
            label = f"{self.name}/{problem.task.name}/{problem.benchmark}"
            rng = np.random.default_rng([random_seed, zlib.crc32(label.encode())])
            if (forecasts := self.forecast(problem, rng)) is not None:
                mean[problem.positions], draws[:, problem.positions] = forecasts
        forecast = np.isfinite(mean)
        cells = fold.cells[forecast].reset_index(drop=True)
        return Predictive(cells, mean[forecast], draws[:, forecast], time.perf_counter() - started)

    @abstractmethod
    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> PointsAndDraws | None:
        """Forecast the test models of one problem; None if there are too few training models."""
