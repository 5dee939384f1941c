"""Forecasts given some scores, against brute force: simulate new models, weigh each by the likelihood of the scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import xarray as xr
from scipy.special import betaln, logsumexp
from simulate import Truth, cell_precision, new_models, posterior_near, rise, simulate, simulation_spec

from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.forecast import NEW_FAMILY, Forecast
from bayescale.forecast.condition import Family, LatentModel, family_log_evidence, log_evidence
from bayescale.inference.draws import Draws
from bayescale.methods import Posterior
from bayescale.model.curve import SHARE_STEPS

FLOPS = 5e23
REPEATS = 150


@pytest.fixture(scope="module")
def uncertain(simulation: tuple[Evals, Truth]) -> Posterior:
    """Draws far enough apart that given scores also tell which draws to believe."""
    return posterior_near(*simulation, simulation_spec(), spread=0.3, log_precision=5.0, seed=2)


class Simulated(NamedTuple):
    """New models: expected scores (simulation, benchmark); the weight of each, which is the likelihood of the given
    scores; how many items each score is worth; and the log of the mean likelihood.
    """

    expected: np.ndarray
    weight: np.ndarray
    worth: np.ndarray
    log_evidence: float


NewModels = Callable[[Posterior, str, float], tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def simulated() -> NewModels:
    """New models of a posterior, kept for the next test: they take longer to simulate than to weigh."""

    @lru_cache(maxsize=1)
    def weighed(posterior: Posterior, family: str, flops: float) -> tuple[np.ndarray, np.ndarray]:
        return new_models(posterior, None if family == NEW_FAMILY else family, flops, REPEATS, offsets=False)

    return weighed


def brute_force(
    posterior: Posterior, given: dict[str, float], expected: np.ndarray, precision: np.ndarray
) -> Simulated:
    """Weigh new models by the likelihood of the given scores."""
    evals = posterior.evals
    log_weight = np.zeros(len(expected))
    items = evals.benchmarks.set_index("benchmark")["items"].fillna(SHARE_STEPS)
    for name, score in given.items():
        b = evals.benchmark_names.index(name)
        phi = precision[:, b]
        a, c = expected[:, b] * phi, (1 - expected[:, b]) * phi
        hits = np.rint(score * items[name])
        log_weight += betaln(hits + a, items[name] - hits + c) - betaln(a, c)
    weight = np.exp(log_weight - log_weight.max())
    assert 1 / np.sum((weight / weight.sum()) ** 2) > 2000, "brute force has enough effective simulations"
    worth = (precision + 1) / (1 + precision / items.to_numpy())
    return Simulated(expected, weight / weight.sum(), worth, float(np.log(weight.mean()) + log_weight.max()))


def weighted_quantile(values: np.ndarray, weight: np.ndarray, at: Any) -> np.ndarray:
    order = np.argsort(values)
    return np.interp(at, np.cumsum(weight[order]), values[order])


def flat(forecast: Forecast, kind: str = "expected") -> np.ndarray:
    return forecast.draws[f"{kind}_score"].to_numpy().reshape(-1, forecast.draws.sizes["benchmark"])


def middle(forecast: Forecast) -> dict[str, float]:
    return forecast.summary(kind="expected").set_index("benchmark")["median"].to_dict()


@pytest.mark.parametrize(
    ("flops", "given"),
    [
        pytest.param(FLOPS, {"bench-1": 0.62, "bench-4": 0.35}, marks=pytest.mark.heavy),
        (FLOPS, {"bench-3": 0.30}),
        (FLOPS, {"bench-2": 0.0}),
        pytest.param(FLOPS, {"bench-1": 0.70, "bench-4": 0.50, "bench-5": 0.60}, marks=pytest.mark.heavy),
        pytest.param(1e25, {"bench-4": 1.0}, marks=pytest.mark.heavy),
    ],
    ids=["two with items", "one without", "exactly zero", "both of a testlet", "exactly one"],
)
@pytest.mark.parametrize("family", ["Family-B", NEW_FAMILY])
def test_conditioning_is_what_brute_force_gives(
    uncertain: Posterior, family: str, flops: float, given: dict[str, float], simulated: NewModels
) -> None:
    forecast = uncertain.forecast(family=family, flops=flops, given=given, random_seed=0)
    expected, weight, worth, evidence = brute_force(uncertain, given, *simulated(uncertain, family, flops))
    ours, measured = flat(forecast), flat(forecast, "predicted")
    for b, name in enumerate(uncertain.evals.benchmark_names):
        values = expected[:, b]
        probs = [0.05, 0.5, 0.95]
        around = [[p, p - 0.025, p + 0.025] for p in probs]
        exact_ones = weighted_quantile(values, weight, around)
        for at, least, (exact, below, above) in zip(probs, (0.02, 0.01, 0.02), exact_ones, strict=True):
            error = np.sqrt(at * (1 - at) / forecast.effective_draws) * (above - below) / 0.05
            assert np.quantile(ours[:, b], at) == pytest.approx(exact, abs=max(least, 3.5 * error)), name
        variance = np.average((values - np.average(values, weights=weight)) ** 2, weights=weight)
        assert ours[:, b].std() == pytest.approx(np.sqrt(variance), rel=0.15), name
        # Measured scores scatter around the expected by the noise of items and precision.
        noise = np.average(values * (1 - values) / worth[:, b], weights=weight)
        assert (measured - ours)[:, b].std() == pytest.approx(np.sqrt(noise), rel=0.15), name
    assert average_likelihood(uncertain, family, flops, given) == pytest.approx(evidence, abs=0.1)


def average_likelihood(posterior: Posterior, family: str, flops: float, given: dict[str, float]) -> float:
    """Log of the likelihood of the scores, averaged over draws: what specs are compared by."""
    draws, evals = posterior.draws, posterior.evals
    at = np.array([evals.benchmark_names.index(name) for name in given])
    row = -1 if family == NEW_FAMILY else evals.families.index(family)
    model = LatentModel.of(draws, np.log10([flops]) - draws.data.centre, row, at)
    density = log_evidence(model, np.array(list(given.values())), np.random.default_rng(0))
    return float(logsumexp(density) - np.log(len(density)))


def test_two_capabilities_are_conditioned_as_well(two_factors: Posterior, simulated: NewModels) -> None:
    given = {"bench-1": 0.6, "bench-3": 0.5}
    ours = flat(two_factors.forecast(family="Family-A", flops=FLOPS, given=given, random_seed=0))
    expected, weight, _, evidence = brute_force(two_factors, given, *simulated(two_factors, "Family-A", FLOPS))
    for b in range(ours.shape[1]):
        exact = weighted_quantile(expected[:, b], weight, [0.05, 0.5, 0.95])
        np.testing.assert_allclose(np.quantile(ours[:, b], [0.05, 0.5, 0.95]), exact, atol=0.02)
    assert average_likelihood(two_factors, "Family-A", FLOPS, given) == pytest.approx(evidence, abs=0.1)


def test_given_scores_reweight_the_draws(uncertain: Posterior) -> None:
    """A refit would learn of family and benchmarks from the scores; resampling the draws does."""
    scores = {"bench-1": 0.95, "bench-3": 0.9}
    forecast = uncertain.forecast(family="Family-B", flops=FLOPS, given=scores, random_seed=0)
    assert 200 < forecast.effective_draws < 0.9 * 4000
    assert forecast.draws.sizes == {"chain": 4, "draw": 1000, "model": 1, "benchmark": 5}


def test_a_surprise_in_a_family_of_one_leaves_most_draws(simulation: tuple[Evals, Truth]) -> None:
    """The family's offset is integrated out: the draws need not hold one that explains the scores."""
    evals, truth = simulate(5, families=12, models=12)
    alone = posterior_near(evals, truth, simulation_spec(), spread=0.02, log_precision=5.0, family_sd=2.0)
    free = alone.forecast(family="Family-D", flops=FLOPS, random_seed=0).summary(prob=0.98, kind="expected")
    known = free.set_index("benchmark")["upper"].to_dict()
    forecast = alone.forecast(family="Family-D", flops=FLOPS, given=known, random_seed=0)
    assert forecast.effective_draws > 2000
    assert forecast.pareto_k < 0.5


@pytest.mark.parametrize("family", ["Family-A", NEW_FAMILY])
def test_scores_that_no_draw_explains_withhold_the_forecast(posterior: Posterior, family: str) -> None:
    """Zero of 2,000 items, of which a guesser has a quarter right."""
    with pytest.raises(ForecastError, match=r"Only \d+ of 4000 draws .*\(Pareto k .*withheld\. .*evals\.add.*predict"):
        posterior.forecast(family=family, flops=FLOPS, given={"bench-1": 0.0}, random_seed=0)


@pytest.mark.parametrize("family", ["Family-A", NEW_FAMILY])
def test_higher_scores_raise_all_others_and_narrow_them(posterior: Posterior, family: str) -> None:
    free = posterior.forecast(family=family, flops=FLOPS, random_seed=0)
    lower, higher = (
        posterior.forecast(family=family, flops=FLOPS, given={"bench-1": s}, random_seed=0) for s in (0.4, 0.8)
    )
    for name in ("bench-2", "bench-3", "bench-4", "bench-5"):
        assert middle(lower)[name] < middle(higher)[name] - 0.1
    # On the logit, where no ceiling narrows intervals.
    spread = {k: np.log(flat(f)[:, 1] / (1 - flat(f)[:, 1])).std() for k, f in (("free", free), ("known", higher))}
    assert spread["known"] < spread["free"]


def test_the_known_benchmark_itself_stays_near_its_score(posterior: Posterior) -> None:
    forecast = posterior.forecast(family="Family-A", flops=FLOPS, given={"bench-1": 0.7}, random_seed=0)
    assert middle(forecast)["bench-1"] == pytest.approx(0.7, abs=0.03)
    table = forecast.summary().set_index("benchmark")
    assert table.loc["bench-1", "given"] == 0.7
    assert table["given"].notna().sum() == 1
    assert forecast.given == {"bench-1": 0.7}
    assert "given bench-1 = 0.7" in repr(forecast)
    assert f"leave {forecast.effective_draws:.0f} effective, Pareto k {forecast.pareto_k:.2f}" in repr(forecast)
    assert forecast.to_pandas().attrs["pareto_k"] == forecast.to_xarray().attrs["pareto_k"] == forecast.pareto_k < 0.7


@pytest.mark.parametrize(
    ("benchmark", "score"),
    [("bench-1", 1.0), ("bench-1", 1), *((f"bench-{b}", score) for b in (2, 3) for score in (0.0, 1.0, 0, 1))],
)
@pytest.mark.filterwarnings("ignore::bayescale.errors.ForecastWarning")
def test_scores_of_exactly_zero_and_one_are_ordinary(posterior: Posterior, benchmark: str, score: float) -> None:
    for family in ("Family-A", NEW_FAMILY):
        forecast = posterior.forecast(family=family, flops=FLOPS, given={benchmark: score}, random_seed=0)
        free = posterior.forecast(family=family, flops=FLOPS, random_seed=0)
        assert np.isfinite(flat(forecast)).all()
        assert np.isfinite(flat(forecast, "predicted")).all()
        other = "bench-5"
        assert (middle(forecast)[other] > middle(free)[other]) == bool(score)


def test_a_partner_in_the_testlet_moves_more(simulation: tuple[Evals, Truth]) -> None:
    """Five benchmarks alike in all but the testlet, which makes bench-4 and bench-5 partners."""
    evals, truth = simulation
    alike = Evals(evals.models, evals.benchmarks.assign(items=500.0, floor=0.0), evals.scores)
    same = {"loading": truth.loading * 0 + 0.8, "difficulty": 0.5, "floor": 0.02, "benchmark_slope": 0.0}
    same |= {"family_benchmark": 0.0, "testlet_sd": 1.0, "log_precision": 6.0}
    posterior = posterior_near(alike, truth, simulation_spec(), spread=0.05, **same)
    free = middle(posterior.forecast(family="Family-A", flops=3e22, random_seed=0))
    for family in ("Family-A", NEW_FAMILY):
        known = middle(
            posterior.forecast(family=family, flops=3e22, given={"bench-4": free["bench-4"] + 0.25}, random_seed=0)
        )
        partner = known["bench-5"] - free["bench-5"]
        others = [known[b] - free[b] for b in ("bench-1", "bench-2", "bench-3")]
        assert partner > max(others) + 0.04
        assert min(others) > 0.02


def test_without_given_scores_nothing_is_conditioned(posterior: Posterior) -> None:
    free, empty = (posterior.forecast(family="Family-A", flops=FLOPS, given=g, random_seed=0) for g in (None, {}))
    xr.testing.assert_identical(free.draws, empty.draws)


def test_the_order_of_given_scores_does_not_matter(posterior: Posterior) -> None:
    scores = {"bench-1": 0.6, "bench-3": 0.3, "bench-5": 0.4}
    one = posterior.forecast(family="Family-A", flops=FLOPS, given=scores, random_seed=0)
    two = posterior.forecast(family="Family-A", flops=FLOPS, given=dict(reversed(scores.items())), random_seed=0)
    np.testing.assert_allclose(list(middle(one).values()), list(middle(two).values()), atol=0.01)


def test_the_same_seed_gives_the_same_numbers(posterior: Posterior) -> None:
    ask = {"family": NEW_FAMILY, "flops": FLOPS, "given": {"bench-1": 0.6}}
    xr.testing.assert_identical(
        posterior.forecast(**ask, random_seed=3).draws, posterior.forecast(**ask, random_seed=3).draws
    )
    other = posterior.forecast(**ask, random_seed=4)
    assert not np.array_equal(flat(other), flat(posterior.forecast(**ask, random_seed=3)))


@pytest.mark.parametrize(
    "form",
    [
        {"family_offsets": False, "family_benchmark": False},
        {"testlets": False},
        {"benchmark_slopes": False},
        {"curve": "sigmoid"},
    ],
)
@pytest.mark.filterwarnings("ignore::bayescale.errors.ForecastWarning")
def test_specs_without_an_effect_can_be_conditioned(simulation: tuple[Evals, Truth], form: dict) -> None:
    posterior = posterior_near(*simulation, simulation_spec(**form))
    for family in ("Family-A", NEW_FAMILY):
        forecast = posterior.forecast(family=family, flops=FLOPS, given={"bench-1": 0.7, "bench-4": 0.5}, random_seed=0)
        assert np.isfinite(flat(forecast)).all()
        assert middle(forecast)["bench-1"] == pytest.approx(0.7, abs=0.06)


# Models of the data, as if their scores had not been seen


def test_a_familys_offset_given_its_models_is_normal(two_factors: Posterior) -> None:
    """Prior Normal(0, tau^2), and a normal observation of variance 1 by each model: precisions add up."""
    draws = two_factors.draws
    rows = np.flatnonzero(draws.data.family_index == 1)
    family = Family.of_models(draws, rows)
    deviation = draws.capability[:, rows] - np.einsum("smc,sck->smk", draws.covariate[:, rows], draws.slope)
    precision = len(rows) + 1 / draws.family_sd**2
    np.testing.assert_allclose(family.variance, 1 / precision)
    np.testing.assert_allclose(family.offset, deviation.sum(axis=1) / precision[:, None])
    np.testing.assert_array_equal(family.effect, draws.family_benchmark[:, 1])
    alone = Family.of_models(draws, rows[:0])
    assert not alone.seen.any()
    np.testing.assert_array_equal(alone.variance, draws.family_sd**2)


def drawn_scores(draws: Draws, rows: np.ndarray, repeats: int, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw models of one new family by the equations: expected scores and precision (repeat, S, model, benchmark).

    `sd` is that of the prior of the compute of the last model, which is unknown.
    """
    rng, (size, factors) = np.random.default_rng(1), draws.slope[:, 0].shape

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal((repeats, size, *shape))

    x = np.broadcast_to(draws.covariate[:, rows, 0], (repeats, size, len(rows))).copy()
    x[..., -1] = sd * normal()
    offset = draws.family_sd[:, None, None] * normal(1, factors)
    capability = x[..., None] * draws.slope[:, None, 0] + offset + normal(len(rows), factors)
    testlet = draws.testlet_sd[:, None, None] * normal(len(rows), 1) * (draws.data.testlet_index >= 0)
    effect = draws.family_benchmark_sd[:, None, None] * normal(1, draws.difficulty.shape[1])
    logit = capability @ np.swapaxes(draws.loading, 1, 2) - draws.difficulty[:, None] + testlet + effect
    logit += x[..., None] * draws.benchmark_slope[:, None, :, 0]
    floor, shape, noise = draws.floor[:, None], draws.curve_shape[:, None], draws.specific_sd[:, None]
    mean = floor + (1 - floor) * rise(logit, shape)
    return mean, cell_precision(mean, draws.precision[:, None], noise, floor, shape)


def test_scores_of_a_new_family_together_are_what_brute_force_gives(simulation: tuple[Evals, Truth]) -> None:
    """Two models, the second of unknown compute."""
    evals, truth = simulation
    matrix = evals.matrix()
    hidden = evals.mask(matrix.model.str.startswith("Family-D") & (matrix.benchmark != ""))
    posterior = posterior_near(hidden, truth, simulation_spec(), spread=0.3, log_precision=5.0, seed=2)
    draws, spec = posterior.draws.thinned(10), posterior.spec
    rows = np.array([3, 11])
    assert np.isnan(draws.data.covariates[11, 0])
    scores = {3: (np.array([0, 4]), np.array([0.55, 0.4])), 11: (np.array([1, 4]), np.array([0.6, 0.5]))}
    repeated = draws.take(np.repeat(np.arange(10), 300))
    each = family_log_evidence(repeated, spec, scores, np.random.default_rng(0)).reshape(10, 300)
    ours = logsumexp(each, axis=1) - np.log(300)
    mean, precision = drawn_scores(draws, rows, 20_000, float(spec.priors.latent_covariate.parameters["sigma"]))
    total = np.zeros(mean.shape[:2])
    for place, (given, values) in enumerate(scores.values()):
        items, mu, phi = draws.data.items[given], mean[..., place, given], precision[..., place, given]
        a, b, hits = mu * phi, (1 - mu) * phi, np.rint(values * items)
        total += (betaln(hits + a, items - hits + b) - betaln(a, b)).sum(axis=-1)
    exact = logsumexp(total, axis=0) - np.log(len(total))
    # Brute force is noisy where scores are unlikely; the mean over draws is what specs are compared by.
    assert logsumexp(ours) == pytest.approx(logsumexp(exact), abs=0.1)
    assert np.median(np.abs(ours - exact)) < 0.15
    # One model alone is no different from the known function.
    first = family_log_evidence(draws, spec, {3: scores[3]}, np.random.default_rng(0))
    model = LatentModel.of(draws, draws.covariate[:, 3], -1, scores[3][0])
    np.testing.assert_allclose(first, log_evidence(model, scores[3][1], np.random.default_rng(0)))
