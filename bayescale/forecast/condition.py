"""Forecast a model of which some scores are known, without refitting.

For each posterior draw the unknowns of the new model (residual capability, testlet effects, and for a new family its
bent for the benchmarks) are conditioned on the known scores: their mode by Fisher scoring, then importance sampling
from a Student-t around it. The average weight of a draw is the likelihood of the known scores under it, so draws are
resampled by it: what the scores say of the family and of the benchmarks is learned too, as a refit would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bayescale.forecast.latent_model import NewModel, posterior_mode, propose
from bayescale.forecast.noise import ConditionChance
from bayescale.forecast.query import Request
from bayescale.inference.draws import Draws


@dataclass(frozen=True)
class Conditioned:
    """Expected scores (S, 1, benchmark) given the known ones; the draws they belong to; and how many weigh in."""

    expected: np.ndarray
    index: np.ndarray
    effective_draws: float


def condition(
    draws: Draws, request: Request, given: np.ndarray, scores: np.ndarray, rng: np.random.Generator
) -> Conditioned:
    """Condition one new model on `scores` of the benchmarks with index `given`."""
    latent = NewModel.of(draws, request.covariates[0], int(request.family_index[0]), given)
    return weigh(draws, request, latent, scores, ConditionChance.drawn(draws, latent, rng))


def weigh(draws: Draws, request: Request, latent: NewModel, scores: np.ndarray, chance: ConditionChance) -> Conditioned:
    """Condition as `condition` does, with random numbers that are handed in: proposals, their weights, resampling."""
    proposals, log_weight = propose(latent, *posterior_mode(latent, scores), scores, chance.proposals)
    flat = log_weight.ravel() - logsumexp(log_weight)
    per_draw = np.exp(logsumexp(log_weight, axis=1) - logsumexp(log_weight))
    chosen = _systematic(np.exp(flat), draws.size, chance.start)
    index, which = np.divmod(chosen, log_weight.shape[1])
    expected = _scores_elsewhere(draws, request, latent, (index, proposals[index, which]), chance)
    return Conditioned(expected[:, None], index, float(1 / np.sum(per_draw**2)))


def _systematic(weights: np.ndarray, size: int, start: float) -> np.ndarray:
    """Systematic resampling: indices of `size` draws, each within one of its expected number."""
    points = (start + np.arange(size)) / size
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1)


def _scores_elsewhere(
    draws: Draws,
    request: Request,
    latent: NewModel,
    chosen: tuple[np.ndarray, np.ndarray],
    chance: ConditionChance,
) -> np.ndarray:
    """Expected scores (S, benchmark) on all benchmarks, known or not; chosen are draws (S,) and unknowns (S, z)."""
    x, factors, (index, z) = request.covariates[0], draws.loading.shape[2], chosen
    draws = draws.take(index, models=False)
    location = x @ draws.slope
    if latent.new_family:
        bent = chance.bent * draws.family_benchmark_sd[:, None]
        bent[:, latent.given] = z[:, factors + len(latent.testlets) :]
    else:
        family = int(request.family_index[0])
        location = location + draws.family_offset[:, family]
        bent = draws.family_benchmark[:, family]
    testlet = chance.testlet * draws.testlet_sd[:, None]
    testlet[:, latent.testlets] = z[:, factors : factors + len(latent.testlets)]
    return draws.scores_of((location + z[:, :factors])[:, None], x[None], testlet[:, None], bent[:, None])[:, 0]
