"""Explained variance of a forecast: against formulas by hand, brute force, and forecasts that are given the scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from simulate import Truth, measure, new_models, posterior_near, simulate, simulation_spec
from test_efficiency import with_values

from bayescale.analysis.explained_variance import ExplainedVariance, explained_shares, jackknife_error, read_subject
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.forecast import NEW_FAMILY
from bayescale.methods import Posterior
from bayescale.model.curve import SHARE_STEPS
from bayescale.model.spec import Spec

FLOPS = 5e23


@pytest.fixture(scope="module")
def uncertain(simulation: tuple[Evals, Truth]) -> Posterior:
    """Draws far enough apart that parameters are a good part of what a forecast is unsure of."""
    return posterior_near(*simulation, simulation_spec(), spread=0.3, log_precision=5.0, seed=2)


def by_name(explained: ExplainedVariance, column: str) -> dict[str, float]:
    return explained.summary().set_index("benchmark")[column].to_dict()


def linear_variance(among: np.ndarray, across: np.ndarray) -> float:
    """Variance of the best linear prediction: c' C^-1 c."""
    return float(across @ np.linalg.solve(among, across))


def test_shares_of_normal_variables_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    root = rng.standard_normal((4, 4))
    cov = root @ root.T
    sets = [[0], [1], [2], [0, 1], [0, 1, 2]]
    drawn = rng.multivariate_normal(np.zeros(4), cov, 20_000)
    # Scores may be on any scale that keeps their order.
    scores = np.column_stack([1 / (1 + np.exp(-drawn[:, 1])), drawn[:, 2] * 7 - 3, np.tanh(drawn[:, 3] / 4)])
    shares = explained_shares(drawn[:, 0], scores, sets)
    assert shares.shape == (21, 5)
    for place, chosen in enumerate(sets):
        at = [i + 1 for i in chosen]
        assert shares[0, place] == pytest.approx(
            linear_variance(cov[np.ix_(at, at)], cov[at, 0]) / cov[0, 0], abs=0.015
        )


def test_the_monte_carlo_error_is_how_far_repetitions_scatter() -> None:
    rng = np.random.default_rng(5)
    actual, errors = [], []
    for _ in range(60):
        x = rng.standard_normal((1000, 1))
        y = x[:, 0] + rng.standard_normal(1000)
        shares = explained_shares(y, x, [[0]])
        actual.append(shares[0, 0])
        errors.append(jackknife_error(shares[1:])[0])
    assert np.mean(actual) == pytest.approx(0.5, abs=0.012)
    assert np.mean(errors) == pytest.approx(np.std(actual), rel=0.35)


def test_uninformative_scores_explain_nothing() -> None:
    rng = np.random.default_rng(7)
    y, noise, constant = rng.standard_normal((3, 4000))
    scores = np.column_stack([noise, np.round(constant * 0)])
    shares = explained_shares(y, scores, [[0], [1], [0, 1]])
    np.testing.assert_allclose(shares[0], 0, atol=0.003)
    many = explained_shares(y, rng.standard_normal((4000, 30)), [list(range(30))])
    assert many[0, 0] == pytest.approx(0, abs=0.012)  # adjusted for ninety terms


@pytest.mark.parametrize("family", ["Family-B", NEW_FAMILY])
def test_small_effects_are_resolved_as_by_hand(family: str) -> None:
    """Where curves are nearly straight, all is linear and normal: the logits of scores and their noise."""
    evals, truth = simulate(factors=2, items=(np.inf,) * 5, floors=(0.0,) * 5)
    at_half = truth.offset @ truth.loading.T  # typical models score one half
    parameters: dict[str, Any] = {"loading": 0.2 * truth.loading, "difficulty": 0.2 * at_half[1], "floor": 0.001}
    parameters |= {"slope": np.zeros((1, 2)), "benchmark_slope": 0.0, "family_benchmark": 0.0, "log_precision": 5.0}
    parameters |= {"testlet_sd": 0.2, "family_benchmark_sd": 0.1, "family_sd": 0.8}
    if family == NEW_FAMILY:
        parameters["difficulty"] = 0.0
    posterior = posterior_near(evals, truth, simulation_spec(2, curve="sigmoid"), spread=0.0, **parameters)
    given = ["bench-1", "bench-3", "bench-5"]
    explained = posterior.explained_variance("bench-4", given, family=family, flops=FLOPS, random_seed=0)
    loading = 0.2 * truth.loading
    new = family == NEW_FAMILY
    cov = loading @ loading.T * (1 + 0.8**2 * new) + 0.1**2 * new * np.eye(5)
    cov[3:, 3:] += 0.2**2  # the testlet of bench-4 and bench-5
    # A score is worth precision + 1 items (as many as inf items can be), p (1 - p) / items on the score, p = 1/2; and
    # its logit has noise of its own, the noise of the items that much less of it.
    own = truth.specific_sd[0] ** 2
    measured = cov + np.eye(5) * (own + (4 - own) / (np.exp(5.0) + 1))
    at = [0, 2, 4]
    wanted = linear_variance(measured[np.ix_(at, at)], cov[at, 3]) / cov[3, 3]
    assert explained.together == pytest.approx(wanted, abs=0.02)
    assert explained.sd == pytest.approx(np.sqrt(cov[3, 3]) / 4, rel=0.05)
    assert explained.sd_left == pytest.approx(np.sqrt(cov[3, 3] * (1 - wanted)) / 4, rel=0.05)
    for place, name in zip(at, given, strict=True):
        alone = cov[place, 3] ** 2 / measured[place, place] / cov[3, 3]
        assert by_name(explained, "alone")[name] == pytest.approx(alone, abs=0.02)
        rest = [i for i in at if i != place]
        lost = wanted - linear_variance(measured[np.ix_(rest, rest)], cov[rest, 3]) / cov[3, 3]
        assert by_name(explained, "lost")[name] == pytest.approx(lost, abs=0.02)


def conditional_variance(y: np.ndarray, scores: np.ndarray, bins: int) -> float:
    """Mean variance of y among simulations whose scores fall into the same bins."""
    edges = [np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1]) for column in scores.T]
    place = [np.searchsorted(e, column) for e, column in zip(edges, scores.T, strict=True)]
    _, cell = np.unique(np.stack(place), axis=1, return_inverse=True)
    count = np.bincount(cell)
    mean = np.bincount(cell, y) / count
    within = np.bincount(cell, (y - mean[cell]) ** 2)
    return float((within[count > 1] * count[count > 1] / (count[count > 1] - 1)).sum() / count[count > 1].sum())


@pytest.mark.heavy
@pytest.mark.parametrize(("family", "flops"), [("Family-B", FLOPS), (NEW_FAMILY, 3e22), (NEW_FAMILY, None)])
@pytest.mark.parametrize(
    ("target", "given", "bins"),
    [("bench-3", ["bench-2"], 400), ("bench-1", ["bench-3"], 400), ("bench-4", ["bench-1", "bench-5"], 40)],
)
def test_shares_are_those_of_brute_force(
    uncertain: Posterior, family: str, flops: float | None, target: str, given: list[str], bins: int
) -> None:
    explained = uncertain.explained_variance(target, given, family=family, flops=flops, random_seed=0)
    expected, precision = new_models(uncertain, None if family == NEW_FAMILY else family, flops, 40)
    items = uncertain.evals.benchmarks["items"].fillna(SHARE_STEPS).to_numpy()
    measured = measure(expected, precision, items, np.random.default_rng(1))
    names = uncertain.evals.benchmark_names
    y, scores = expected[:, names.index(target)], measured[:, [names.index(name) for name in given]]
    assert explained.sd == pytest.approx(y.std(), rel=0.03)
    wanted = 1 - conditional_variance(y, scores, bins) / y.var()
    assert 0.1 < wanted < 0.95
    assert explained.together == pytest.approx(wanted, abs=0.025)


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore::bayescale.errors.ForecastWarning")
def test_forecasts_that_are_given_the_scores_are_as_much_narrower(uncertain: Posterior) -> None:
    given = ["bench-2", "bench-4"]
    explained = uncertain.explained_variance("bench-1", given, family=NEW_FAMILY, flops=FLOPS, random_seed=0)
    free = uncertain.forecast(family=NEW_FAMILY, flops=FLOPS, random_seed=0).draws.isel(model=0)
    drawn = free["predicted_score"].sel(benchmark=given).to_numpy().reshape(-1, 2)[::100]
    left = []
    for scores in drawn:
        known = dict(zip(given, scores.tolist(), strict=True))
        forecast = uncertain.forecast(family=NEW_FAMILY, flops=FLOPS, given=known, random_seed=0)
        left.append(float(forecast.draws["expected_score"].sel(benchmark="bench-1").var()))
    before = float(free["expected_score"].sel(benchmark="bench-1").var())
    error = np.std(left) / np.sqrt(len(left)) / before
    assert explained.together == pytest.approx(1 - np.mean(left) / before, abs=3 * error)
    assert error < 0.03


def test_more_scores_explain_more_and_shares_are_in_order(posterior: Posterior) -> None:
    few = posterior.explained_variance("bench-4", ["bench-1", "bench-2"], family=NEW_FAMILY, flops=FLOPS, random_seed=0)
    every = posterior.explained_variance("bench-4", family=NEW_FAMILY, flops=FLOPS, random_seed=0)
    assert every.benchmarks == ("bench-1", "bench-2", "bench-3", "bench-5")
    assert few.together < every.together < 1
    table = every.summary()
    assert list(table) == ["target", "benchmark", "alone", "lost", "alone_error", "lost_error"]
    assert table["alone"].is_monotonic_decreasing
    assert (table["alone"] <= every.together + 2 * table["alone_error"]).all()
    assert (table["lost"] <= table["alone"] + 2 * table["alone_error"]).all()
    assert (table[["alone_error", "lost_error"]] < 0.02).all(axis=None)
    assert 0 < every.together_error < 0.02
    by_hand = few.together - by_name(few, "alone")["bench-1"]
    assert by_name(few, "lost")["bench-2"] == pytest.approx(by_hand, abs=1e-9)


def test_noise_and_unknown_parameters_lower_explained_variance(simulation: tuple[Evals, Truth]) -> None:
    ask: dict[str, Any] = {"benchmarks": "bench-3", "family": NEW_FAMILY, "flops": FLOPS}
    known = posterior_near(*simulation, simulation_spec(), spread=0.05)
    shares = [
        with_values(known, log_precision=value).explained_variance("bench-1", **ask, random_seed=0).together
        for value in (3.0, 5.0, 7.0)
    ]
    assert shares[0] + 0.05 < shares[1] < shares[2]
    # Nobody knows how strongly bench-1 answers to capability: what a score says of the capability says little of it.
    loading = known.idata["posterior"]["loading"].to_numpy().copy()
    loading[:, :, 0] = np.random.default_rng(0).normal(0, 0.9, loading[:, :, 0].shape)
    unknown = with_values(known, loading=loading, log_precision=7.0).explained_variance("bench-1", **ask, random_seed=0)
    assert unknown.together < shares[2] - 0.3


def test_unknown_compute_raises_explained_variance(posterior: Posterior) -> None:
    ask: dict[str, Any] = {"target": "bench-4", "benchmarks": ["bench-1"], "family": "Family-A"}
    known, unknown = (
        posterior.explained_variance(**ask, flops=FLOPS, random_seed=0),
        posterior.explained_variance(**ask, random_seed=0),
    )
    assert unknown.sd > 1.3 * known.sd
    assert unknown.together > known.together + 0.05
    assert "compute unknown" in unknown.model
    assert known.model == "Family-A, 5e+23 FLOP"
    stranger = posterior.explained_variance("bench-4", ["bench-1"], random_seed=0)
    assert stranger.model == "a model of a new family, compute unknown"


def test_a_model_of_the_data_lends_family_and_compute(posterior: Posterior) -> None:
    models = posterior.evals.models.set_index("model")
    exact = models.index[models["flops"].notna() & models["flops_log10_sd"].isna()][0]
    ask: dict[str, Any] = {"target": "bench-4", "benchmarks": ["bench-1"]}
    row = models.loc[exact]
    same = posterior.explained_variance(**ask, family=row["family"], flops=float(row["flops"]), random_seed=0)
    like = posterior.explained_variance(**ask, model=exact, random_seed=0)
    assert like.together == pytest.approx(same.together, abs=1e-9)
    assert like.model == f"a model such as {exact}"
    closed = models.index[models["flops"].isna()][0]
    unknown = posterior.explained_variance(**ask, model=closed, random_seed=0)
    assert (
        unknown.together
        == posterior.explained_variance(**ask, family=models.loc[closed, "family"], random_seed=0).together
    )


def test_covariates_are_what_was_known_before_any_score(simulation: tuple[Evals, Truth]) -> None:
    spec = simulation_spec().replace(priors={"latent_covariate": "Normal(mu=0.3, sigma=0.8)"})
    posterior = posterior_near(*simulation, spec)
    data, rng = posterior.draws.data, np.random.default_rng(0)
    none = {"flops": None, "params": None, "tokens": None}
    for row, name in enumerate(posterior.evals.model_names):
        drawn = read_subject(posterior, name, None, none).drawn(40_000, posterior.draws.data.terms, rng).covariates
        stated, figure = data.covariate_sd[row, 0], data.covariates[row, 0]
        if stated == 0:
            np.testing.assert_array_equal(drawn, [[figure]])
            continue
        weight = 0.0 if np.isnan(stated) else stated**-2
        wanted = (0.3 / 0.8**2 + np.nan_to_num(figure) * weight) / (0.8**-2 + weight)
        assert drawn.shape == (40_000, 1, 1)
        assert drawn.mean() == pytest.approx(wanted, abs=0.02)
        assert drawn.std() == pytest.approx((0.8**-2 + weight) ** -0.5, rel=0.02)
    assert np.isnan(data.covariate_sd).any()
    assert (data.covariate_sd > 0).any()


def test_other_covariates_than_compute_can_be_asked_as_well(simulation: tuple[Evals, Truth]) -> None:
    spec = Spec(factors=1, covariates=("log10_params", "log10_tokens", "log10_params:log10_tokens"))
    posterior = posterior_near(*simulation, spec)
    known = posterior.explained_variance(
        "bench-1", ["bench-2"], family="Family-A", params=70e9, tokens=2e12, random_seed=0
    )
    unknown = posterior.explained_variance("bench-1", ["bench-2"], family="Family-A", random_seed=0)
    assert known.sd < unknown.sd
    assert 0 < known.together < unknown.together < 1


def test_the_same_seed_gives_the_same_shares_in_any_order(posterior: Posterior) -> None:
    ask: dict[str, Any] = {"family": NEW_FAMILY, "flops": FLOPS}
    one = posterior.explained_variance("bench-4", ["bench-1", "bench-3"], **ask, random_seed=0)
    two = posterior.explained_variance("bench-4", ["bench-3", "bench-1", "bench-3"], **ask, random_seed=0)
    xr.testing.assert_allclose(one.summary().to_xarray(), two.summary().to_xarray())
    other = posterior.explained_variance("bench-4", ["bench-1", "bench-3"], random_seed=1, **ask)
    assert other.together != one.together
    assert other.together == pytest.approx(one.together, abs=4 * one.together_error)


def test_the_repr_says_what_is_resolved(posterior: Posterior) -> None:
    explained = posterior.explained_variance(
        "bench-4", ["bench-1", "bench-2"], family="Family-A", flops=FLOPS, random_seed=0
    )
    text = repr(explained)
    assert f"2 scores together explain {explained.together:.0%}" in text
    assert "bench-4 for Family-A, 5e+23 FLOP" in text
    for name, share in by_name(explained, "alone").items():
        assert f"{name}  {share:4.0%} alone" in text


def test_what_cannot_be_asked_says_why(posterior: Posterior) -> None:
    ask = posterior.explained_variance
    name = posterior.evals.model_names[0]
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"target": "bench4"}, ForecastError, "Did you mean 'bench-4'"),
        ({"target": "bench-4", "benchmarks": ["bench1"]}, ForecastError, "Did you mean 'bench-1'"),
        (
            {"target": "bench-4", "benchmarks": ["bench-4"]},
            ForecastError,
            "bench-4 is the target: leave it out",
        ),
        ({"target": "bench-4", "benchmarks": []}, ForecastError, "benchmarks= is empty"),
        ({"target": "bench-4", "model": name.lower()}, ForecastError, f"Did you mean '{name}'"),
        ({"target": "bench-4", "model": name, "family": "Family-A"}, ForecastError, "not both"),
        ({"target": "bench-4", "model": name, "flops": 1e23}, ForecastError, "not both"),
        ({"target": "bench-4", "family": "family-a"}, ForecastError, "Did you mean 'Family-A'"),
        ({"target": "bench-4", "family": "family-a", "flops": 1e23}, ForecastError, "Did you mean 'Family-A'"),
        ({"target": "bench-4", "family": "Family-A", "flops": [1e23, 1e24]}, ForecastError, "about one model"),
        ({"target": "bench-4", "family": "Family-A", "flops": 23.0}, ForecastError, "far below"),
    ]
    for arguments, error, said in wrong:
        with pytest.raises(error, match=said):
            ask(**arguments)
    flat = with_values(posterior, loading=0.0, benchmark_slope=0.0, difficulty=0.0, floor=0.1, curve_shape=1.0)
    flat = with_values(flat, family_benchmark=0.0, testlet_sd=0.0)
    with pytest.raises(ForecastError, match="same in all draws"):
        flat.explained_variance("bench-4", ["bench-1"], family="Family-A")
