"""Baselines for later models: the best score so far, trends over date, one factor and date, compute or the mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from scipy.linalg import lstsq
from scipy.optimize import least_squares
from scipy.sparse import coo_array, csr_array, eye_array, vstack
from scipy.special import expit

from bayescale.evals import Evals
from bayescale.evaluation.backtest.baselines.baseline import (
    Baseline,
    Forecasts,
    PredictionProblem,
    scatter,
    to_logit,
    years,
)
from bayescale.evaluation.backtest.baselines.family import FamilyCompute
from bayescale.evaluation.backtest.baselines.regression import ScalingLaw

# Below this number of models no error of a forecast can be estimated.
_FEWEST = 4

# Weight of the penalties on capabilities, difficulties and log slopes in the fit of one factor: normal priors of unit
# sd where scores have an sd of 0.1. They determine origin and scale, and a benchmark whose scores are all at the floor.
_RIDGE = 0.1


@dataclass(frozen=True)
class BestSoFar(Baseline):
    """The best score of the models released before: the state of the art stays as it is.

    Draws add the errors of the same rule on the training models, each forecast from those that were released before
    it, on the logit scale. They are not centred: a model is mostly worse than the best, and sometimes sets a record.
    """

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Forecast the best score; see `Baseline`."""
        date, test = problem.years()
        dated, served = np.isfinite(date), np.isfinite(test)
        score = problem.training["score"].to_numpy()[dated]
        before = best_before(date[dated], score)
        has_earlier = np.isfinite(before)
        if len(score) < _FEWEST or not has_earlier.any() or not served.any():
            return None
        errors = to_logit(score[has_earlier]) - to_logit(before[has_earlier])
        mean = np.full(served.sum(), score.max())
        return Forecasts(served, mean, scatter(mean, errors, self.draws, rng))


@dataclass(frozen=True)
class DateTrend(ScalingLaw):
    """Logit trend of a benchmark over the date of release: a sigmoid of the date above the floor.

    Parameters
    ----------
    records : bool
        Whether the trend is that of the record holders: models with a higher score than all that were released before.
        Where these are too few, it is that of all models. The draws scatter by the residuals of all models.
    """

    records: bool = False

    def covariates(self, problem: PredictionProblem) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the years since the mean date."""
        training, test = problem.years()
        if np.isfinite(training).sum() < _FEWEST:
            return None
        centre = np.nanmean(training)
        return training[:, None] - centre, test[:, None] - centre

    def fitted_to(self, x: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return which training models (model,) determine the trend."""
        everybody = super().fitted_to(x, score)
        holders = ~(score <= best_before(x[:, 0], score))  # the first has nobody before it
        return holders if self.records and holders.sum() >= _FEWEST else everybody


def best_before(date: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the best score (model,) of the models with an earlier date; NaN for the first ones."""
    order = np.argsort(date, kind="stable")
    best = np.maximum.accumulate(score[order])
    earlier = np.searchsorted(date[order], date, side="left")
    return np.where(earlier > 0, best[earlier - 1], np.nan)


@dataclass(frozen=True)
class FamilyComputeOrMean(FamilyCompute):
    """Compute and an intercept per family where compute is disclosed, the mean score of the benchmark elsewhere.

    Draws around the mean have the residuals of the training models on the logit scale.
    """

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Forecast by the regression where it can, and by the mean elsewhere; see `Baseline`."""
        score = problem.training["score"].to_numpy()
        if len(score) < _FEWEST:
            return None
        served = np.ones(len(problem.test), dtype=bool)
        mean = np.full(len(served), score.mean())
        draws = scatter(mean, to_logit(score) - to_logit(mean[:1]), self.draws, rng)
        if (by_compute := super().forecast(problem, rng)) is not None:
            mean[by_compute.served], draws[:, by_compute.served] = by_compute.mean, by_compute.draws
        return Forecasts(served, mean, draws)


# One factor and date


@dataclass(frozen=True)
class FactorDate(Baseline):
    """Capability as one factor of all scores seen, regressed on the date of release.

    As in Epoch's Capabilities Index (Ho et al. 2025, arXiv 2512.00193): each score is a sigmoid of a model's capability
    less the benchmark's difficulty, times its slope, above the floor, fitted by penalised least squares. A linear
    regression on the date forecasts the capability of a new model.

    Draws resample the residuals of that regression, for its line and for the new model, and the errors of the
    benchmark's fitted scores on the logit scale.
    """

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Forecast capabilities by the trend, and scores by the factor; see `Baseline`."""
        factor = _factor_of(problem.evals)
        test = problem.years()[1]
        served = np.isfinite(test)
        if factor is None or not served.any():
            return None
        score, fitted = factor.scores(problem.benchmark)
        if len(score) < _FEWEST:
            return None
        trend = np.column_stack([np.ones(len(factor.date)), factor.date - factor.date.mean()])
        new = np.column_stack([np.ones(served.sum()), test[served] - factor.date.mean()])
        weights = lstsq(trend, factor.capability)[0]
        residuals = factor.capability - trend @ weights
        residuals *= np.sqrt(len(residuals) / (len(residuals) - 2))
        # All resampled trends at once, one per draw.
        resampled = (trend @ weights)[:, None] + rng.choice(residuals, size=(len(trend), self.draws))
        capability = (new @ lstsq(trend, resampled)[0]).T
        capability += rng.choice(residuals, size=capability.shape)
        expected = factor.curve(capability, problem.benchmark)
        errors = to_logit(score) - to_logit(fitted)
        draws = scatter(expected.ravel(), errors - errors.mean(), 1, rng).reshape(expected.shape)
        return Forecasts(served, factor.curve(new @ weights, problem.benchmark), draws)


@dataclass(frozen=True, eq=False)
class Factor:
    """One capability per model, and a sigmoid of it per benchmark.

    Attributes
    ----------
    observed : pandas.DataFrame (model, benchmark)
        The scores that were fitted, NaN where there is none.
    floor, slope, difficulty : pandas.Series (benchmark,)
    capability, date : ndarray (model,)
    """

    observed: pd.DataFrame
    floor: pd.Series
    slope: pd.Series
    difficulty: pd.Series
    capability: np.ndarray
    date: np.ndarray

    def curve(self, capability: np.ndarray, benchmark: str) -> np.ndarray:
        """Return expected scores on a benchmark at any capabilities."""
        low = self.floor[benchmark]
        return low + (1 - low) * expit(self.slope[benchmark] * (capability - self.difficulty[benchmark]))

    def scores(self, benchmark: str) -> tuple[np.ndarray, np.ndarray]:
        """Return observed and fitted scores on a benchmark."""
        score = self.observed[benchmark].to_numpy(float)
        has_score = np.isfinite(score)
        return score[has_score], self.curve(self.capability[has_score], benchmark)


@lru_cache(maxsize=1)  # of the fold whose benchmarks are being forecast
def _factor_of(evals: Evals) -> Factor | None:
    observed = pd.DataFrame(evals.matrix().to_pandas())
    date = years(evals.models)
    usable = observed.notna().any(axis=1).to_numpy() & np.isfinite(date)
    if usable.sum() < _FEWEST:
        return None
    return fit_factor(observed[usable], evals.benchmarks.set_index("benchmark")["floor"], date[usable])


def fit_factor(observed: pd.DataFrame, floor: pd.Series, date: np.ndarray) -> Factor:
    """Fit one factor to scores (model, benchmark), NaN where there is none, by penalised least squares."""
    scores = observed.to_numpy(float)
    models, benchmarks = scores.shape
    row, column = np.nonzero(np.isfinite(scores))
    score, low = scores[row, column], floor.loc[observed.columns].to_numpy(float)[column]
    # Columns of the Jacobian: capabilities, difficulties, log slopes.
    at = np.arange(len(score))
    rows = np.concatenate([at, at, at])
    columns = np.concatenate([row, models + column, models + benchmarks + column])
    n_parameters = models + 2 * benchmarks

    def parts(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        capability, difficulty, log_slope = np.split(parameters, [models, models + benchmarks])
        slope, lead = np.exp(log_slope[column]), capability[row] - difficulty[column]
        return slope, lead, expit(slope * lead)

    def residuals(parameters: np.ndarray) -> np.ndarray:
        _, _, share = parts(parameters)
        return np.concatenate([low + (1 - low) * share - score, _RIDGE * parameters])

    def jacobian(parameters: np.ndarray) -> csr_array:
        slope, lead, share = parts(parameters)
        steep = (1 - low) * share * (1 - share) * slope
        values = np.concatenate([steep, -steep, steep * lead])
        fit = coo_array((values, (rows, columns)), shape=(len(score), n_parameters))
        return vstack([fit, _RIDGE * eye_array(n_parameters)], format="csr")

    optimum = least_squares(residuals, np.zeros(n_parameters), jac=jacobian, method="trf", tr_solver="lsmr").x
    capability, difficulty, log_slope = np.split(optimum, [models, models + benchmarks])
    of = partial(pd.Series, index=observed.columns)
    return Factor(observed, floor, of(np.exp(log_slope)), of(difficulty), capability, date)
