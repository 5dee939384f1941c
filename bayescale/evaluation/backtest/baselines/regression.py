"""Regressions of the paper: a sigmoid of principal components (observational), of compute, or of model size."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from bayescale.evaluation.backtest.baselines.baseline import Baseline, PointsAndDraws
from bayescale.evaluation.backtest.baselines.bootstrap import bootstrap, residuals
from bayescale.evaluation.backtest.baselines.components import principal_components
from bayescale.evaluation.backtest.baselines.prediction_problem import PredictionProblem
from bayescale.evaluation.backtest.baselines.scaling_curve import fit_curve

# Upper end of a learned floor (Ruan, Maddison & Hashimoto 2024, section 4; ryoungj/ObsScaling, utils/data.py).
_HIGHEST_FLOOR = 0.2

# A bootstrap refit starts at the first fit and needs no more digits than its sampling error.
_REFIT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class LinearLaw(Baseline):
    """Sigmoid of a linear predictor of covariates, fitted by least squares, with residual-bootstrap intervals.

    Intervals condition on the covariates: principal components and imputed scores are not resampled.

    Parameters
    ----------
    refits : int
        Number of bootstrap refits, which carry the uncertainty of the parameters.
    """

    refits: int = 100

    @abstractmethod
    def covariates(self, problem: PredictionProblem) -> tuple[np.ndarray, np.ndarray] | None:
        """Return covariates (model, covariate) of the training and of the test models; NaN where unknown."""

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> PointsAndDraws | None:
        """Fit the curve to training models with known covariates, and forecast; see `Baseline`."""
        covariates = self.covariates(problem)
        if covariates is None:
            return None
        usable, forecast = (np.isfinite(x).all(axis=1) for x in covariates)
        x, test, score = covariates[0][usable], covariates[1][forecast], problem.training_scores[usable]
        learned = problem.task.law_floor == "learned"
        parameters = 1 + x.shape[1] + learned
        if len(score) <= parameters or not forecast.any():
            return None

        floor = (0.0, _HIGHEST_FLOOR) if learned else (problem.chance_level, problem.chance_level)
        curve = fit_curve(x, score, floor)

        def refit(resampled: np.ndarray) -> np.ndarray:
            return fit_curve(x, resampled, floor, start=curve, tolerance=_REFIT_TOLERANCE).predict(test)

        fitted = curve.predict(x)
        pool = residuals(score, fitted, parameters)
        mean = np.full(len(forecast), np.nan)
        draws = np.full((self.draws, len(forecast)), np.nan)
        mean[forecast] = curve.predict(test)
        draws[:, forecast] = bootstrap(refit, fitted, pool, self.draws, self.refits, rng)
        return mean, draws


@dataclass(frozen=True)
class CovariateRegression(LinearLaw):
    """Regression on the logarithm of one covariate of the models; models without it are left out.

    Parameters
    ----------
    covariate : str
        Column of the table of models: ``flops`` or ``params_b``.
    """

    covariate: str = "flops"

    def covariates(self, problem: PredictionProblem) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the logarithm of the covariate, centred so that its unit does not matter."""
        training = np.log(problem.covariate(self.covariate, problem.training_models))
        test = np.log(problem.covariate(self.covariate, problem.test_models))
        if np.isnan(training).all():
            return None
        centre = np.nanmean(training)
        return training[:, None] - centre, test[:, None] - centre


@dataclass(frozen=True)
class ComponentRegression(LinearLaw):
    """Observational scaling law: regression on the first principal components of the visible benchmarks.

    Parameters
    ----------
    count : int
        Number of components.
    suites : tuple of str
        Benchmarks of these suites enter the components; all visible ones if there is none of these. The paper uses
        the standard benchmarks, and leaves out Arena Elo and MT-Bench for agents (instruct_llm_agent_capability.ipynb).
    """

    count: int = 3
    suites: tuple[str, ...] = ("standard",)

    def covariates(self, problem: PredictionProblem) -> tuple[np.ndarray, np.ndarray] | None:
        """Return components of the visible scores; models without scores are left out."""
        visible = [b for b in problem.task.seen if b != problem.benchmark]
        standard = [b for b in visible if problem.benchmarks.loc[b, "suite"] in self.suites]
        table = problem.observed[standard or visible]
        training = table.loc[problem.training_models].to_numpy(float)
        test = table.loc[problem.test_models].to_numpy(float)
        kept = np.isfinite(training).any(axis=0)
        training, test = training[:, kept], test[:, kept]
        scored = [np.isfinite(x).any(axis=1) for x in (training, test)]
        if self.count > min(scored[0].sum(), kept.sum()) or not scored[1].any():
            return None
        scores = principal_components(training[scored[0]], test[scored[1]], self.count)
        components = tuple(np.full((len(rows), self.count), np.nan) for rows in scored)
        for whole, rows, values in zip(components, scored, scores, strict=True):
            whole[rows] = values
        return components[0], components[1]
