"""Regressions of the paper: a sigmoid of principal components (observational), of compute, or of model size."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.decomposition import PCA  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from bayescale.evaluation.backtest.baselines.baseline import Baseline, Forecasts, PredictionProblem, bootstrap, to_logit

# Upper end of a learned floor, and initial weights of the covariates (Ruan, Maddison & Hashimoto 2024, section 4;
# ryoungj/ObsScaling, utils/data.py). The loss has several minima, so the initial values are part of the method.
_HIGHEST_FLOOR = 0.2
_INITIAL_WEIGHT = 0.03

# A bootstrap refit starts at the first fit and needs no more digits than its sampling error.
_REFIT_TOLERANCE = 1e-9

# Of the imputation, in standard deviations.
_ROUNDS, _TOLERANCE = 1000, 1e-9


@dataclass(frozen=True)
class ScalingLaw(Baseline):
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

    def fitted_to(self, x: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return which training models (model,) determine the curve: all of them."""
        return np.ones(len(score), dtype=bool)

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Fit the curve to training models with known covariates, and forecast; see `Baseline`."""
        covariates = self.covariates(problem)
        if covariates is None:
            return None
        usable, served = (np.isfinite(x).all(axis=1) for x in covariates)
        x, test, score = covariates[0][usable], covariates[1][served], problem.training["score"].to_numpy()[usable]
        learned = problem.task.law_floor == "learned"
        parameters = 1 + x.shape[1] + learned
        kept = self.fitted_to(x, score)
        if kept.sum() <= parameters or not served.any():
            return None

        floor = (0.0, _HIGHEST_FLOOR) if learned else (problem.chance_level, problem.chance_level)
        curve = fit_curve(x[kept], score[kept], floor)

        def refit(resampled: np.ndarray) -> np.ndarray:
            return fit_curve(x[kept], resampled, floor, start=curve, tolerance=_REFIT_TOLERANCE).predict(test)

        fitted = curve.predict(x)
        residuals = to_logit(score) - to_logit(fitted)
        # Centred, and scaled for the degrees of freedom.
        pool = (residuals[kept] - residuals[kept].mean()) * np.sqrt(kept.sum() / (kept.sum() - parameters))
        # Residuals of models to which the curve was not fitted keep their mean: a new model may be like them.
        errors = pool if kept.all() else residuals
        draws = bootstrap(refit, fitted[kept], pool, self.draws, self.refits, rng, errors=errors)
        return Forecasts(served, curve.predict(test), draws)


@dataclass(frozen=True)
class CovariateRegression(ScalingLaw):
    """Regression on the logarithm of one covariate of the models; models without it are left out.

    Parameters
    ----------
    covariate : str
        Column of the table of models: ``flops`` or ``params_b``.
    """

    covariate: str = "flops"

    def covariates(self, problem: PredictionProblem) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the logarithm of the covariate, centred so that its unit does not matter."""
        training, test = problem.log_covariate(self.covariate)
        if np.isnan(training).all():
            return None
        centre = np.nanmean(training)
        return training[:, None] - centre, test[:, None] - centre


@dataclass(frozen=True)
class ComponentRegression(ScalingLaw):
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
        training, test = (table.loc[m].to_numpy(float) for m in (problem.training.index, problem.test.index))
        kept = np.isfinite(training).any(axis=0)
        tables = training[:, kept], test[:, kept]
        scored = [np.isfinite(x).any(axis=1) for x in tables]
        if self.count > min(scored[0].sum(), kept.sum()) or not scored[1].any():
            return None
        parts = principal_components(tables[0][scored[0]], tables[1][scored[1]], self.count)
        whole = [np.full((len(x), self.count), np.nan) for x in tables]
        for values, rows, part in zip(whole, scored, parts, strict=True):
            values[rows] = part
        return whole[0], whole[1]


# Principal components


def principal_components(training: np.ndarray, test: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first principal components of scores, fitted to the training models.

    As in Ruan, Maddison & Hashimoto (2024), section 3 (ryoungj/ObsScaling, utils/data.py): missing scores are imputed
    from one component on the standardised scale, alternating fit and imputation, and cut to [0, 1]; test models with
    the component of the training models. The components are then those of the raw scores, centred and not standardised.

    Both arrays are (model, benchmark), NaN where a score is missing; every benchmark has a score among `training`, and
    `count` is at most the number of benchmarks, and of training models. Returns two arrays (model, component).
    """
    scaler = StandardScaler().fit(training)
    filled, single = _impute(scaler.transform(training), None)
    others, _ = _impute(scaler.transform(test), single)
    training, test = (np.clip(scaler.inverse_transform(x), 0, 1) for x in (filled, others))
    pca = PCA(n_components=count).fit(training)
    return pca.transform(training), pca.transform(test)


def _impute(scaled: np.ndarray, fitted: PCA | None) -> tuple[np.ndarray, PCA]:
    missing = np.isnan(scaled)
    filled = np.where(missing, 0.0, scaled)  # the mean, on the standardised scale
    pca = fitted or PCA(n_components=1).fit(filled)
    for _ in range(_ROUNDS if missing.any() else 0):
        pca = fitted or PCA(n_components=1).fit(filled)
        rebuilt = pca.inverse_transform(pca.transform(filled))[missing]
        change = np.abs(rebuilt - filled[missing]).max()
        filled[missing] = rebuilt
        if change < _TOLERANCE:
            break
    return filled, pca


# The curve


@dataclass(frozen=True, eq=False)
class ScalingCurve:
    """Sigmoid of a linear predictor above a floor.

    ``floor + (1 - floor) sigmoid(weights . (1, x))``, with weights (1 + covariate,).
    """

    weights: np.ndarray
    floor: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the scores (model,) at covariates x (model, covariate)."""
        return self.floor + (1 - self.floor) * expit(_with_constant(x) @ self.weights)


def fit_curve(
    x: np.ndarray,
    score: np.ndarray,
    floor: tuple[float, float],
    start: ScalingCurve | None = None,
    tolerance: float = 1e-15,
) -> ScalingCurve:
    """Fit a scaling curve by least squares.

    The published code minimises a Huber loss with delta = 1, which for scores in [0, 1] is least squares, by the same
    bounded quasi-Newton method, but stops when the loss changes by less than 2e-9. If all scores are near the floor,
    this is before the minimum; the tolerance here (change of the loss, relative to a loss of 1) is small enough to
    reach it. `x` is (model, covariate), `score` (model,); equal bounds of the floor fix it. The default initial values
    are those of the published code.
    """
    constant = _with_constant(x)
    start = start or ScalingCurve(np.array([0.0] + [_INITIAL_WEIGHT] * x.shape[1]), 0.0)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, low = parameters[:-1], parameters[-1]
        rise = expit(constant @ weights)
        error = low + (1 - low) * rise - score
        slope = (error * (1 - low) * rise * (1 - rise)) @ constant
        return 0.5 * float(error @ error), np.append(slope, error @ (1 - rise))

    initial = np.append(start.weights, np.clip(start.floor, *floor))
    bounds = [(None, None)] * constant.shape[1] + [floor]
    options = {"ftol": tolerance, "gtol": 1e-10, "maxiter": 5000, "maxfun": 20000}
    optimum = minimize(loss, initial, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return ScalingCurve(optimum[:-1], float(optimum[-1]))


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])
