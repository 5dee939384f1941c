"""Condition a forecast on known scores of the model by importance sampling, without refitting.

For each posterior draw, the unknowns of the new model (residual capability, the offset of its family, testlet effects,
and for a new family its family-by-benchmark effects) are conditioned on the known scores: Fisher scoring finds their
mode, and proposals come from a Student-t around it. The average weight of a draw is the likelihood of the known scores
under it, with the unknowns integrated out: draws are resampled by it, so that the scores also update the benchmarks, as
a refit would; and specs are compared by it (`log_evidence`).

The offset of a known family is an unknown here, too: given the capabilities of the family's models it is normal,
whatever their scores. With the drawn offsets instead, a surprising score of a family of one model left a sixth of the
effective draws (docs/model-notes.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import digamma, gammaln, logsumexp

from bayescale._arviz import pareto_smoothed
from bayescale.forecast.query import ForecastQuery
from bayescale.inference.draws import Draws, family_sizes, observed_models, offset_given, offset_variance
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
from bayescale.model.data import covariate_prior
from bayescale.model.spec import Spec

STEPS = 12
# Sds of the posterior within which the mode is found: further steps would not change a digit that is shown.
CLOSE = 1e-6
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
class Family:
    """What is known of a family, draw by draw: its offset, a normal, and its effects on the benchmarks `seen`."""

    offset: np.ndarray  # mean, (S, factor)
    variance: np.ndarray  # of the offset, the same for all factors, (S,)
    effect: np.ndarray  # (S, benchmark), zero where not seen
    seen: np.ndarray  # (benchmark,), all of them by a spec without such effects
    new: bool = False  # whether it has no model yet

    @classmethod
    def known(cls, draws: Draws, family: int) -> Family:
        """Return a family of the data given the capabilities of its models, with its effects as drawn."""
        variance = offset_variance(draws.family_sd, family_sizes(draws.data)[family])
        effect = draws.family_benchmark[:, family]
        return cls(draws.family_mean[:, family], variance, effect, np.ones(effect.shape[1], dtype=bool))

    @classmethod
    def unseen(cls, draws: Draws) -> Family:
        """Return a family of which nothing is known but the population of families."""
        effect = np.zeros(draws.difficulty.shape)
        offset = np.zeros((draws.size, draws.slope.shape[-1]))
        seen = np.full(draws.difficulty.shape[1], not draws.family_benchmark_sd.any())
        return cls(offset, draws.family_sd**2, effect, seen, new=True)

    @classmethod
    def of_models(cls, draws: Draws, rows: np.ndarray) -> Family:
        """Return the family of these models of the data, if any, given their capabilities as drawn."""
        family = cls.unseen(draws)
        if not len(rows):
            return family
        offset, variance = offset_given(
            draws.family_sd, draws.capability[:, rows] - draws.covariate[:, rows] @ draws.slope
        )
        seen = (draws.data.cells["observed"][rows] > 0).any(axis=0)
        effect = np.where(seen, draws.family_benchmark[:, draws.data.family_index[rows[0]]], 0.0)
        return cls(offset, variance, effect, seen | family.seen)

    def with_model(self, residual: np.ndarray) -> Family:
        """Return the family given one more model, whose capability is `residual` (S, factor) above what was expected.

        The offset is normal, and capability scatters around it with variance 1: both are conjugate.
        """
        variance = offset_variance(np.sqrt(self.variance), 1)
        return replace(self, offset=self.offset + variance[:, None] * residual, variance=variance, new=False)


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
    own_effects: bool  # whether the family's effects on the given benchmarks are unknowns

    @classmethod
    def of(cls, draws: Draws, covariates: np.ndarray, family: int, given: np.ndarray) -> LatentModel:
        """Build the latent variables of a model whose scores on the benchmarks with index `given` are known.

        Covariates are centred, (covariate,), or (S, covariate) where they are unknown and drawn. `family` is an index,
        -1 for a new family.
        """
        return cls._built(draws, covariates, given, Family.unseen(draws) if family < 0 else Family.known(draws, family))

    @classmethod
    def left_out(cls, draws: Draws, spec: Spec, row: int, given: np.ndarray, family: Family) -> LatentModel:
        """Build the latent variables of a model of the data as if its scores, on `given`, had not been seen.

        Its covariates are latent where they are unknown or uncertain; with interactions or a drift, which are not
        linear in them, they are as drawn.
        """
        mean, sd = _covariates_without_scores(draws, spec, row)
        if not sd.any() or mean.shape[-1] < len(draws.data.terms):
            return cls._built(draws, draws.covariate[:, row], given, family)
        return cls._built(draws, mean, given, family, covariate_sd=sd)

    @classmethod
    def _built(
        cls, draws: Draws, covariates: np.ndarray, given: np.ndarray, family: Family,
        covariate_sd: np.ndarray | None = None,
    ) -> LatentModel:  # fmt: skip
        size, x = draws.size, np.broadcast_to(covariates, (draws.size, np.shape(covariates)[-1]))
        location = np.einsum("sc,sck->sk", x, draws.slope) + family.offset
        loading = draws.loading[:, given]
        effect = family.effect[:, None, given]
        base = draws.logit(location[:, None], x[:, None], family_benchmark=effect, benchmarks=given)[:, 0]
        groups = draws.data.testlet_index[given]
        testlets = np.unique(groups[groups >= 0])
        member = (groups[:, None] == testlets[None, :]).astype(float)
        unseen = np.eye(len(given))[:, ~family.seen[given]]
        # What is unknown of a family's offset only ever enters together with the residual, of variance 1.
        parts = [loading, *(np.broadcast_to(part, (size, *part.shape)) for part in (member, unseen))]
        sds = [np.sqrt(1 + family.variance), draws.testlet_sd, draws.family_benchmark_sd]
        columns = [np.repeat(sd[:, None], part.shape[2], 1) for sd, part in zip(sds, parts, strict=True)]
        if covariate_sd is not None:
            latent = covariate_sd.any(axis=0)
            slope = loading @ np.swapaxes(draws.slope, 1, 2) + draws.benchmark_slope[:, given]
            parts.append(slope[..., latent])
            columns.append(covariate_sd[:, latent])
        return cls(
            given=given,
            base=base,
            design=np.concatenate(parts, axis=2),
            sd=np.maximum(np.concatenate(columns, axis=1), 1e-6),
            floor=draws.floor[:, given],
            ceiling=draws.ceiling[:, given],
            noise=Noise(draws.precision[:, given], draws.specific_sd[:, given]),
            items=draws.data.items[given],
            curve_shape=draws.curve_shape[:, given],
            testlets=testlets,
            new_family=family.new,
            own_effects=bool(unseen.shape[1]),
        )

    @property
    def size(self) -> tuple[int, int]:
        """Number of draws and of unknowns."""
        draws, unknowns = self.sd.shape
        return draws, unknowns

    def parts(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Split unknowns (..., z): capability, testlets, and a new family's effects on the given benchmarks, if any."""
        own = z.shape[-1] - len(self.given) if self.own_effects else z.shape[-1]
        testlets = own - len(self.testlets)
        return z[..., :testlets], z[..., testlets:own], z[..., own:]

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
        if (pull * step).sum(axis=1).max(initial=0.0) < CLOSE**2:
            break
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
    return _evidence(model, scores, rng)[0]


def family_log_evidence(
    draws: Draws, spec: Spec, scores: Mapping[int, tuple[np.ndarray, np.ndarray]], rng: np.random.Generator,
    settings: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Estimate the log-likelihood (S,) of all scores of several models together, which share their family.

    By sequential imputation (Kong, Liu & Wong 1994, JASA 89:278): the likelihood of each model's scores, as in
    `log_evidence`, given the unknowns of the models before it, drawn given their scores. Its exponential is unbiased.
    What `draws` have seen of other models of a family counts, too.

    Parameters
    ----------
    scores : mapping of int to tuple
        By row of the models table: index of the benchmarks, and scores on them.
    settings : ndarray of int (model, benchmark), optional
        The setting of each score by number of its effect, -1 for none. Default: none.
    """
    families: dict[int, Family] = {}
    total = np.zeros(draws.size)
    factors = draws.slope.shape[-1]
    for row, (given, values) in scores.items():
        label = int(draws.data.family_index[row])
        family = families.get(label) or Family.of_models(draws, siblings(draws, row, list(scores)))
        own = draws if settings is None else draws.in_settings(settings[row])
        model = LatentModel.left_out(own, spec, row, given, family)
        evidence, proposals, log_weight = _evidence(model, values, rng)
        total += evidence
        chosen = np.argmax(log_weight + rng.gumbel(size=log_weight.shape), axis=1)
        z = proposals[np.arange(draws.size), chosen]
        family = family.with_model(z[:, :factors])
        new, start = given[~family.seen[given]], factors + len(model.testlets)
        family.effect[:, new] = z[:, start : start + len(new)]
        family.seen[new] = True
        families[label] = family
    return total


def siblings(draws: Draws, row: int, without: Sequence[int]) -> np.ndarray:
    """Return the rows of the models of a model's family, but for `without`, of which scores were fitted."""
    of_family = draws.data.family_index == draws.data.family_index[row]
    of_family[list(without)] = False
    return np.flatnonzero(of_family & observed_models(draws.data))


def _covariates_without_scores(draws: Draws, spec: Spec, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd (S, base covariate) of a model's covariates by their priors and measurements."""
    data = draws.data
    mean, sd = (np.tile(values[row], (draws.size, 1)) for values in covariate_prior(spec, data))
    if data.predictors is not None and sd[0, place := data.column("log10_flops")] > 0:
        predictors, stated, error = data.predictors, data.covariates[row, place], data.covariate_sd[row, place]
        of_row = predictors.values[[row]], predictors.maker[[row]], predictors.whole[[row]]
        none_stated = np.zeros((draws.size, 1))  # as in the model, a maker that is not stated has no effect
        predicted, spread = (part[:, 0] for part in draws.predicted_compute(*of_row, none_stated))
        measured = 1 / error**2 if np.isfinite(error) else 0.0
        precision = 1 / spread**2 + measured
        mean[:, place] = (predicted / spread**2 + measured * np.nan_to_num(stated)) / precision
        sd[:, place] = 1 / np.sqrt(precision)
    return mean, sd


def _evidence(
    model: LatentModel, scores: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the log-likelihood (S,), and the proposals with their log weights that it comes from."""
    noise = ProposalNoise.drawn(model.size, rng)
    proposals, log_weight = propose(model, *posterior_mode(model, scores), scores, noise)
    # The weights leave out a constant of the normal prior, which counts where models differ in factors.
    constant = np.log(log_weight.shape[1]) + model.sd.shape[1] / 2 * np.log(2 * np.pi)
    return logsumexp(log_weight, axis=1) - constant, proposals, log_weight


@dataclass(frozen=True)
class Conditioned:
    """A new model given some of its scores: resampled draws, and how well the weights of all draws support them."""

    expected: np.ndarray  # expected scores (S, 1, benchmark)
    draws: Draws
    log_weight: np.ndarray  # (S,), log-likelihood of the known scores, normalised

    @property
    def effective_draws(self) -> float:
        """The effective number of draws."""
        return float(1 / np.sum(np.exp(2 * self.log_weight)))

    @cached_property
    def pareto_k(self) -> float:
        """Shape of the tail of the weights (Vehtari et al. 2024, JMLR 25:72); above 0.7 no number of draws will do."""
        return pareto_smoothed(self.log_weight)[1]


def condition_on_scores(
    draws: Draws, query: ForecastQuery, given: np.ndarray, scores: np.ndarray, rng: np.random.Generator
) -> Conditioned:
    """Condition the forecast of one new model on `scores` of the benchmarks with index `given`; see `weigh`."""
    latent = LatentModel.of(draws, query.covariates[..., 0, :], int(query.family_index[0]), given)
    return weigh(draws, query, latent, scores, ConditionNoise.drawn(draws, latent, rng))


def weigh(
    draws: Draws, query: ForecastQuery, latent: LatentModel, scores: np.ndarray, noise: ConditionNoise
) -> Conditioned:
    """Condition with given noise: propose, weight and resample."""
    proposals, log_weight = propose(latent, *posterior_mode(latent, scores), scores, noise.proposals)
    log_weight = log_weight - logsumexp(log_weight)
    chosen = systematic(np.exp(log_weight.ravel()), draws.size, noise.start)
    index, which = np.divmod(chosen, log_weight.shape[1])
    resampled = draws.take(index, models=False)
    if query.covariates.ndim == 3:  # each draw has its own
        query = replace(query, covariates=query.covariates[index])
    expected = _scores_elsewhere(resampled, query, latent, proposals[index, which], noise)
    return Conditioned(expected[:, None], resampled, logsumexp(log_weight, axis=1))


def systematic(weights: np.ndarray, size: int, start: float) -> np.ndarray:
    """Resample systematically: indices of `size` draws, each repeated within one of its expected number of times."""
    points = (start + np.arange(size)) / size
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1)


def _scores_elsewhere(
    draws: Draws, query: ForecastQuery, latent: LatentModel, z: np.ndarray, noise: ConditionNoise
) -> np.ndarray:
    """Compute expected scores (S, benchmark) on all benchmarks from resampled draws and their unknowns (S, z)."""
    x = query.covariates[..., :1, :]
    capability, testlets, own = latent.parts(z)
    location = (x @ draws.slope)[:, 0]
    if latent.new_family:
        effect = noise.family_benchmark * draws.family_benchmark_sd[:, None]
        if latent.own_effects:
            effect[:, latent.given] = own
    else:
        family = int(query.family_index[0])
        location = location + draws.family_mean[:, family]
        effect = draws.family_benchmark[:, family]
    testlet = noise.testlet * draws.testlet_sd[:, None]
    testlet[:, latent.testlets] = testlets
    return draws.scores_of((location + capability)[:, None], x, testlet[:, None], effect[:, None])[:, 0]
