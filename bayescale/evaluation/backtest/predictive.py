"""Forecasts of a method: predictive draws of the hidden scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from bayescale.evaluation.backtest.fold import Fold


@dataclass(frozen=True, eq=False)
class Predictive:
    """Forecasts of hidden scores.

    Attributes
    ----------
    cells : pandas.DataFrame
        ``task, model, benchmark, score``: rows of `Fold.cells`; a method leaves out cells that it cannot forecast.
    mean : ndarray (cell,)
        Point forecast of each score, in [0, 1]: the predictive mean of a model, the prediction of a regression.
    draws : ndarray (draw, cell)
        Draws from the predictive distribution of the score, observation noise included.
    seconds : float
        Wall-clock time of fitting and forecasting.
    rhat, ess : float
        Worst R-hat and bulk effective sample size of a posterior's forecasts; NaN for a method that does not sample.
    divergences : int
    """

    cells: pd.DataFrame
    mean: np.ndarray
    draws: np.ndarray
    seconds: float
    rhat: float = float("nan")
    ess: float = float("nan")
    divergences: int = 0

    def __post_init__(self) -> None:
        n = len(self.cells)
        if self.mean.shape != (n,) or self.draws.ndim != 2 or self.draws.shape[1] != n:
            raise ValueError(f"{n} cells, but means {self.mean.shape} and draws {self.draws.shape}")


class Method(Protocol):
    """Interface of a forecasting method: the Bayesian model, or a baseline."""

    @property
    def name(self) -> str:
        """Name in tables and plots."""
        ...

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Fit to the visible scores of `fold` and forecast its cells."""
        ...
