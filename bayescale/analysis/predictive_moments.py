"""Predictive mean and covariance of the logits on a new benchmark, before any of its scores is observed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayescale.model.curve import effective_items, expected_score, logit_information, score_slope

if TYPE_CHECKING:
    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.spec import Spec

COVARIANCE_DRAWS = 1000
"""Draws over which covariances are averaged, at most."""
BENCHMARKS = 200
"""Benchmarks around which the curve is linearised, at most."""

# Fisher information of a score at the floor, nearly none: above zero, so that its variance is finite.
_LEAST = 1e-6
_MANY = 20_000


@dataclass(frozen=True)
class PredictiveMoments:
    """Moments of the logits of M models on a benchmark before any score is observed, linearised around S benchmarks.

    Before a benchmark is evaluated, its loadings W, difficulty d and family-by-benchmark effects v have the
    distribution of the population of benchmarks, and capabilities theta their posterior. Over all of these
    together the logits ``W theta_m - d + d' x_m + v_f + u_m`` have covariances ::

        E[sd_W^2 theta_m . theta_n] + Cov[c . theta_m, c . theta_n] + var(d)
            + E[sd_d'^2 x_m . x_n] + E[sd_v^2] (same family) + E[sd_u^2] (same model, in a testlet)

    with c and sd_W the mean and sd of the loadings of one more benchmark. Where a capability is uncertain, the mean of
    ``theta_m . theta_m`` exceeds the square of its mean: variance that scores of other models do not reduce. No
    rotation of the factors, draw by draw, changes a term.

    The information of a score about its logit, and the slope of the score, depend on the position of a model on the
    curve; both are evaluated at each of S benchmarks (the curve linearised, as in Chaloner & Verdinelli 1995,
    Statistical Science 10, section 4).

    Attributes
    ----------
    mean : ndarray (M,)
        ``E[c . theta_m] - E[d]``.
    covariance : ndarray (M, M)
    noise : ndarray (S, M)
        Variance of the logit given its score alone: beta-binomial, with known items and precision.
    slope : ndarray (S, M)
        Derivative of the expected score with respect to its logit.
    """

    mean: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray
    slope: np.ndarray


def predict_moments(
    posterior: PosteriorData, models: np.ndarray, benchmark: int | None, random_seed: int
) -> PredictiveMoments:
    """Compute the moments for a benchmark from the population, or for one of the data as if it were not evaluated.

    Parameters
    ----------
    posterior : PosteriorData
    models : ndarray of int
        Row numbers of the M models.
    benchmark : int, optional
        Number of a benchmark of the data: curve, noise and expected logits are then its own. Default: new benchmarks,
        whose parameters are drawn from the population and the priors; chance level, ceiling and items, which have no
        prior, cycle through those of the data.
    random_seed : int
        Seed of the new benchmarks.
    """
    draws, spec = posterior.draws, posterior.spec
    some = draws.thinned(BENCHMARKS)
    parameters = _new(some, spec, random_seed) if benchmark is None else _known(some, benchmark, models)
    one_benchmark = replace(
        some,
        loading=parameters.loading[:, None],
        difficulty=parameters.difficulty[:, None],
        benchmark_slope=parameters.slope[:, None],
    )
    logit = one_benchmark.logit(some.capability[:, models], some.covariate[:, models])[..., 0]
    logit = logit + parameters.family_benchmark[:, some.data.family_index[models]] + parameters.testlet
    curve = parameters.floor[:, None], parameters.ceiling[:, None], parameters.shape[:, None]
    score = expected_score(logit, *curve)
    slope = score_slope(score, *curve)
    effective = effective_items(parameters.items, parameters.precision)
    information = logit_information(score, slope, effective[:, None])
    mean, covariance = _moments(draws.thinned(COVARIANCE_DRAWS), spec, models, benchmark, random_seed)
    return PredictiveMoments(mean, covariance, 1 / np.maximum(information, _LEAST), slope)


@dataclass(frozen=True)
class _Parameters:
    """Parameters of one benchmark for each draw: (S, ...)."""

    loading: np.ndarray
    difficulty: np.ndarray
    slope: np.ndarray  # (S, covariate)
    family_benchmark: np.ndarray  # (S, family)
    testlet: np.ndarray | float  # (S, M)
    floor: np.ndarray
    ceiling: np.ndarray
    shape: np.ndarray
    precision: np.ndarray
    items: np.ndarray


def _known(draws: Draws, benchmark: int, models: np.ndarray) -> _Parameters:
    data, b = draws.data, benchmark
    group = data.testlet_index[b]
    return _Parameters(
        loading=draws.loading[:, b],
        difficulty=draws.difficulty[:, b],
        slope=draws.benchmark_slope[:, b],
        family_benchmark=draws.family_benchmark[:, :, b],
        testlet=draws.testlet[:, models, group] if group >= 0 else 0.0,
        floor=draws.floor[:, b],
        ceiling=np.full(draws.size, data.ceiling[b]),
        shape=draws.curve_shape[:, b],
        precision=draws.precision[:, b],
        items=np.full(draws.size, data.items[b]),
    )


def _new(draws: Draws, spec: Spec, random_seed: int) -> _Parameters:
    rng, size, priors = np.random.default_rng(random_seed), draws.size, spec.priors
    like = np.arange(size) % len(draws.data.items)
    chance_level = draws.data.floor[like]
    mean, sd = population(draws, spec)
    shape = priors.curve_shape.draw(size, random_seed=random_seed + 1) if spec.curve == "richards" else np.ones(size)
    return _Parameters(
        loading=mean + sd[:, None] * rng.standard_normal(mean.shape),
        difficulty=priors.difficulty.draw(size, random_seed=random_seed),
        slope=draws.benchmark_slope_sd[:, None] * rng.standard_normal((size, draws.covariate.shape[2])),
        family_benchmark=draws.family_benchmark_sd[:, None] * rng.standard_normal(draws.family_benchmark.shape[:2]),
        testlet=0.0,
        floor=rng.beta(*spec.floor.shapes(chance_level)) if spec.floor.learned else chance_level,
        ceiling=draws.data.ceiling[like],
        shape=shape,
        precision=np.exp(priors.log_precision.draw(size, random_seed=random_seed + 2)),
        items=draws.data.items[like],
    )


def population(draws: Draws, spec: Spec, without: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (S, factor) and sd (S,) of the loadings of one more benchmark, given those of the data.

    With a common loading c ~ Normal(0, common sd) and ``W_b ~ Normal(c, own sd)``, c given B of the W_b is normal with
    precision ``B / own^2 + 1 / common^2``, and one more W has own^2 on top. Without one, loadings are independent, and
    mean and sd are the prior's.

    Parameters
    ----------
    without : int, optional
        Number of a benchmark to leave out.
    """
    if not spec.common_loading:
        prior = spec.priors.loading.draw(_MANY, random_seed=0)
        return np.full_like(draws.loading[:, 0], prior.mean()), np.full(draws.size, prior.std())
    kept = draws.loading if without is None else np.delete(draws.loading, without, axis=1)
    weight = 1 / draws.own_loading_sd**2
    precision = kept.shape[1] * weight + 1 / draws.common_loading_sd**2
    return kept.sum(axis=1) * (weight / precision)[:, None], np.sqrt(draws.own_loading_sd**2 + 1 / precision)


def _moments(
    draws: Draws, spec: Spec, models: np.ndarray, benchmark: int | None, random_seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and covariance of the logits, see `PredictiveMoments`."""
    capability, covariate = draws.capability[:, models], draws.covariate[:, models]
    family = draws.data.family_index[models]
    loading, sd = population(draws, spec, without=benchmark)
    ability = np.einsum("smk,sk->sm", capability, loading)
    difficulty = spec.priors.difficulty.draw(_MANY, random_seed=random_seed)
    covariance = _second_moments(sd, capability) + _second_moments(draws.benchmark_slope_sd, covariate)
    covariance += np.atleast_2d(np.cov(ability, rowvar=False)) + np.var(difficulty)
    covariance += np.mean(draws.family_benchmark_sd**2) * (family[:, None] == family)
    if benchmark is not None and draws.data.testlet_index[benchmark] >= 0:
        covariance += np.mean(draws.testlet_sd**2) * np.eye(len(models))
    return ability.mean(axis=0) - difficulty.mean(), covariance


def _second_moments(sd: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """``E[sd^2 p_m . p_n]`` (M, M) of positions (S, M, ...) in some space."""
    scaled = np.swapaxes(sd[:, None, None] * positions, 0, 1).reshape(positions.shape[1], -1)
    return scaled @ scaled.T / len(sd)
