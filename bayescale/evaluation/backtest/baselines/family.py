"""Regression on compute with an intercept per family: the simplest baseline that uses families."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.model_selection import KFold  # type: ignore[import-untyped]
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # type: ignore[import-untyped]
from statsmodels.genmod.families import Binomial  # type: ignore[import-untyped]
from statsmodels.genmod.generalized_linear_model import GLM  # type: ignore[import-untyped]
from statsmodels.tools.sm_exceptions import ConvergenceWarning  # type: ignore[import-untyped]

from bayescale.evaluation.backtest.baselines.baseline import Baseline, Forecasts, PredictionProblem, bootstrap, to_logit

_PARTS = 5  # of the cross-validation
_UNPENALISED = 2  # constant and compute


@dataclass(frozen=True)
class FamilyCompute(Baseline):
    """Fractional logit regression on log compute, with ridge-penalised intercepts per family.

    The fractional logit (Papke & Wooldridge 1996), statsmodels' binomial GLM on shares, takes scores of exactly 0 and 1
    as they are; a linear mixed model would need their logits, where scores at the floor outweigh all others. The ridge
    penalty pools the families partially: an unseen family gets the average. Cross-validation chooses the penalty.
    Scores are rescaled from the chance level to 1.

    Parameters
    ----------
    refits : int
        Number of bootstrap refits, which carry the uncertainty of the parameters.
    penalties : tuple of float
        Penalties to choose from, each the precision of a normal prior on the families' intercepts.
    """

    refits: int = 100
    penalties: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Fit to the training models of known compute, and forecast; see `Baseline`."""
        size = np.concatenate(problem.log_covariate("flops"))
        family = np.concatenate([table["family"].to_numpy(str) for table in (problem.training, problem.test)])
        has_compute, n = np.isfinite(size), len(problem.training)
        usable, served = has_compute[:n], has_compute[n:]
        if usable.sum() < 2 * _PARTS or not served.any():
            return None

        design = _design(size[has_compute], family[has_compute], int(usable.sum()))
        x, test = design[: usable.sum()], design[usable.sum() :]
        low, score = problem.chance_level, problem.training["score"].to_numpy()[usable]

        def to_share(score: np.ndarray) -> np.ndarray:
            return np.clip((score - low) / (1 - low), 0, 1)

        def to_score(share: np.ndarray) -> np.ndarray:
            return low + (1 - low) * share

        share = to_share(score)
        penalty, held_out = self._cross_validate(x, share)
        # Slow and exact: with a weak penalty the loss is flat, and the fast solver, good for refits, stops early.
        weights = _fit(x, share, penalty, solver="newton-cg")

        def refit(resampled: np.ndarray) -> np.ndarray:
            return to_score(expit(test @ _fit(x, to_share(resampled), penalty, weights)))

        # In-sample residuals of a family with one model are zero; those of the cross-validation are not biased so.
        errors = to_logit(score) - to_logit(to_score(held_out))
        fitted = to_score(expit(x @ weights))
        draws = bootstrap(refit, fitted, errors - errors.mean(), self.draws, self.refits, rng)
        return Forecasts(served, to_score(expit(test @ weights)), draws)

    def _cross_validate(self, x: np.ndarray, share: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalty of least squared error on held-out models, and its held-out predictions (model,)."""
        best, least, held_out = self.penalties[0], np.inf, share
        weights = None
        for penalty in self.penalties:
            predicted = np.empty_like(share)
            for kept, out in KFold(_PARTS, shuffle=True, random_state=0).split(x):
                weights = _fit(x[kept], share[kept], penalty, weights)
                predicted[out] = expit(x[out] @ weights)
            error = float(((predicted - share) ** 2).sum())
            if error < least:
                best, least, held_out = penalty, error, predicted
        return best, held_out


def _design(size: np.ndarray, family: np.ndarray, n_training: int) -> np.ndarray:
    """Return the design matrix: constant, standardised compute, and family indicators (zero for unseen families)."""
    compute = StandardScaler().fit(size[:n_training, None]).transform(size[:, None])
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(family[:n_training, None])
    return np.hstack([np.ones_like(compute), compute, encoder.transform(family[:, None])])


def _fit(
    x: np.ndarray, share: np.ndarray, penalty: float, start: np.ndarray | None = None, solver: str = "L-BFGS-B"
) -> np.ndarray:
    penalties = np.full(x.shape[1], penalty / len(x))  # statsmodels penalises the mean log likelihood
    penalties[:_UNPENALISED] = 0
    with warnings.catch_warnings():
        # The loss is convex; the optimiser complains where it can't improve the last digits.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GLM(share, x, family=Binomial())
        fit = model.fit_regularized(alpha=penalties, L1_wt=0.0, start_params=start, opt_method=solver)
    return np.asarray(fit.params)
