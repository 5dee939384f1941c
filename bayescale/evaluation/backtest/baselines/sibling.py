"""Baseline that carries the score of the next smaller sibling forward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.evaluation.backtest.baselines.baseline import Baseline, Forecasts, PredictionProblem, scatter, to_logit

# Below this number of models, or of residuals of one kind, the forecast error cannot be estimated.
_FEWEST = 5


@dataclass(frozen=True)
class LastSibling(Baseline):
    """Score of the sibling with the most compute among those with less compute than the model.

    A model whose family has no smaller sibling with a score gets the mean of the models nearest to it in the logarithm
    of compute, whatever their families. Models of unknown compute are left out.

    Draws add the errors of the same rule on the training models, on the logit scale. These errors are not centred: a
    larger sibling is mostly better, which the draws include and the point forecast does not.

    Parameters
    ----------
    neighbours : int
        Number of models to average if there is no sibling.
    """

    neighbours: int = 3

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Carry scores forward; see `Baseline`."""
        size, test_size = problem.log_covariate("flops")
        has_compute = np.isfinite(size)
        if has_compute.sum() < _FEWEST:
            return None
        training = problem.training[has_compute]
        pool = _Pool(size[has_compute], training["family"].to_numpy(str), training["score"].to_numpy())
        carried, near = self._errors(pool)
        if not carried.size or not near.size:
            return None
        served = np.isfinite(test_size)
        mean, draws = np.empty(served.sum()), np.empty((self.draws, served.sum()))
        for i, (x, family) in enumerate(zip(test_size[served], problem.test["family"][served], strict=True)):
            sibling = pool.last_sibling(x, family)
            mean[i] = pool.nearest(x, self.neighbours) if sibling is None else sibling
            errors = near if sibling is None else carried
            draws[:, i] = scatter(mean[[i]], errors, self.draws, rng)[:, 0]
        return Forecasts(served, mean, draws)

    def _errors(self, pool: _Pool) -> tuple[np.ndarray, np.ndarray]:
        """Return the errors of both rules on the logit scale; the second as for a model of an unseen family."""
        carried: list[tuple[float, float]] = []
        near: list[tuple[float, float]] = []
        for x, family, score in zip(pool.size, pool.family, pool.score, strict=True):
            if (sibling := pool.last_sibling(x, family)) is not None:
                carried.append((score, sibling))
            if len((others := pool.without(family)).size):
                near.append((score, others.nearest(x, self.neighbours)))
        pairs = [np.array(rule, dtype=float).reshape(-1, 2) for rule in (carried, near)]
        errors = [to_logit(p[:, 0]) - to_logit(p[:, 1]) for p in pairs]
        pooled = np.concatenate(errors)
        errors = [own if len(own) >= _FEWEST else pooled for own in errors]
        return errors[0], errors[1]


@dataclass(frozen=True, eq=False)
class _Pool:
    """Training models: log compute, family and score."""

    size: np.ndarray
    family: np.ndarray
    score: np.ndarray

    def last_sibling(self, size: float, family: str) -> float | None:
        smaller = (self.family == family) & (self.size < size)
        if not smaller.any():
            return None
        return float(self.score[smaller & (self.size == self.size[smaller].max())].mean())

    def nearest(self, size: float, count: int) -> float:
        order = np.argsort(np.abs(self.size - size), kind="stable")
        return float(self.score[order[:count]].mean())

    def without(self, family: str) -> _Pool:
        other = self.family != family
        return _Pool(self.size[other], self.family[other], self.score[other])
