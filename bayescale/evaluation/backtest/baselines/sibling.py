"""The last sibling's score carried forward: what one says who looks at one family only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.evaluation.backtest.baselines.baseline import Answer, Baseline
from bayescale.evaluation.backtest.baselines.bootstrap import scatter, to_logit
from bayescale.evaluation.backtest.baselines.question import Question

# Fewer models, or fewer residuals of one kind, say nothing about how far such a forecast is off.
_FEWEST = 5


@dataclass(frozen=True)
class LastSibling(Baseline):
    """The score of the nearest smaller sibling: of those with less compute, the one with the most.

    A model whose family has no smaller sibling with a score gets the mean of the models nearest to it in the logarithm
    of compute, whatever their families. Models of unknown compute are left out.

    Draws scatter with the errors that the same rule makes on each of the models learnt from, on the logit scale. These
    errors are not centred: a larger sibling is mostly better, and the draws say so, while the mean is the plain rule.

    Parameters
    ----------
    neighbours : int
        How many models to average where there is no sibling.
    """

    neighbours: int = 3

    def answer(self, question: Question, rng: np.random.Generator) -> Answer | None:
        """Carry forward; see `Baseline`."""
        size = np.log(question.known("flops", question.learnt_from))
        known = np.isfinite(size)
        if known.sum() < _FEWEST:
            return None
        pool = _Pool(size[known], question.families(question.learnt_from)[known], question.scores[known])
        carried, near = self._errors(pool)
        if not carried.size or not near.size:
            return None
        mean = np.full(len(question.asked), np.nan)
        draws = np.full((self.draws, len(mean)), np.nan)
        asked = np.log(question.known("flops", question.asked))
        for i, (x, family) in enumerate(zip(asked, question.families(question.asked), strict=True)):
            if np.isnan(x):
                continue
            sibling = pool.last_sibling(x, family)
            mean[i] = pool.nearest(x, self.neighbours) if sibling is None else sibling
            errors = near if sibling is None else carried
            draws[:, i] = scatter(mean[[i]], errors, self.draws, rng)[:, 0]
        return mean, draws

    def _errors(self, pool: _Pool) -> tuple[np.ndarray, np.ndarray]:
        """Errors of both rules on the logit scale; the second as for a model whose whole family is unseen."""
        carried, near = [], []
        for x, family, score in zip(pool.size, pool.family, pool.score, strict=True):
            if (sibling := pool.last_sibling(x, family)) is not None:
                carried.append((score, sibling))
            if len((others := pool.without(family)).size):
                near.append((score, others.nearest(x, self.neighbours)))
        errors = [to_logit(pairs[:, 0]) - to_logit(pairs[:, 1]) for pairs in map(_pairs, (carried, near))]
        pooled = np.concatenate(errors)
        errors = [own if len(own) >= _FEWEST else pooled for own in errors]
        return errors[0], errors[1]


@dataclass(frozen=True, eq=False)
class _Pool:
    """Models learnt from: log compute, family and score."""

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


def _pairs(values: list[tuple[float, float]]) -> np.ndarray:
    return np.array(values, dtype=float).reshape(-1, 2)
