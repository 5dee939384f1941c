"""Condition a forecast on known scores of the model by importance sampling, without refitting.

For each posterior draw, the unknowns of the new model (residual capability, testlet effects, and for a new family its
family-by-benchmark effects) are conditioned on the known scores: Fisher scoring finds their mode, and proposals come
from a Student-t around it. The average weight of a draw is the likelihood of the known scores under it. Draws are
resampled by it, so that the scores also update the family and the benchmarks, as a refit would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bayescale.forecast.latent_model import LatentModel, posterior_mode, propose
from bayescale.forecast.noise import ConditionNoise
from bayescale.forecast.query import ForecastQuery
from bayescale.inference.draws import Draws


@dataclass(frozen=True)
class Conditioned:
    """Expected scores (S, 1, benchmark) given the known ones, the index of their draws, and the effective draws."""

    expected: np.ndarray
    index: np.ndarray
    effective_draws: float


def condition_on_scores(
    draws: Draws, query: ForecastQuery, given: np.ndarray, scores: np.ndarray, rng: np.random.Generator
) -> Conditioned:
    """Condition the forecast of one new model on `scores` of the benchmarks with index `given`."""
    latent = LatentModel.of(draws, query.covariates[0], int(query.family_index[0]), given)
    return weigh(draws, query, latent, scores, ConditionNoise.drawn(draws, latent, rng))


def weigh(
    draws: Draws, query: ForecastQuery, latent: LatentModel, scores: np.ndarray, noise: ConditionNoise
) -> Conditioned:
    """Condition as `condition_on_scores` does, with given noise: propose, weight and resample."""
    proposals, log_weight = propose(latent, *posterior_mode(latent, scores), scores, noise.proposals)
    flat = log_weight.ravel() - logsumexp(log_weight)
    per_draw = np.exp(logsumexp(log_weight, axis=1) - logsumexp(log_weight))
    chosen = _systematic(np.exp(flat), draws.size, noise.start)
    index, which = np.divmod(chosen, log_weight.shape[1])
    expected = _scores_elsewhere(draws, query, latent, (index, proposals[index, which]), noise)
    return Conditioned(expected[:, None], index, float(1 / np.sum(per_draw**2)))


def _systematic(weights: np.ndarray, size: int, start: float) -> np.ndarray:
    """Resample systematically: indices of `size` draws, each repeated within one of its expected number of times."""
    points = (start + np.arange(size)) / size
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1)


def _scores_elsewhere(
    draws: Draws,
    query: ForecastQuery,
    latent: LatentModel,
    chosen: tuple[np.ndarray, np.ndarray],
    noise: ConditionNoise,
) -> np.ndarray:
    """Compute expected scores (S, benchmark) on all benchmarks from the `chosen` draws (S,) and unknowns (S, z)."""
    x, factors, (index, z) = query.covariates[0], draws.loading.shape[2], chosen
    draws = draws.take(index, models=False)
    location = x @ draws.slope
    if latent.new_family:
        effect = noise.family_benchmark * draws.family_benchmark_sd[:, None]
        effect[:, latent.given] = z[:, factors + len(latent.testlets) :]
    else:
        family = int(query.family_index[0])
        location = location + draws.family_offset[:, family]
        effect = draws.family_benchmark[:, family]
    testlet = noise.testlet * draws.testlet_sd[:, None]
    testlet[:, latent.testlets] = z[:, factors : factors + len(latent.testlets)]
    return draws.scores_of((location + z[:, :factors])[:, None], x[None], testlet[:, None], effect[:, None])[:, 0]
