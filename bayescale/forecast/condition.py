"""Forecast a model of which some scores are known, without refitting.

For each posterior draw the unknowns of the new model (residual capability, testlet effects, and for a new family its
bent for the benchmarks) are conditioned on the known scores: their mode by Fisher scoring, then importance sampling
from a Student-t around it. The average weight of a draw is the likelihood of the known scores under it, so draws are
resampled by it: what the scores say of the family and of the benchmarks is learned too, as a refit would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, logsumexp

from bayescale.draws import Draws
from bayescale.forecast.request import Request
from bayescale.response import (
    SHARE_MARGIN,
    beta_shapes,
    effective_items,
    expected_score,
    log_likelihood_share,
    logit_information,
    logit_score,
    score_slope,
)

STEPS = 12
PROPOSALS = 8
DEGREES_OF_FREEDOM = 7.0


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
    latent = _Latents.of_new_model(draws, request, given)
    mode, precision = _mode(latent, scores)
    proposals, log_weight = _propose(latent, mode, precision, scores, rng)
    flat = log_weight.ravel() - logsumexp(log_weight)
    per_draw = np.exp(logsumexp(log_weight, axis=1) - logsumexp(log_weight))
    chosen = _systematic(np.exp(flat), draws.size, rng)
    index, which = np.divmod(chosen, log_weight.shape[1])
    z = proposals[index, which]
    expected = _scores_elsewhere(draws, request, latent, given, z, index, rng)
    return Conditioned(expected[:, None], index, float(1 / np.sum(per_draw**2)))


@dataclass(frozen=True)
class _Latents:
    """Unknowns of the new model: logit of the given scores = base + design z, with z ~ Normal(0, sd^2) a priori."""

    base: np.ndarray  # (S, given)
    design: np.ndarray  # (S, given, z)
    sd: np.ndarray  # (S, z)
    floor: np.ndarray  # (S, given)
    ceiling: np.ndarray  # (given,)
    precision: np.ndarray  # (S, given)
    items: np.ndarray  # (given,)
    curve_shape: np.ndarray  # (S, given)
    testlets: np.ndarray  # testlets that the given benchmarks touch
    new_family: bool

    @classmethod
    def of_new_model(cls, draws: Draws, request: Request, given: np.ndarray) -> _Latents:
        size, x = draws.size, request.covariates[0]
        family = int(request.family_index[0])
        new_family = family < 0
        location = x @ draws.slope
        bent = np.zeros((size, len(given)))
        if not new_family:
            location = location + draws.family_offset[:, family]
            bent = draws.family_benchmark[:, family][:, given]
        loading = draws.loading[:, given]
        base = logit_score(
            np.einsum("sbk,sk->sb", loading, location),
            draws.difficulty[:, given],
            draws.benchmark_slope[:, given] @ x,
            bent,
        )
        groups = draws.data.testlet_index[given]
        testlets = np.unique(groups[groups >= 0])
        member = (groups[:, None] == testlets[None, :]).astype(float)
        # A new family's offset only ever enters together with the residual: one normal of variance 1 + tau^2.
        ability_sd = np.sqrt(1 + draws.family_sd**2) if new_family else np.ones(size)
        parts = [loading, np.broadcast_to(member, (size, *member.shape))]
        sds = [
            np.repeat(ability_sd[:, None], loading.shape[2], 1),
            np.repeat(draws.testlet_sd[:, None], len(testlets), 1),
        ]
        if new_family:
            parts.append(np.broadcast_to(np.eye(len(given)), (size, len(given), len(given))))
            sds.append(np.repeat(draws.family_benchmark_sd[:, None], len(given), 1))
        return cls(
            base=base,
            design=np.concatenate(parts, axis=2),
            sd=np.maximum(np.concatenate(sds, axis=1), 1e-6),
            floor=draws.floor[:, given],
            ceiling=draws.data.ceiling[given],
            precision=draws.precision[:, given],
            items=draws.data.items[given],
            curve_shape=draws.curve_shape[:, given],
            testlets=testlets,
            new_family=new_family,
        )

    def mean(self, z: np.ndarray) -> np.ndarray:
        """Expected scores of the given benchmarks: z (S, ..., z) to (S, ..., given)."""
        logit = self.base[:, None] + np.einsum("sgz,spz->spg", self.design, z)
        return expected_score(np.clip(logit, -30, 30), self.floor[:, None], self.ceiling, self.curve_shape[:, None])

    def log_posterior(self, z: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Log joint density (S, proposals) of z and the given scores, up to a constant."""
        likelihood = log_likelihood_share(scores, self.items, self.mean(z), self.precision[:, None]).sum(-1)
        prior = -0.5 * np.square(z / self.sd[:, None]) - np.log(self.sd[:, None])
        return likelihood + prior.sum(-1)


def _mode(latent: _Latents, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mode (S, z) and precision matrix (S, z, z) of the unknowns given the scores, by damped Fisher scoring."""
    z = np.zeros_like(latent.sd)
    prior = 1 / latent.sd**2
    effective = effective_items(latent.items, latent.precision)
    counted = np.isfinite(latent.items)
    hits = np.rint(scores * np.where(counted, latent.items, 0))
    for _ in range(STEPS):
        mean = latent.mean(z[:, None])[:, 0]
        slope = score_slope(mean, latent.floor, latent.ceiling, latent.curve_shape)
        a, b = beta_shapes(mean, latent.precision)
        inside = np.clip(scores, SHARE_MARGIN, 1 - SHARE_MARGIN)
        up = np.where(counted, digamma(hits + a), np.log(inside)) - digamma(a)
        down = np.where(counted, digamma(np.where(counted, latent.items, 0) - hits + b), np.log1p(-inside)) - digamma(b)
        gradient = latent.precision * (up - down) * slope
        weight = logit_information(mean, slope, effective)
        matrix = np.einsum("sgz,sg,sgy->szy", latent.design, weight, latent.design)
        matrix[:, np.arange(z.shape[1]), np.arange(z.shape[1])] += prior
        pull = np.einsum("sgz,sg->sz", latent.design, gradient) - prior * z
        step = np.linalg.solve(matrix, pull[..., None])[..., 0]
        # Near the floor the curve is flat and a full step overshoots: hold it to two prior sds.
        longest = np.max(np.abs(step) / latent.sd, axis=1, keepdims=True)
        z = z + step * np.minimum(1.0, 2.0 / np.maximum(longest, 1e-12))
    return z, matrix


def _propose(
    latent: _Latents, mode: np.ndarray, precision: np.ndarray, scores: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Proposals (S, P, z) from a multivariate t around the mode, and their log weights (S, P)."""
    size, dims = mode.shape
    nu = DEGREES_OF_FREEDOM
    lower = np.linalg.cholesky(precision)
    normal = rng.standard_normal((size, PROPOSALS, dims))
    scale = np.sqrt(nu / rng.chisquare(nu, (size, PROPOSALS)))
    steps = np.linalg.solve(np.swapaxes(lower, 1, 2), np.swapaxes(normal, 1, 2))
    z = mode[:, None] + np.swapaxes(steps, 1, 2) * scale[..., None]
    squared = np.square(normal).sum(-1) * scale**2
    log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(1)
    log_density = (
        gammaln((nu + dims) / 2)
        - gammaln(nu / 2)
        - dims / 2 * np.log(nu * np.pi)
        + log_det[:, None]
        - (nu + dims) / 2 * np.log1p(squared / nu)
    )
    return z, latent.log_posterior(z, scores) - log_density


def _systematic(weights: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling: indices of `size` draws, each within one of its expected number."""
    points = (rng.random() + np.arange(size)) / size
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1)


def _scores_elsewhere(
    draws: Draws,
    request: Request,
    latent: _Latents,
    given: np.ndarray,
    z: np.ndarray,
    index: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Expected scores (S, benchmark) on all benchmarks, known or not, with the conditioned unknowns."""
    x, factors = request.covariates[0], draws.loading.shape[2]
    size, benchmarks = len(index), draws.difficulty.shape[1]
    location = (x @ draws.slope)[index]
    if latent.new_family:
        bent = rng.standard_normal((size, benchmarks)) * draws.family_benchmark_sd[index, None]
        bent[:, given] = z[:, factors + len(latent.testlets) :]
    else:
        family = int(request.family_index[0])
        location = location + draws.family_offset[index, family]
        bent = draws.family_benchmark[index, family]
    testlet = rng.standard_normal((size, draws.testlet.shape[-1])) * draws.testlet_sd[index, None]
    testlet[:, latent.testlets] = z[:, factors : factors + len(latent.testlets)]
    logit = logit_score(
        np.einsum("sbk,sk->sb", draws.loading[index], location + z[:, :factors]),
        draws.difficulty[index],
        draws.benchmark_slope[index] @ x,
        draws.testlet_of_benchmarks(testlet),
        bent,
    )
    return expected_score(logit, draws.floor[index], draws.data.ceiling, draws.curve_shape[index])
