"""Base class of the baselines, the prediction problems of a fold, and bootstrap intervals on the logit scale."""

from __future__ import annotations

import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from bayescale.evals import Evals
from bayescale.evals.tables import text
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.method import Predictive
from bayescale.evaluation.backtest.task import Task
from bayescale.model.covariates import decimal_year

# Half a point in a hundred keeps scores of exactly 0 and 1 finite, as half an item does for counts (Haldane 1956).
_POINTS, _HALF = 100.0, 0.5


@dataclass(frozen=True, eq=False)
class PredictionProblem:
    """One benchmark to forecast for some models.

    Attributes
    ----------
    evals : Evals
        The visible scores of the fold, which all its problems share.
    observed : pandas.DataFrame (model, benchmark)
        All scores that are not hidden, NaN where there is none.
    benchmarks : pandas.DataFrame
        The table of benchmarks, indexed by name.
    training, test : pandas.DataFrame
        Rows of the table of models, indexed by name: those that take part, are not hidden, and have a score on the
        benchmark (column ``score``); and those to forecast.
    positions : ndarray of int
        Rows of the test models in `Fold.cells`.
    """

    task: Task
    benchmark: str
    evals: Evals
    observed: pd.DataFrame
    benchmarks: pd.DataFrame
    training: pd.DataFrame
    test: pd.DataFrame
    positions: np.ndarray

    @property
    def chance_level(self) -> float:
        """Expected score of random guessing."""
        given = self.task.chance_level
        return float(self.benchmarks["floor"][self.benchmark]) if given is None else given

    def log_covariate(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithm of a column (model,) of the training and of the test models, NaN where unknown."""
        return np.log(self.training[column].to_numpy(float)), np.log(self.test[column].to_numpy(float))

    def years(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the dates of release (model,) of the training and of the test models, in years; NaN where unknown."""
        return years(self.training), years(self.test)


def years(models: pd.DataFrame) -> np.ndarray:
    """Return dates of release as decimal years (model,), NaN where blank."""
    return np.array([decimal_year(cell) if text(cell) else np.nan for cell in models["released"]], dtype=float)


def prediction_problems(fold: Fold) -> Iterator[PredictionProblem]:
    """Split a fold into prediction problems, without its hidden scores."""
    observed = pd.DataFrame(fold.evals.matrix().to_pandas())
    models = fold.evals.models.set_index("model")
    benchmarks = fold.evals.benchmarks.set_index("benchmark")
    shown = models.loc[[m for m in fold.participants if m not in set(fold.test_models)]]
    for task in fold.tasks:
        for benchmark in task.targets:
            positions = np.flatnonzero((fold.cells["task"] == task.name) & (fold.cells["benchmark"] == benchmark))
            if len(positions):
                training = shown.assign(score=observed[benchmark]).dropna(subset="score")
                test = models.loc[fold.cells["model"].iloc[positions]]
                yield PredictionProblem(task, benchmark, fold.evals, observed, benchmarks, training, test, positions)


class Forecasts(NamedTuple):
    """Which test models (test model,) are forecast, and their point forecasts (model,) and draws (draw, model)."""

    served: np.ndarray
    mean: np.ndarray
    draws: np.ndarray


@dataclass(frozen=True)
class Baseline(ABC):
    """A method that forecasts each target benchmark separately, with `draws` from the predictive distribution."""

    name: str
    draws: int = 1000

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Forecast the cells of a fold, without those that have too few training models or no covariates.

        The same seed gives the same draws, whatever other tasks are in the fold.
        """
        started = time.perf_counter()
        mean = np.full(len(fold.cells), np.nan)
        draws = np.full((self.draws, len(fold.cells)), np.nan)
        for problem in prediction_problems(fold):
            label = f"{self.name}/{problem.task.name}/{problem.benchmark}"
            rng = np.random.default_rng([random_seed, zlib.crc32(label.encode())])
            if (forecasts := self.forecast(problem, rng)) is not None:
                positions = problem.positions[forecasts.served]
                mean[positions], draws[:, positions] = forecasts.mean, forecasts.draws
        served = np.isfinite(mean)
        cells = fold.cells[served].reset_index(drop=True)
        return Predictive(cells, mean[served], draws[:, served], time.perf_counter() - started)

    @abstractmethod
    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Forecast the test models of one problem; None if there are too few training models."""


# Residual bootstrap


def to_logit(score: np.ndarray) -> np.ndarray:
    """Transform scores to logits, the scale on which residuals are resampled.

    Differences between models act before the sigmoid: the same lack of capability costs much in the middle of the curve
    and little near its floor. So residuals are homoscedastic on the logit scale, and those of models near the floor do
    not make forecasts in the middle look too precise.
    """
    return logit((np.clip(score, 0, 1) * _POINTS + _HALF) / (_POINTS + 2 * _HALF))


def from_logit(logits: np.ndarray) -> np.ndarray:
    """Transform logits of `to_logit` back to scores, in [0, 1]."""
    return np.clip((expit(logits) * (_POINTS + 2 * _HALF) - _HALF) / _POINTS, 0, 1)


def scatter(mean: np.ndarray, pool: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw scores (draw, model) around `mean` with residuals from `pool`."""
    return from_logit(to_logit(mean) + rng.choice(pool, size=(draws, len(mean))))


def bootstrap(
    refit: Callable[[np.ndarray], np.ndarray],
    fitted: np.ndarray,
    pool: np.ndarray,
    draws: int,
    refits: int,
    rng: np.random.Generator,
    errors: np.ndarray | None = None,
) -> np.ndarray:
    """Draw forecasts of a regression by the residual bootstrap (Davison & Hinkley 1997, sections 6.3 and 7.2).

    `refit` maps scores (model,) of the training models to forecasts (test model,); `fitted` (model,) are its fitted
    values, and `pool` residuals on the logit scale; those of new models are drawn from `errors`, by default the same.
    Returns scores (draw, test model) in [0, 1], with the uncertainty
    of the parameters and the scatter of single models; the draws are spread evenly over the refits.
    """
    parts = []
    for part in np.array_split(np.arange(draws), min(refits, draws)):
        resampled = scatter(fitted, pool, 1, rng)[0]
        parts.append(scatter(refit(resampled), pool if errors is None else errors, len(part), rng))
    return np.concatenate(parts)
