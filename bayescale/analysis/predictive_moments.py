"""Mean and covariance of the logits on a new benchmark: before any of its scores, and conditional on some of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlog1py, xlogy
from scipy.stats import norm

from bayescale._intervals import tails
from bayescale.model.curve import effective_items, expected_score, logit_information, score_precision, score_slope
from bayescale.model.noise import draw_noise

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
_LEAST_SLOPE = 1e-9
_MANY = 20_000

# Newton steps to the mode, and the step in logits that ends them.
_STEPS, _CLOSE = 100, 1e-9
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


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

    `models` are row numbers. With `benchmark`, the number of one of the data, curve, noise and expected logits are its
    own. With None, parameters of new benchmarks are drawn from the population and the priors; chance level, ceiling and
    items, which have no prior, cycle through those of the data.
    """
    draws, spec = posterior.draws, posterior.spec
    some = draws.thinned(BENCHMARKS)
    parameters = _new(some, spec, random_seed) if benchmark is None else _of_data(some, benchmark, models)
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
    precision = score_precision(parameters.precision[:, None], parameters.specific_sd[:, None], score, *curve)
    information = logit_information(score, slope, effective_items(parameters.items[:, None], precision))
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
    specific_sd: np.ndarray
    items: np.ndarray


def _of_data(draws: Draws, benchmark: int, models: np.ndarray) -> _Parameters:
    data, b = draws.data, benchmark
    group = data.testlet_index[b]
    return _Parameters(
        loading=draws.loading[:, b],
        difficulty=draws.difficulty[:, b],
        slope=draws.benchmark_slope[:, b],
        family_benchmark=draws.family_benchmark[:, :, b],
        testlet=draws.testlet[:, models, group] if group >= 0 else 0.0,
        floor=draws.floor[:, b],
        ceiling=draws.ceiling[:, b],
        shape=draws.curve_shape[:, b],
        precision=draws.precision[:, b],
        specific_sd=draws.specific_sd[:, b],
        items=np.full(draws.size, data.items[b]),
    )


def _new(draws: Draws, spec: Spec, random_seed: int) -> _Parameters:
    rng, size, priors = np.random.default_rng(random_seed), draws.size, spec.priors
    like = np.arange(size) % len(draws.data.items)
    chance_level = draws.data.floor[like]
    mean, sd = population(draws, spec)
    noise = draw_noise(spec, size, random_seed + 2)
    shape = priors.curve_shape.draw(size, random_seed=random_seed + 1) if spec.curve == "richards" else np.ones(size)
    return _Parameters(
        loading=mean + sd[:, None] * rng.standard_normal(mean.shape),
        difficulty=priors.difficulty.draw(size, random_seed=random_seed),
        slope=draws.benchmark_slope_sd[:, None] * rng.standard_normal((size, draws.covariate.shape[2])),
        family_benchmark=draws.family_benchmark_sd[:, None] * rng.standard_normal(draws.family_benchmark.shape[:2]),
        testlet=0.0,
        floor=rng.beta(*spec.floor.shapes(chance_level)) if spec.floor.learned else chance_level,
        ceiling=draws.ceiling[np.arange(size), like],
        shape=shape,
        precision=noise.precision,
        specific_sd=noise.specific_sd,
        items=draws.data.items[like],
    )


def population(draws: Draws, spec: Spec, without: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (S, factor) and sd (S,) of the loadings of one more benchmark, given those of the data.

    With a common loading c ~ Normal(0, common sd) and ``W_b ~ Normal(c, own sd)``, c given B of the W_b is normal with
    precision ``B / own^2 + 1 / common^2``, and one more W has own^2 on top. Without one, loadings are independent, and
    mean and sd are the prior's. `without` is the number of a benchmark to leave out.
    """
    if not spec.common_loading:
        prior = spec.prior("loading", draws.loading.shape[2]).draw(_MANY, random_seed=0)
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


@dataclass(frozen=True)
class ConditionalLogits:
    """Normal distribution of the logits of M models on one benchmark, with known floor, shape and precision.

    Attributes
    ----------
    mean : ndarray (M,)
    covariance : ndarray (M, M)
    curve : tuple of float
        Floor, ceiling and shape, see `bayescale.model.curve.expected_score`.
    precision, specific_sd : float
        Effective number of items behind a score, and sd of the benchmark's own noise on the logit.
    """

    mean: np.ndarray
    covariance: np.ndarray
    curve: tuple[float, float, float]
    precision: float
    specific_sd: float = 0.0

    @classmethod
    def prior(
        cls, moments: PredictiveMoments, posterior: PosteriorData, benchmark: int | None, chance_level: float
    ) -> ConditionalLogits:
        """Return the distribution before any score, on the curve of a benchmark of the data or of an average new one.

        `benchmark` is its number, None for a new one, on which guessing has the expected score `chance_level`.
        """
        draws, spec = posterior.draws, posterior.spec
        if benchmark is not None:
            floor, shape = draws.floor[:, benchmark].mean(), draws.curve_shape[:, benchmark].mean()
            precision = np.exp(np.log(draws.precision[:, benchmark]).mean())
            specific_sd = draws.specific_sd[:, benchmark].mean()
            curve = float(floor), float(draws.ceiling[:, benchmark].mean()), float(shape)
            return cls(moments.mean, moments.covariance, curve, float(precision), float(specific_sd))
        alpha, beta = spec.floor.shapes(np.array(chance_level))
        floor = alpha / (alpha + beta) if spec.floor.learned else chance_level
        shape = spec.priors.curve_shape.draw(_MANY, random_seed=0).mean() if spec.curve == "richards" else 1.0
        noise = draw_noise(spec, _MANY, random_seed=0)
        precision = np.exp(np.log(noise.precision).mean())
        curve = float(floor), 1.0, float(shape)
        return cls(moments.mean, moments.covariance, curve, float(precision), float(noise.specific_sd.mean()))

    def given(self, rows: np.ndarray, scores: np.ndarray) -> ConditionalLogits:
        """Condition on scores in [0, 1] of the models with the numbers `rows`.

        Fisher scoring finds the mode; the curvature there is the Fisher information of the scores (Laplace's
        approximation: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, section 3.4).
        """
        # The logits of these scores have the benchmark's own noise on top.
        before, prior = self.mean[rows], self.covariance[np.ix_(rows, rows)] + self.specific_sd**2 * np.eye(len(rows))
        inverse = np.linalg.inv(prior)

        def log_posterior(logit: np.ndarray) -> float:
            expected, away = expected_score(logit, *self.curve), logit - before
            likelihood = xlogy(scores, expected) + xlog1py(1 - scores, -expected)
            return float(self.precision * likelihood.sum() - 0.5 * away @ inverse @ away)

        logit = before.copy()
        for _ in range(_STEPS):
            information, pull = self._score(logit, scores)
            step = np.linalg.solve(np.diag(information) + inverse, pull - inverse @ (logit - before))
            # Near the floor the curve is flat and a full step overshoots.
            here = log_posterior(logit)
            while log_posterior(logit + step) < here and np.abs(step).max() > _CLOSE:
                step = step / 2
            logit = logit + step
            if np.abs(step).max() < _CLOSE:
                break
        information, _ = self._score(logit, scores)
        across = self.covariance[:, rows]
        reduction = across @ np.linalg.solve(prior + np.diag(1 / information), across.T)
        mean = self.mean + across @ inverse @ (logit - before)
        return replace(self, mean=mean, covariance=self.covariance - reduction)

    def _score(self, logit: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Fisher information about the logits, and the derivative of the log-likelihood."""
        expected = expected_score(logit, *self.curve)
        slope = np.maximum(score_slope(expected, *self.curve), _LEAST_SLOPE)
        information = np.maximum(logit_information(expected, slope, self.precision), _LEAST_SLOPE)
        return information, information * (scores - expected) / slope

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations (M,) of the logits."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def expected_scores(self) -> np.ndarray:
        """Return expected scores (M,), averaged over the uncertainty of the logits."""
        spread = self.mean[:, None] + self.sd[:, None] * _NODES
        return expected_score(spread, *self.curve) @ _WEIGHTS / _WEIGHTS.sum()

    def interval(self, prob: float) -> np.ndarray:
        """Return lower end, median and upper end (3, M) of the expected scores; equal-tailed."""
        low, high = tails(prob)
        return expected_score(self.mean + norm.ppf([[low], [0.5], [high]]) * self.sd, *self.curve)
