"""Condition a forecast on known scores of the model by importance sampling, without refitting.

For each posterior draw, the unknowns of the new model (residual capability, testlet effects, and for a new family its
family-by-benchmark effects) are conditioned on the known scores: Fisher scoring finds their mode, and proposals come
from a Student-t around it. The average weight of a draw is the likelihood of the known scores under it, with the
unknowns integrated out: draws are resampled by it, so that the scores also update the family and the benchmarks, as a
refit would; and specs are compared by it (`log_evidence`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import digamma, gammaln, logsumexp

from bayescale.forecast.query import ForecastQuery
from bayescale.inference.draws import Draws
from bayescale.model.curve import (
    Noise,
    beta_shapes,
    effective_items,
    expected_score,
    log_likelihood_share,
    logit_information,
    score_precision,
    score_slope,
)

STEPS = 12
PROPOSALS = 8
DEGREES_OF_FREEDOM = 7


@dataclass(frozen=True)
class ProposalNoise:
    """Noise of the proposals for the unknowns of a model: standard normals (S, P, z), and chi-squares (S, P).

    The chi-squares have `DEGREES_OF_FREEDOM`, those of the Student-t proposal distribution.
    """

    normal: np.ndarray
    chi_square: np.ndarray

    @classmethod
    def drawn(cls, unknowns: tuple[int, int], rng: np.random.Generator) -> ProposalNoise:
        """Draw the noise of proposals for this many (draws, unknowns)."""
        size, dims = unknowns
        normal = rng.standard_normal((size, PROPOSALS, dims))
        return cls(normal, rng.chisquare(DEGREES_OF_FREEDOM, (size, PROPOSALS)))


@dataclass(frozen=True)
class ConditionNoise:
    """Noise of conditioning a model on known scores: proposals, resampling, and effects that no score informs.

    ``start``, in [0, 1), is the offset of systematic resampling. Effects that no known score informs are drawn for each
    resampled draw, from the standard normals ``testlet`` (S, testlet) and, for a new family only, ``family_benchmark``
    (S, benchmark).
    """

    proposals: ProposalNoise
    start: float
    family_benchmark: np.ndarray
    testlet: np.ndarray

    @classmethod
    def drawn(cls, draws: Draws, model: LatentModel, rng: np.random.Generator) -> ConditionNoise:
        """Draw the noise of conditioning one model."""
        proposals = ProposalNoise.drawn(model.size, rng)
        start = rng.random()
        none = np.empty((draws.size, 0))
        effect = rng.standard_normal(draws.difficulty.shape) if model.new_family else none
        return cls(proposals, start, effect, rng.standard_normal((draws.size, draws.testlet.shape[-1])))


@dataclass(frozen=True)
class LatentModel:
    """Latent variables of a new model: logits of the given scores = base + design z, with prior z ~ Normal(0, sd^2)."""

    given: np.ndarray  # index of the given benchmarks
    base: np.ndarray  # (S, given)
    design: np.ndarray  # (S, given, z)
    sd: np.ndarray  # (S, z)
    floor: np.ndarray  # (S, given)
    ceiling: np.ndarray  # (S, given)
    noise: Noise  # (S, given)
    items: np.ndarray  # (given,)
    curve_shape: np.ndarray  # (S, given)
    testlets: np.ndarray  # testlets that the given benchmarks touch
    new_family: bool

    @classmethod
    def of(cls, draws: Draws, covariates: np.ndarray, family: int, given: np.ndarray) -> LatentModel:
        """Build the latent variables of a model whose scores on the benchmarks with index `given` are known.

        Covariates are centred, (covariate,), or (S, covariate) where they are unknown and drawn. `family` is an index,
        -1 for a new family.
        """
        size, x = draws.size, np.broadcast_to(covariates, (draws.size, np.shape(covariates)[-1]))
        new_family = family < 0
        location = np.einsum("sc,sck->sk", x, draws.slope)
        effect: np.ndarray | float = 0.0
        if not new_family:
            location = location + draws.family_offset[:, family]
            effect = draws.family_benchmark[:, [family]][..., given]
        loading = draws.loading[:, given]
        base = draws.logit(location[:, None], x[:, None], family_benchmark=effect, benchmarks=given)[:, 0]
        groups = draws.data.testlet_index[given]
        testlets = np.unique(groups[groups >= 0])
        member = (groups[:, None] == testlets[None, :]).astype(float)
        # A new family's offset only ever enters together with the residual: one normal of variance 1 + tau^2.
        ability_sd = np.sqrt(1 + draws.family_sd**2) if new_family else np.ones(size)
        parts = [loading, np.broadcast_to(member, (size, *member.shape))]
        sds = [(ability_sd, loading.shape[2]), (draws.testlet_sd, len(testlets))]
        if new_family:
            parts.append(np.broadcast_to(np.eye(len(given)), (size, len(given), len(given))))
            sds.append((draws.family_benchmark_sd, len(given)))
        return cls(
            given=given,
            base=base,
            design=np.concatenate(parts, axis=2),
            sd=np.maximum(np.concatenate([np.repeat(sd[:, None], n, 1) for sd, n in sds], axis=1), 1e-6),
            floor=draws.floor[:, given],
            ceiling=draws.ceiling[:, given],
            noise=Noise(draws.precision[:, given], draws.specific_sd[:, given]),
            items=draws.data.items[given],
            curve_shape=draws.curve_shape[:, given],
            testlets=testlets,
            new_family=new_family,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Number of draws and of unknowns."""
        draws, unknowns = self.sd.shape
        return draws, unknowns

    def mean(self, z: np.ndarray) -> np.ndarray:
        """Compute expected scores (S, ..., given) of the given benchmarks from z (S, ..., z)."""
        logit = self.base[:, None] + np.einsum("sgz,spz->spg", self.design, z)
        curve = self.floor[:, None], self.ceiling[:, None], self.curve_shape[:, None]
        return expected_score(np.clip(logit, -30, 30), *curve)

    def precision(self, mean: np.ndarray) -> np.ndarray:
        """Return the precision of scores with these expected scores (S, ..., given)."""
        precision, sd, *curve = (v[:, None] for v in (*self.noise, self.floor, self.ceiling, self.curve_shape))
        return score_precision(precision, sd, mean, *curve)

    def log_posterior(self, z: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Compute the log joint density (S, proposals) of z and the given scores, up to a constant."""
        mean = self.mean(z)
        likelihood = log_likelihood_share(scores, self.items, mean, self.precision(mean)).sum(-1)
        prior = -0.5 * np.square(z / self.sd[:, None]) - np.log(self.sd[:, None])
        return likelihood + prior.sum(-1)


def posterior_mode(latent: LatentModel, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the mode (S, z) and precision matrix (S, z, z) of the unknowns by damped Fisher scoring."""
    z = np.zeros_like(latent.sd)
    prior = 1 / latent.sd**2
    hits = np.rint(scores * latent.items)
    for _ in range(STEPS):
        mean = latent.mean(z[:, None])
        # The precision follows the mean slowly, and the mode need not be exact: it is taken as constant.
        mean, precision = mean[:, 0], latent.precision(mean)[:, 0]
        slope = score_slope(mean, latent.floor, latent.ceiling, latent.curve_shape)
        a, b = beta_shapes(mean, precision)
        up, down = digamma(hits + a) - digamma(a), digamma(latent.items - hits + b) - digamma(b)
        gradient = precision * (up - down) * slope
        weight = logit_information(mean, slope, effective_items(latent.items, precision))
        matrix = np.einsum("sgz,sg,sgy->szy", latent.design, weight, latent.design)
        matrix[:, np.arange(z.shape[1]), np.arange(z.shape[1])] += prior
        pull = np.einsum("sgz,sg->sz", latent.design, gradient) - prior * z
        step = np.linalg.solve(matrix, pull[..., None])[..., 0]
        # Near the floor the curve is flat and a full step overshoots: hold it to two prior sds.
        longest = np.max(np.abs(step) / latent.sd, axis=1, keepdims=True)
        z = z + step * np.minimum(1.0, 2.0 / np.maximum(longest, 1e-12))
    return z, matrix


def propose(
    latent: LatentModel, mode: np.ndarray, precision: np.ndarray, scores: np.ndarray, noise: ProposalNoise
) -> tuple[np.ndarray, np.ndarray]:
    """Draw proposals (S, P, z) from a multivariate t around the mode, and compute their log weights (S, P)."""
    dims, nu = mode.shape[1], DEGREES_OF_FREEDOM
    lower = np.linalg.cholesky(precision)
    scale = np.sqrt(nu / noise.chi_square)
    steps = np.linalg.solve(np.swapaxes(lower, 1, 2), np.swapaxes(noise.normal, 1, 2))
    z = mode[:, None] + np.swapaxes(steps, 1, 2) * scale[..., None]
    squared = np.square(noise.normal).sum(-1) * scale**2
    log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(1)
    log_density = (
        gammaln((nu + dims) / 2)
        - gammaln(nu / 2)
        - dims / 2 * np.log(nu * np.pi)
        + log_det[:, None]
        - (nu + dims) / 2 * np.log1p(squared / nu)
    )
    return z, latent.log_posterior(z, scores) - log_density


def log_evidence(model: LatentModel, scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Estimate the log-likelihood (S,) of all scores of a new model together, its latent variables integrated out.

    By importance sampling, up to a constant that depends on the scores alone (`log_likelihood_share`).
    """
    noise = ProposalNoise.drawn(model.size, rng)
    _, log_weight = propose(model, *posterior_mode(model, scores), scores, noise)
    # The weights leave out a constant of the normal prior, which counts where models differ in factors.
    return logsumexp(log_weight, axis=1) - np.log(log_weight.shape[1]) - model.sd.shape[1] / 2 * np.log(2 * np.pi)


def condition_on_scores(
    draws: Draws, query: ForecastQuery, given: np.ndarray, scores: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, Draws, float]:
    """Condition the forecast of one new model on `scores` of the benchmarks with index `given`; see `weigh`."""
    latent = LatentModel.of(draws, query.covariates[..., 0, :], int(query.family_index[0]), given)
    return weigh(draws, query, latent, scores, ConditionNoise.drawn(draws, latent, rng))


def weigh(
    draws: Draws, query: ForecastQuery, latent: LatentModel, scores: np.ndarray, noise: ConditionNoise
) -> tuple[np.ndarray, Draws, float]:
    """Condition with given noise: propose, weight and resample.

    Return expected scores (S, 1, benchmark) given the known ones, their draws, and the effective number of draws.
    """
    proposals, log_weight = propose(latent, *posterior_mode(latent, scores), scores, noise.proposals)
    flat = log_weight.ravel() - logsumexp(log_weight)
    per_draw = np.exp(logsumexp(log_weight, axis=1) - logsumexp(log_weight))
    chosen = _systematic(np.exp(flat), draws.size, noise.start)
    index, which = np.divmod(chosen, log_weight.shape[1])
    resampled = draws.take(index, models=False)
    if query.covariates.ndim == 3:  # each draw has its own
        query = replace(query, covariates=query.covariates[index])
    expected = _scores_elsewhere(resampled, query, latent, proposals[index, which], noise)
    return expected[:, None], resampled, float(1 / np.sum(per_draw**2))


def _systematic(weights: np.ndarray, size: int, start: float) -> np.ndarray:
    """Resample systematically: indices of `size` draws, each repeated within one of its expected number of times."""
    points = (start + np.arange(size)) / size
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1)


def _scores_elsewhere(
    draws: Draws, query: ForecastQuery, latent: LatentModel, z: np.ndarray, noise: ConditionNoise
) -> np.ndarray:
    """Compute expected scores (S, benchmark) on all benchmarks from resampled draws and their unknowns (S, z)."""
    x, factors = query.covariates[..., :1, :], draws.loading.shape[2]
    location = (x @ draws.slope)[:, 0]
    if latent.new_family:
        effect = noise.family_benchmark * draws.family_benchmark_sd[:, None]
        effect[:, latent.given] = z[:, factors + len(latent.testlets) :]
    else:
        family = int(query.family_index[0])
        location = location + draws.family_offset[:, family]
        effect = draws.family_benchmark[:, family]
    testlet = noise.testlet * draws.testlet_sd[:, None]
    testlet[:, latent.testlets] = z[:, factors : factors + len(latent.testlets)]
    return draws.scores_of((location + z[:, :factors])[:, None], x, testlet[:, None], effect[:, None])[:, 0]
