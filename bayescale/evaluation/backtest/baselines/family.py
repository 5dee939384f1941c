"""Compute with an intercept per family: the plainest forecast that knows of families."""

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

from bayescale.evaluation.backtest.baselines.baseline import Answer, Baseline
from bayescale.evaluation.backtest.baselines.bootstrap import bootstrap, to_logit
from bayescale.evaluation.backtest.baselines.question import Question

_PARTS = 5  # of the cross-validation
_UNPENALISED = 2  # constant and compute


@dataclass(frozen=True)
class FamilyCompute(Baseline):
    """A fractional logit of log compute, with an intercept per family that a ridge penalty pulls to their average.

    The fractional logit (Papke & Wooldridge 1996), statsmodels' binomial GLM on shares, takes scores of exactly 0 and 1
    as they are; a linear mixed model would need their logits, where scores at the floor outweigh all others. The ridge
    penalty is the partial pooling: a family not seen gets the average. How much is pooled, cross-validation says.
    Scores are shares of the way from chance to 1.

    Parameters
    ----------
    refits : int
        Fits to resampled scores, from which the uncertainty of the parameters comes.
    penalties : tuple of float
        Penalties to choose from, each the precision of a normal prior on the families' intercepts.
    """

    refits: int = 100
    penalties: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)

    def answer(self, question: Question, rng: np.random.Generator) -> Answer | None:
        """Fit to the models of known compute; see `Baseline`."""
        size = np.log([*question.known("flops", question.learnt_from), *question.known("flops", question.asked)])
        family = question.families([*question.learnt_from, *question.asked])
        known, n = np.isfinite(size), len(question.learnt_from)
        usable, served = known[:n], known[n:]
        if usable.sum() < 2 * _PARTS or not served.any():
            return None

        design = _design(size[known], family[known], usable.sum())
        x, asked = design[: usable.sum()], design[usable.sum() :]
        low = question.chance
        share = np.clip((question.scores[usable] - low) / (1 - low), 0, 1)
        penalty, foreseen = self._cross_validate(x, share)
        # Slow and exact: with a weak penalty the loss is flat, and the fast solver, good for refits, stops early.
        weights = _fit(x, share, penalty, solver="newton-cg")

        def refit(score: np.ndarray) -> np.ndarray:
            again = np.clip((score - low) / (1 - low), 0, 1)
            return low + (1 - low) * expit(asked @ _fit(x, again, penalty, weights))

        # In-sample residuals of a family with one model are nothing; those of the cross-validation are honest.
        errors = to_logit(question.scores[usable]) - to_logit(low + (1 - low) * foreseen)
        fitted = low + (1 - low) * expit(x @ weights)
        mean = np.full(len(served), np.nan)
        draws = np.full((self.draws, len(served)), np.nan)
        mean[served] = low + (1 - low) * expit(asked @ weights)
        draws[:, served] = bootstrap(refit, fitted, errors - errors.mean(), self.draws, self.refits, rng)
        return mean, draws

    def _cross_validate(self, x: np.ndarray, share: np.ndarray) -> tuple[float, np.ndarray]:
        """Penalty with the least squared error on models left out, and their shares (model,) as it foresees them."""
        best, least, foreseen = self.penalties[0], np.inf, share
        weights = None
        for penalty in self.penalties:
            left_out = np.empty_like(share)
            for kept, out in KFold(_PARTS, shuffle=True, random_state=0).split(x):
                weights = _fit(x[kept], share[kept], penalty, weights)
                left_out[out] = expit(x[out] @ weights)
            error = float(((left_out - share) ** 2).sum())
            if error < least:
                best, least, foreseen = penalty, error, left_out
        return best, foreseen


def _design(size: np.ndarray, family: np.ndarray, learnt_from: int) -> np.ndarray:
    """Constant, compute in standard deviations, families; all zeros for a family not learnt from."""
    compute = StandardScaler().fit(size[:learnt_from, None]).transform(size[:, None])
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(family[:learnt_from, None])
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
