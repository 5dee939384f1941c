"""Forecasts: the model's equations read forwards, against quadrature on the same draws, and everything one may ask."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import xarray as xr
from simulate import Truth, posterior_near, rise, simulate, simulation_spec

import bayescale as bs
from bayescale._intervals import decimals, quantile_error
from bayescale.errors import ConvergenceWarning, ForecastError, ForecastWarning
from bayescale.evals import Evals
from bayescale.forecast import NEW_FAMILY, Forecast
from bayescale.methods import Posterior
from bayescale.model.curve import SHARE_STEPS

FLOPS = 4e25


@pytest.fixture(scope="module")
def forecast(posterior: Posterior) -> Forecast:
    return posterior.forecast(family="Family-B", flops=FLOPS, random_seed=0)


def of_scores(forecast: Forecast, kind: str = "expected") -> np.ndarray:
    """Draws (S, model, benchmark)."""
    values = forecast.draws[f"{kind}_score"].to_numpy()
    return values.reshape(-1, *values.shape[2:])


# What comes out


def test_names_dims_and_coords(posterior: Posterior, forecast: Forecast) -> None:
    draws = forecast.draws
    assert isinstance(draws, xr.Dataset)
    assert set(draws.data_vars) == {"expected_score", "predicted_score"}
    for name in draws.data_vars:
        assert draws[name].dims == ("chain", "draw", "model", "benchmark")
    assert dict(draws.sizes) == {"chain": 4, "draw": 1000, "model": 1, "benchmark": 5}
    assert draws["benchmark"].to_numpy().tolist() == posterior.evals.benchmark_names
    assert draws["family"].to_numpy().tolist() == ["Family-B"]
    assert draws["flops"].to_numpy().tolist() == [FLOPS]
    assert draws["model"].to_numpy().tolist() == ["Family-B, 4e+25 FLOP"]
    xr.testing.assert_equal(draws["chain"], posterior.idata["posterior"]["chain"].drop_attrs())
    for name in draws.data_vars:
        assert ((draws[name] >= 0) & (draws[name] <= 1)).all()
    assert forecast.posterior is posterior
    assert forecast.given == {}
    assert forecast.effective_draws == 4000
    assert "Family-B, 4e+25 FLOP: 5 benchmarks, 4000 draws" in repr(forecast)


def test_predicted_scores_are_whole_items_where_items_are_counted(posterior: Posterior, forecast: Forecast) -> None:
    items = posterior.evals.benchmarks["items"].to_numpy()
    hits = of_scores(forecast, "predicted")[:, 0] * items
    counted = ~np.isnan(items)
    np.testing.assert_allclose(hits[:, counted], np.rint(hits[:, counted]), atol=1e-6)


# Against the formula


def moments(posterior: Posterior, family: str, flops: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """E s, E s^2 and E y^2 of expected score s and measured score y, per benchmark, by quadrature draw by draw.

    All that is unknown of a new model is normal on the logit, and independent of the rest given a draw.
    """
    data = {n: v.to_numpy().reshape(-1, *v.shape[2:]) for n, v in posterior.idata["posterior"].data_vars.items()}
    evals = posterior.evals
    x = np.log10(flops) - np.nanmean(np.log10(evals.models["flops"]))
    location = x * data["slope"][:, 0]
    effect, variance = 0.0, np.square(data["loading"]).sum(-1)
    in_testlet = (evals.benchmarks["testlet"] != "").to_numpy()
    if family == NEW_FAMILY:
        variance = variance * (1 + data["family_sd"][:, None] ** 2) + data["family_benchmark_sd"][:, None] ** 2
    else:
        location = location + data["family_offset"][:, evals.families.index(family)]
        effect = data["family_benchmark"][:, evals.families.index(family)]
    variance = variance + np.where(in_testlet, data["testlet_sd"][:, None] ** 2, 0.0)
    mean = np.einsum("sbk,sk->sb", data["loading"], location) - data["difficulty"]
    mean = mean + x * data["benchmark_slope"][..., 0] + effect
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    logit = mean + np.sqrt(variance) * nodes[:, None, None]
    scores = data["floor"] + (1 - data["floor"]) * rise(logit, data["curve_shape"])
    items = evals.benchmarks["items"].fillna(SHARE_STEPS).to_numpy()
    precision = np.exp(data["log_precision"])
    worth = (precision + 1) / (1 + precision / items)
    noisy = scores**2 + scores * (1 - scores) / worth
    weights = weights / weights.sum()
    return tuple(np.einsum("q,qsb->b", weights, v) / len(mean) for v in (scores, scores**2, noisy))


@pytest.mark.parametrize("family", ["Family-A", "Family-D", NEW_FAMILY])
@pytest.mark.parametrize("factors", [1, 2])
def test_means_and_variances_are_those_of_the_formula(
    posterior: Posterior, two_factors: Posterior, factors: int, family: str
) -> None:
    chosen = posterior if factors == 1 else two_factors
    first, second, noisy = moments(chosen, family, 3e24)
    forecast = chosen.forecast(family=family, flops=3e24, random_seed=3)
    expected, predicted = (of_scores(forecast, kind)[:, 0] for kind in ("expected", "predicted"))
    for draws, exact in ((expected, first), (predicted, first), (expected**2, second), (predicted**2, noisy)):
        error = draws.std(0) / np.sqrt(len(draws))
        np.testing.assert_array_less(np.abs(draws.mean(0) - exact), 4 * error)
        assert (error < 0.01).all()


def test_benchmarks_move_together_as_one_residual_makes_them(posterior: Posterior) -> None:
    """A strong new model is strong on every benchmark: the residual is the model's, not the benchmark's."""
    scores = of_scores(posterior.forecast(family="Family-A", flops=1e23, random_seed=0))[:, 0]
    correlations = np.corrcoef(scores.T)
    assert correlations.min() > 0.6


def test_variants_in_a_testlet_move_together_more(simulation: tuple[Evals, Truth]) -> None:
    evals, truth = simulation
    same = {"loading": truth.loading * 0 + 0.8, "difficulty": 0.5, "floor": 0.05, "benchmark_slope": 0.0}
    same |= {"family_benchmark": 0.0, "testlet_sd": 1.5}
    posterior = posterior_near(evals, truth, simulation_spec(), spread=0.02, **same)
    scores = of_scores(posterior.forecast(family="Family-A", flops=1e23, random_seed=0))[:, 0]
    names = evals.benchmark_names
    correlation = np.corrcoef(scores.T)
    within = correlation[names.index("bench-4"), names.index("bench-5")]
    across = correlation[names.index("bench-2"), names.index("bench-5")]
    assert within > 0.95
    assert across < 0.75


def test_a_new_family_is_less_certain_than_a_known_one(posterior: Posterior) -> None:
    known = [
        posterior.forecast(family=f, flops=1e24, random_seed=0).draws["expected_score"]
        for f in posterior.evals.families
    ]
    new = posterior.forecast(family=NEW_FAMILY, flops=1e24, random_seed=0).draws["expected_score"]
    widest = max(float(k.std()) for k in known)
    logit_sd = float(np.log(new / (1 - new)).std())
    known_logit_sd = max(float(np.log(k / (1 - k)).std()) for k in known)
    assert logit_sd > known_logit_sd
    assert float(new.std()) > 0.9 * widest
    assert bs.NEW_FAMILY == NEW_FAMILY


def test_new_models_of_one_call_share_their_new_family_and_not_their_residual(simulation: tuple[Evals, Truth]) -> None:
    """Correlation of two new models' capability: tau^2 / (1 + tau^2), as the offset is common and the residual not."""
    posterior = posterior_near(*simulation, simulation_spec(), spread=0.01, family_sd=3.0, family_benchmark_sd=1e-4)
    forecast = posterior.forecast(family=NEW_FAMILY, flops=[3e22, 3.0001e22], random_seed=0)
    scores, floor = of_scores(forecast)[:, :, 0], posterior.draws.floor[:, :1]
    share = np.clip((scores - floor) / (1 - floor), 1e-9, 1 - 1e-9)
    correlation = np.corrcoef(np.log(share / (1 - share)).T)[0, 1]
    assert correlation == pytest.approx(0.9, abs=0.02)
    alike = posterior.forecast(family="Family-A", flops=[3e22, 3.0001e22], random_seed=0)
    shares = (of_scores(alike)[:, :, 0] - floor) / (1 - floor)
    assert abs(np.corrcoef(np.log(shares / (1 - shares)).T)[0, 1]) < 0.1


def test_more_compute_forecasts_higher_scores(posterior: Posterior) -> None:
    forecast = posterior.forecast(family="Family-B", flops=[1e22, 1e24, 1e26], random_seed=0)
    medians = np.median(of_scores(forecast), axis=0)
    assert (np.diff(medians, axis=0) > 0).all()


@pytest.mark.parametrize(
    "form",
    [
        {"family_offsets": False},
        {"family_benchmark": False, "family_offsets": False},
        {"benchmark_slopes": False},
        {"testlets": False},
        {"curve": "sigmoid"},
    ],
)
def test_specs_without_an_effect_forecast_without_it(simulation: tuple[Evals, Truth], form: dict) -> None:
    posterior = posterior_near(*simulation, simulation_spec(**form))
    known, new = (posterior.forecast(family=f, flops=1e24, random_seed=0) for f in ("Family-A", NEW_FAMILY))
    for forecast in (known, new):
        assert np.isfinite(of_scores(forecast)).all()
    if not posterior.spec.family_offsets and not posterior.spec.family_benchmark:
        np.testing.assert_array_equal(of_scores(known), of_scores(new))


# Several models at once, and the ways to say how large they are


def test_several_models_in_one_call(posterior: Posterior) -> None:
    families = ["Family-A", "Family-C", NEW_FAMILY]
    forecast = posterior.forecast(family=families, flops=[1e24, 1e25, 1e26], random_seed=0)
    assert forecast.draws.sizes["model"] == 3
    assert forecast.draws["family"].to_numpy().tolist() == families
    assert forecast.draws["flops"].to_numpy().tolist() == [1e24, 1e25, 1e26]
    for i, family in enumerate(families):
        first, _, _ = moments(posterior, family, [1e24, 1e25, 1e26][i])
        scores = of_scores(forecast)[:, i]
        np.testing.assert_array_less(np.abs(scores.mean(0) - first), 4 * scores.std(0) / np.sqrt(len(scores)))


def test_one_family_stands_for_all_and_so_does_one_amount_of_compute(posterior: Posterior) -> None:
    one = posterior.forecast(family="Family-A", flops=[1e24, 1e25], random_seed=0)
    both = posterior.forecast(family=["Family-A", "Family-A"], flops=[1e24, 1e25], random_seed=0)
    xr.testing.assert_identical(one.draws, both.draws)
    families = posterior.forecast(family=["Family-A", "Family-B"], flops=1e24, random_seed=0)
    assert families.draws["flops"].to_numpy().tolist() == [1e24, 1e24]


def test_every_model_has_a_label_of_its_own(posterior: Posterior) -> None:
    labels = (
        posterior.forecast(family="Family-A", flops=[1e24, 1e24, 1.0001e24], random_seed=0).draws["model"].to_numpy()
    )
    assert len(set(labels)) == 3


def test_parameters_and_tokens_are_six_n_d(posterior: Posterior) -> None:
    """6 x 405e9 x 15.6e12 = 3.79e25."""
    by_size = posterior.forecast(family="Family-A", params=405e9, tokens=15.6e12, random_seed=0)
    by_compute = posterior.forecast(family="Family-A", flops=6 * 405e9 * 15.6e12, random_seed=0)
    np.testing.assert_array_equal(of_scores(by_size), of_scores(by_compute))
    assert by_size.draws["flops"].item() == pytest.approx(3.79e25, rel=1e-3)
    assert by_size.draws["params_b"].item() == 405


@pytest.fixture(scope="module")
def by_size(simulation: tuple[Evals, Truth]) -> Posterior:
    covariates = ("log10_params", "log10_tokens", "log10_params:log10_tokens")
    return posterior_near(*simulation, simulation_spec(covariates=covariates))


def test_a_spec_of_parameters_and_tokens_takes_any_two_of_three(by_size: Posterior) -> None:
    whole = by_size.forecast(family="Family-A", params=70e9, tokens=15e12, random_seed=0)
    for figures in ({"params": 70e9, "flops": 6.3e24}, {"tokens": 15e12, "flops": 6.3e24}):
        same = by_size.forecast(family="Family-A", **figures, random_seed=0)
        np.testing.assert_allclose(of_scores(same), of_scores(whole), atol=1e-9)
        assert same.draws["params_b"].item() == pytest.approx(70)
        assert same.draws["tokens_t"].item() == pytest.approx(15)
    for figures in ({"flops": 6.3e24}, {"params": 70e9}, {"tokens": 15e12}):
        with pytest.raises(ForecastError, match=r"log10_params and log10_tokens: give params= and tokens="):
            by_size.forecast(family="Family-A", **figures)


def test_the_interaction_is_the_product_of_centred_covariates(by_size: Posterior) -> None:
    models = by_size.evals.models
    params = np.log10(70e9) - np.nanmean(np.log10(models["params_b"] * 1e9))
    tokens = np.log10(15e12) - np.nanmean(np.log10(models["tokens_t"] * 1e12))
    x = np.array([params, tokens, params * tokens])
    data = {n: v.to_numpy().reshape(-1, *v.shape[2:]) for n, v in by_size.idata["posterior"].data_vars.items()}
    location = np.einsum("c,sck->sk", x, data["slope"]) + data["family_offset"][:, 0]
    logit = np.einsum("sbk,sk->sb", data["loading"], location) - data["difficulty"]
    logit = logit + data["benchmark_slope"] @ x + data["family_benchmark"][:, 0]
    scores = of_scores(by_size.forecast(family="Family-A", params=70e9, tokens=15e12, random_seed=0))[:, 0]
    share = (scores - data["floor"]) / (1 - data["floor"])
    residual = (np.log(share / (1 - share)) - logit)[:, 0] / data["loading"][:, 0, 0]
    assert residual.mean() == pytest.approx(0, abs=4 / np.sqrt(len(residual)))
    assert residual.std() == pytest.approx(1, abs=0.05)


# Seeds


def test_a_seed_repeats_a_forecast_also_the_one_that_was_recorded(posterior: Posterior) -> None:
    for seed in (7, None):
        one = posterior.forecast(family="Family-A", flops=FLOPS, random_seed=seed)
        two = posterior.forecast(family="Family-A", flops=FLOPS, random_seed=one.random_seed)
        xr.testing.assert_identical(one.draws, two.draws)
    other = posterior.forecast(family="Family-A", flops=FLOPS, random_seed=8)
    assert not np.array_equal(of_scores(other), of_scores(two))
    new, newer = (posterior.forecast(family="Family-A", flops=FLOPS, random_seed=None) for _ in range(2))
    assert not np.array_equal(of_scores(new), of_scores(newer))


# The summary


def test_the_summary_has_one_row_per_model_and_benchmark(posterior: Posterior) -> None:
    forecast = posterior.forecast(family=["Family-A", NEW_FAMILY], flops=[1e24, 1e25], random_seed=0)
    table = forecast.summary()
    assert table.columns.tolist() == ["model", "benchmark", "median", "lower", "upper"]
    assert len(table) == 10
    assert table.attrs == {"prob": 0.9, "interval": "equal-tailed"}
    flat = forecast.to_pandas()
    columns = ["model", "family", "flops", "benchmark", "mean", "median", "lower", "upper", "prob", "interval", "given"]
    assert flat.columns.tolist() == columns
    assert flat["family"].tolist() == ["Family-A"] * 5 + [NEW_FAMILY] * 5
    assert (flat["prob"] == 0.9).all()
    np.testing.assert_allclose(flat["mean"], of_scores(forecast, "predicted").mean(0).ravel())
    assert flat["given"].isna().all()


def test_the_summary_of_a_given_score_has_it_beside(posterior: Posterior) -> None:
    table = posterior.forecast("Family-A", 1e24, given={"bench-2": 0.5}, random_seed=0).summary()
    assert table.set_index("benchmark")["given"].dropna().to_dict() == {"bench-2": 0.5}


def test_sizes_that_agree_are_taken(posterior: Posterior) -> None:
    """Stated compute differs from 6 x parameters x tokens by a few percent."""
    forecast = posterior.forecast("Family-A", 3.8e25, params=405e9, tokens=15e12)
    assert forecast.draws["flops"].item() == 3.8e25


def test_print_shows_the_table_in_80_columns(posterior: Posterior) -> None:
    families = posterior.evals.families
    for asked in (families[0], families[:3]):
        forecast = posterior.forecast(asked, FLOPS, random_seed=0)
        lines = str(forecast).splitlines()
        assert max(map(len, lines)) <= 80
        for row in forecast.summary().itertuples():
            cell = f"{row.median:.2f} [{row.lower:.2f}, {row.upper:.2f}]"
            assert any(str(row.benchmark) in line and cell in line for line in lines)
        assert "90% equal-tailed" in " ".join(lines[:3])
    many = posterior.forecast(families[0], list(np.geomspace(1e22, 1e25, 9)), random_seed=0)
    assert "Forecast of 9 models: 5 benchmarks" in " ".join(str(many).split())
    assert "... 6 more models in .summary()" in str(many)
    assert max(map(len, str(many).splitlines())) <= 80


def test_digits_are_those_that_the_draws_support(posterior: Posterior) -> None:
    lower = [posterior.forecast("Family-B", 1e24, random_seed=seed).summary()["lower"] for seed in range(30)]
    draws = of_scores(posterior.forecast("Family-B", 1e24, random_seed=0), "predicted")[:, 0]
    error = quantile_error(draws, [0.05], len(draws))
    assert error == pytest.approx(np.median(np.std(lower, axis=0)), rel=0.5)
    assert decimals(error) == 2
    assert quantile_error(draws, [0.05], len(draws) / 4) == pytest.approx(2 * error, rel=0.3)


@pytest.mark.parametrize("of", ["predicted", "expected"])
@pytest.mark.parametrize("prob", [0.5, 0.9, 0.95])
def test_the_summary_holds_the_quantiles_of_the_draws(forecast: Forecast, of: Any, prob: float) -> None:
    row = forecast.summary(prob=prob, kind=of).set_index("benchmark").loc["bench-2"]
    draws = forecast.draws[f"{of}_score"].sel(benchmark="bench-2").to_numpy()
    ends = np.quantile(draws, [(1 - prob) / 2, 0.5, (1 + prob) / 2])
    np.testing.assert_allclose(row[["lower", "median", "upper"]].astype(float), ends)
    assert forecast.summary(prob=prob).attrs["prob"] == prob


def test_a_summary_of_something_else_is_refused(forecast: Forecast) -> None:
    with pytest.raises(ForecastError, match=r"prob=90 .*Did you mean 0\.9"):
        forecast.summary(prob=90)
    with pytest.raises(ForecastError, match="neither 'predicted'"):
        forecast.summary(kind="observed")  # type: ignore[arg-type]


def test_a_notebook_shows_the_table(forecast: Forecast) -> None:
    html = forecast._repr_html_()
    assert "bench-3" in html
    assert "equal-tailed" in html


# What cannot be answered


@pytest.mark.parametrize(
    ("asked", "messages"),
    [
        ({"flops": FLOPS}, ["Say which family", "NEW_FAMILY"]),
        ({"family": "Family A", "flops": FLOPS}, ["no family", "Did you mean 'Family-A'", "NEW_FAMILY"]),
        ({"family": "family-b", "flops": FLOPS}, ["Did you mean 'Family-B'"]),
        ({"family": "Mamba", "flops": FLOPS}, ["Known: Family-A, Family-B, Family-C, Family-D"]),
        ({"family": ["Family-A", "Famly-B"], "flops": FLOPS}, ["'Famly-B'", "Did you mean 'Family-B'"]),
        ({"family": "Family-A"}, ["how much training compute", "flops=4e25", "params= and tokens="]),
        ({"family": "Family-A", "params": 70e9}, ["how much training compute"]),
        ({"family": "Family-A", "tokens": 15e12}, ["how much training compute"]),
        ({"family": "Family-A", "flops": 25}, ["flops=25 is far below", "did you mean flops=1e+25?"]),
        ({"family": "Family-A", "flops": 25.6}, ["did you mean flops=3.98e+25?"]),
        ({"family": "Family-A", "flops": 40_000}, ["did you mean flops=4e+25?"]),
        ({"family": "Family-A", "flops": [1e24, 25]}, ["flops=25 is far below"]),
        ({"family": "Family-A", "flops": -1e24}, ["must be a positive number"]),
        ({"family": "Family-A", "flops": 0}, ["must be a positive number"]),
        ({"family": "Family-A", "flops": float("nan")}, ["must be a positive number"]),
        ({"family": "Family-A", "flops": float("inf")}, ["must be a positive number"]),
        ({"family": "Family-A", "flops": 1e40}, ["beyond anything plausible", "FLOP"]),
        ({"family": "Family-A", "flops": "4e25 FLOP"}, ["is not a number"]),
        ({"family": "Family-A", "flops": []}, ["one number or a list"]),
        ({"family": "Family-A", "flops": [[1e24]]}, ["one number or a list"]),
        (
            {"family": "Family-A", "params": 405, "tokens": 15e12},
            ["params=405 is far below", "did you mean params=4.05e+11?"],
        ),
        (
            {"family": "Family-A", "flops": 4e25, "params": 1e9, "tokens": 1e11},
            ["flops=4e+25 contradicts params=1e+09 and tokens=1e+11", "= 6e+20 FLOP", "Leave one of the three out"],
        ),
        ({"family": "Family-A", "params": 4e11, "tokens": 15e24}, ["beyond anything plausible", "training tokens"]),
        ({"family": ["Family-A", "Family-B"], "flops": [1e24, 1e25, 1e26]}, ["family has 2 values where 3"]),
        ({"family": ["Family-A"] * 3, "flops": [1e24, 1e25]}, ["flops has 2 values where 3"]),
        ({"family": [], "flops": 1e24}, ["family has 0 values"]),
    ],
)
def test_a_mistake_is_refused_with_a_remedy(posterior: Posterior, asked: dict, messages: list[str]) -> None:
    with pytest.raises(ForecastError) as caught:
        posterior.forecast(**asked)
    for message in messages:
        assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ({"bench-9": 0.5}, ["no benchmark", "'bench-9'", "Did you mean 'bench-"]),
        ({"MMLU": 0.5}, ["Known: bench-1, bench-2"]),
        ({"bench-1": 86}, ["86, is not between 0 and 1", "percentage: did you mean 0.86?"]),
        ({"bench-1": 86.4}, ["did you mean 0.864?"]),
        ({"bench-1": -0.1}, ["is not between 0 and 1"]),
        ({"bench-1": float("nan")}, ["is not between 0 and 1"]),
        ({"bench-1": "high"}, ["is not a number"]),
        ({"bench-1": None}, ["is not a number"]),
        ({"bench-1": 0.5, "bench-2": 55}, ["bench-2, 55"]),
    ],
)
def test_given_scores_are_checked(posterior: Posterior, given: dict, messages: list[str]) -> None:
    with pytest.raises(ForecastError) as caught:
        posterior.forecast(family="Family-A", flops=FLOPS, given=given)
    for message in messages:
        assert message in str(caught.value)


def test_given_scores_belong_to_one_model(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match=r"given= holds the scores of one model, but 2 are forecast"):
        posterior.forecast(family="Family-A", flops=[1e24, 1e25], given={"bench-1": 0.5})


# What is said beside the numbers


def test_a_posterior_that_did_not_converge_warns_with_each_forecast(posterior: Posterior) -> None:
    convergence = posterior.convergence.model_copy(update={"converged": False, "problems": ("Use more draws.",)})
    not_converged = dataclasses.replace(posterior, convergence=convergence)
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match=r"did not converge\. Use more draws\.") as caught:
            not_converged.forecast(family="Family-A", flops=FLOPS, random_seed=0)
        assert caught[0].filename == __file__


def test_given_scores_that_surprise_the_posterior_warn(simulation: tuple[Evals, Truth]) -> None:
    few = posterior_near(*simulation, simulation_spec(), draws=300, spread=0.02, seed=1)
    few = dataclasses.replace(few, convergence=few.convergence.model_copy(update={"converged": True}))
    odd = {"bench-1": 0.3, "bench-2": 0.5}
    with pytest.warns(ForecastWarning, match=r"Only \d+ of 1200 draws are compatible.*rough.*evals\.add"):
        forecast = few.forecast(family="Family-A", flops=1e25, given=odd, random_seed=0)
    assert 50 <= forecast.effective_draws < 200
    with pytest.raises(ForecastError, match=r"Only \d+ of 1200 draws .*too few for intervals: .*withheld.*evals\.add"):
        few.forecast(family="Family-A", flops=1e25, given=odd | {"bench-2": 0.95, "bench-3": 0.02}, random_seed=0)


def test_simulated_evals_are_forecast_near_their_truth() -> None:
    """The made-up posterior around the truth forecasts what the truth does: the tests' own scaffold holds."""
    evals, truth = simulate(5)
    posterior = posterior_near(evals, truth, simulation_spec(), spread=0.01)
    scores = of_scores(posterior.forecast(family="Family-C", flops=10 ** (truth.centre + 1), random_seed=0))[:, 0]
    exact, measured = truth.unseen(np.full(4000, 1.0), np.full(4000, 2), np.random.default_rng(0))
    np.testing.assert_allclose(scores.mean(0), exact.mean(0), atol=0.03)
    np.testing.assert_allclose(scores.std(0), exact.std(0), atol=0.03)
    assert measured.shape == exact.shape


def test_many_models_are_forecast_in_blocks_as_few_are(posterior: Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks differ in their noise only, whichever processor takes them; a new family is one family in all of them."""
    flops = np.full(40, 1e24)

    def scores(cells: int, workers: int) -> np.ndarray:
        monkeypatch.setattr("bayescale.forecast.predict.CELLS", cells)
        monkeypatch.setattr("bayescale.forecast.predict.processors", lambda: workers)
        forecast = posterior.forecast(family=NEW_FAMILY, flops=flops, random_seed=3)
        return forecast.draws["expected_score"].to_numpy().reshape(-1, 40, 5)

    whole, one_each = scores(10**9, 1), scores(1, 4)
    np.testing.assert_array_equal(one_each, scores(1, 1))
    assert len(np.unique(one_each[0, :, 0])) == 40, "each model has a residual of its own"
    # All models are alike: means over draws agree within their errors, and so does what they share, their family.
    error = np.hypot(whole.std(axis=0), one_each.std(axis=0)) / np.sqrt(len(whole))
    assert (abs(whole.mean(axis=0) - one_each.mean(axis=0)) < 4.5 * error).all()
    shared = [np.corrcoef(values[:, 0, 0], values[:, 39, 0])[0, 1] for values in (whole, one_each)]
    assert shared[0] == pytest.approx(shared[1], abs=4.5 * np.sqrt(2 / len(whole)))
    assert shared[1] > 0.1
