"""Forecasts in the page of a report are Python's: the same equations in two languages, to 1e-6."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from fake_posterior import posterior_of_dates
from hypothesis import given, settings
from hypothesis import strategies as st
from javascript import EQUATIONS, Page
from scipy.special import betaln, digamma, gammaln
from simulate import Truth, posterior_near, simulate, simulation_spec

from bayescale.evals import Evals
from bayescale.forecast import NEW_FAMILY
from bayescale.forecast.query import at_predicted_compute, read_query
from bayescale.methods import Posterior
from bayescale.model import model_data
from bayescale.model.curve import expected_score, score_slope
from bayescale.report import LiveForecast, live_forecast
from bayescale.report.pack import OF_COMPUTE, arrays, pack

FORMS: dict[str, dict[str, Any]] = {
    "two capabilities": {"factors": 2},
    "sigmoids": {"curve": "sigmoid"},
    "no testlets": {"testlets": False},
    "no families": {"family_offsets": False, "family_benchmark": False},
    "no slopes": {"benchmark_slopes": False},
    "size and tokens": {"covariates": ("log10_params", "log10_tokens", "log10_params:log10_tokens")},
}
QUESTIONS: list[dict[str, float]] = [
    {},
    {"bench-1": 0.62},
    {"bench-3": 0.3},
    {"bench-2": 0.0},
    {"bench-4": 1.0, "bench-3": 1.0},
    {"bench-5": 0.125, "bench-4": 0.355, "bench-1": 0.7},
    {f"bench-{b}": 0.1 + 0.15 * b for b in range(1, 6)},
]
FIGURES = {"flops": 5e23, "params": 30e9, "tokens": 1.5e12}


@pytest.fixture(scope="module")
def live(posterior: Posterior) -> LiveForecast:
    return live_forecast(posterior, draws=100, random_seed=0)


@pytest.fixture(scope="module")
def page(live: LiveForecast, evals: Evals) -> Page:
    return Page(live, evals)


def both(
    page: Page, family: str, figures: dict[str, float], known: dict[str, float]
) -> tuple[tuple[np.ndarray, float], tuple[np.ndarray, float]]:
    """Interval ends and effective draws by Python, and by the page."""
    assert page.live is not None
    measured = page.compute("posterior.measured")
    asked = {m["argument"]: figures[m["argument"]] for m in measured}
    table = page.live.summary(family, **asked, given=known)
    names = page.live.draws.data.coords["family"]
    index = -1 if family == NEW_FAMILY else names.index(family)
    log10 = [float(np.log10(asked[m["argument"]]) if m["kind"] == "size" else asked[m["argument"]]) for m in measured]
    ours = table[["lower", "median", "upper"]].to_numpy(), table.attrs["effective_draws"]
    return ours, page.forecast(index, log10, known)


@pytest.mark.parametrize("known", QUESTIONS, ids=lambda q: ", ".join(f"{k}={v:g}" for k, v in q.items()) or "none")
@pytest.mark.parametrize("family", ["Family-B", NEW_FAMILY])
def test_the_page_forecasts_what_python_forecasts(page: Page, family: str, known: dict[str, float]) -> None:
    ours, theirs = both(page, family, FIGURES, known)
    np.testing.assert_allclose(theirs[0], ours[0], rtol=0, atol=1e-6)
    assert theirs[1] == pytest.approx(ours[1], abs=1e-4)


@pytest.mark.parametrize("form", list(FORMS))
def test_whatever_the_spec(form: str) -> None:
    evals, truth = simulate(factors=FORMS[form].get("factors", 1))
    live = live_forecast(posterior_near(evals, truth, simulation_spec(**FORMS[form])), draws=60, random_seed=0)
    page = Page(live, evals)
    for family in ("Family-A", NEW_FAMILY):
        for known in ({}, {"bench-1": 0.7, "bench-5": 0.4}):
            ours, theirs = both(page, family, FIGURES, known)
            np.testing.assert_allclose(theirs[0], ours[0], rtol=0, atol=1e-6)


def test_columns_as_covariates(dated: Posterior) -> None:
    live = live_forecast(dated, draws=60, random_seed=0)
    page = Page(live, dated.evals)
    assert page.compute("posterior.axes.map((axis) => axis.place)") == [1, 0]  # compute, then dates
    for known in ({}, {"bench-1": 0.7}):
        ours, theirs = both(page, "Family-A", {**FIGURES, "released": 2026.5, "reasoning": 1}, known)
        np.testing.assert_allclose(theirs[0], ours[0], rtol=0, atol=1e-6)


def test_compute_that_nobody_discloses(hidden_compute: Posterior) -> None:
    """Of a family the maker of all its models is the page's; the slider's compute, here 1 FLOP, does not matter."""
    live = live_forecast(hidden_compute, draws=60, random_seed=0)
    page, data = Page(live, hidden_compute.evals), live.draws.data
    assert live.compute is not None
    at = {"released": 2026.5, "log10_flops": 0.0, "reasoning": 1.0}
    values = [at[column.name] for column in data.columns]
    for family, maker in (("Family-A", "Maker A"), ("Family-B", None), ("Family-C", None), (NEW_FAMILY, None)):
        facts = {"released": 2026.5, "reasoning": True, "organization": maker}
        index = -1 if family == NEW_FAMILY else data.coords["family"].index(family)
        for known in ({}, {"bench-1": 0.7, "bench-5": 0.4}):
            table = live.summary(family, given=known, **facts)
            theirs, effective = page.forecast(index, values, known, undisclosed=True)
            np.testing.assert_allclose(theirs, table[["lower", "median", "upper"]], rtol=0, atol=1e-6)
            assert effective == pytest.approx(table.attrs["effective_draws"], abs=1e-4)
        query = at_predicted_compute(live.draws, read_query(live.spec, data, family, facts), live.compute)
        drawn = query.covariates[:, 0, data.place("log10_flops")] + data.columns[data.column("log10_flops")].centre
        asked = json.dumps({"family": index, "values": values})
        np.testing.assert_allclose(page.compute(f"[...drawnCompute(posterior, {asked})]"), drawn, rtol=0, atol=1e-6)


def test_a_date_alone_predicts_compute(hidden_compute: Posterior) -> None:
    """All that predicts compute is known, so its sd is the smaller one; makers have no effect."""
    spec, evals = hidden_compute.spec.replace(compute_from=["released"]), hidden_compute.evals
    truth, x = simulate(factors=2)[1], np.nan_to_num(model_data(spec, evals).covariates)
    slope = np.array([[0.5, 0.2], truth.slope, [0.8, -0.3]])
    live = live_forecast(posterior_near(evals, truth, spec, slope=slope, covariate_value=x), draws=60, random_seed=0)
    live = replace(live, draws=replace(live.draws, vague_compute_sd=np.full(live.draws.size, 3.0)))
    for family, index in (("Family-B", 1), (NEW_FAMILY, -1)):
        table = live.summary(family, released=2025.25, reasoning=False)
        theirs, _ = Page(live, evals).forecast(index, [2025.25, 0.0, 0.0], {}, undisclosed=True)
        np.testing.assert_allclose(theirs, table[["lower", "median", "upper"]], rtol=0, atol=1e-6)


@pytest.mark.heavy
def test_where_families_are_makers_they_say_the_maker() -> None:
    dates = posterior_of_dates()
    live = live_forecast(dates, draws=60, random_seed=0)
    page = Page(live, dates.evals)
    for family in ("OpenAI", "DeepSeek", NEW_FAMILY):
        table = live.summary(family, released=2026.5, reasoning=True)
        index = -1 if family == NEW_FAMILY else live.draws.data.coords["family"].index(family)
        theirs, _ = page.forecast(index, [0.0, 2026.5, 1.0], {}, undisclosed=True)
        np.testing.assert_allclose(theirs, table[["lower", "median", "upper"]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("known", [{}, {"bench-1": 0.62}], ids=["none", "bench-1"])
def test_undisclosed_compute_is_integrated_over_as_by_the_posterior(
    hidden_compute: Posterior, known: dict[str, float]
) -> None:
    facts: dict[str, Any] = {"released": 2025.0, "reasoning": False}
    usual = hidden_compute.forecast("Family-A", given=known, random_seed=1, **facts).summary(kind="expected")
    ends = ["lower", "median", "upper"]
    for draws in (hidden_compute.draws.size, 1000):
        table = live_forecast(hidden_compute, draws, random_seed=0).summary("Family-A", given=known, **facts)
        np.testing.assert_allclose(table[ends], usual[ends], atol=0.03)


def test_noise_of_compute_is_apart_from_all_other(hidden_compute: Posterior) -> None:
    without = replace(hidden_compute, spec=hidden_compute.spec.replace(compute_from=[]))
    with_it, plain = (live_forecast(posterior, random_seed=0) for posterior in (hidden_compute, without))
    for field in fields(plain.model):
        np.testing.assert_array_equal(getattr(with_it.model, field.name), getattr(plain.model, field.name))
    np.testing.assert_array_equal(with_it.proposals.normal, plain.proposals.normal)
    assert with_it.start == plain.start
    assert plain.compute is None
    assert not {"new_maker", "new_compute", *OF_COMPUTE} & set(arrays(plain))
    assert pack(plain, hidden_compute.evals, 0.9)["compute"] is None
    assert with_it.compute is not None
    normals = [with_it.compute.maker, with_it.compute.model]
    normals += [getattr(with_it.model, field.name).reshape(with_it.draws.size, -1) for field in fields(with_it.model)]
    together = np.corrcoef(np.concatenate(normals, axis=1), rowvar=False)
    assert np.abs(together - np.eye(len(together)))[:2].max() < 0.15


@settings(max_examples=20, deadline=None)
@given(
    log10=st.floats(20, 28),
    family=st.sampled_from(["Family-A", "Family-C", NEW_FAMILY]),
    known=st.dictionaries(st.sampled_from([f"bench-{b}" for b in range(1, 6)]), st.floats(0, 1), max_size=3),
)
def test_whatever_is_asked(page: Page, log10: float, family: str, known: dict[str, float]) -> None:
    ours, theirs = both(page, family, {"flops": 10**log10}, known)
    np.testing.assert_allclose(theirs[0], ours[0], rtol=0, atol=1e-6)


def test_a_forecast_on_all_draws_is_that_of_the_posterior(posterior: Posterior) -> None:
    """Thinning aside, the reference of the page is the package's own forecast, with the same random numbers."""
    live = live_forecast(posterior, draws=posterior.draws.size, random_seed=0)
    for family in ("Family-B", NEW_FAMILY):
        usual = posterior.forecast(family=family, flops=5e23, random_seed=0).summary(kind="expected")
        np.testing.assert_allclose(live.summary(family, 5e23)["median"], usual["median"], atol=1e-6)
        # Conditioned forecasts take other random numbers; they agree as far as so many draws do.
        known = {"bench-1": 0.62, "bench-4": 0.4}
        usual = posterior.forecast(family=family, flops=5e23, given=known, random_seed=0).summary(kind="expected")
        table = live.summary(family, 5e23, given=known)
        np.testing.assert_allclose(table[["lower", "median", "upper"]], usual[["lower", "median", "upper"]], atol=0.02)


def test_scores_of_the_page_are_those_of_all_draws_to_a_unit_of_the_last_digit(posterior: Posterior) -> None:
    """The page shows two decimals, of a quarter of the draws."""
    live = live_forecast(posterior, random_seed=0)
    assert live.draws.size == posterior.draws.size / 4
    for family in ("Family-B", NEW_FAMILY):
        for flops in (5e22, 5e24):
            usual = posterior.forecast(family=family, flops=flops, random_seed=1).summary(kind="expected")
            ends = ["lower", "median", "upper"]
            off = (live.summary(family, flops)[ends] - usual[ends]).abs().max(axis=1)
            assert (off <= 0.01 + 0.03 * (usual["upper"] - usual["lower"])).all()


def test_the_probability_of_a_target_is_that_of_python(page: Page, live: LiveForecast) -> None:
    for family, index in (("Family-B", 1), (NEW_FAMILY, -1)):
        for known in ({}, {"bench-1": 0.62}):
            expected = live.expected_scores(family, {"flops": 5e23}, known)[0]
            query = {"family": index, "values": [float(np.log10(5e23))], "given": [[0, s] for s in known.values()]}
            shares = (
                f"[0, 1, 2].map((b) => probabilityAbove(posterior, forecast(posterior, {json.dumps(query)}), b, 0.6))"
            )
            np.testing.assert_allclose(page.compute(shares), (expected[:, :3] > 0.6).mean(0), atol=1e-9)


@pytest.mark.heavy
def test_the_compute_for_a_target_is_that_of_python(posterior: Posterior) -> None:
    """The page reads where its band crosses the target; Python solves for it in each draw."""
    live = live_forecast(posterior, posterior.draws.size, random_seed=0)
    page = Page(live, posterior.evals, files=(*EQUATIONS, "pictures.js"))
    band = "along(posterior, posterior.axes[0], 1, [23], 2)"
    theirs = page.compute(f"['median', 'upper', 'lower'].map((end) => crossing({band}.grid, {band}[end], 0.6))")
    required = posterior.required_compute("bench-3", 0.6, "Family-B", random_seed=0).summary()
    np.testing.assert_allclose(theirs, np.log10(required[["median", "lower", "upper"]].to_numpy()[0]), atol=0.03)
    assert page.compute("crossing([1, 2], [0.2, 0.4], 0.1) === -Infinity") is True
    assert page.compute("crossing([1, 2], [0.2, 0.4], 0.5) === Infinity") is True


def test_one_benchmark_alone_is_the_same(page: Page) -> None:
    query = '{"family": 1, "values": [23.5], "given": [], "only": 2}'
    every = query.replace(', "only": 2', "")
    assert page.compute(f"forecast(posterior, {query}).rows[2]") == page.compute(
        f"forecast(posterior, {every}).rows[2]"
    )


def test_asking_twice_gives_the_same_numbers(live: LiveForecast) -> None:
    one, two = (live.summary(NEW_FAMILY, 5e23, given={"bench-4": 0.4}) for _ in range(2))
    assert one.equals(two)


def test_the_numerics_that_browsers_lack() -> None:
    page = Page()
    for x in (1e-300, 1e-3, 0.5, 1.0, 7.3, 11.999, 12.0, 250.0, 3e4):
        assert page.compute(f"logGamma({x!r})") == pytest.approx(gammaln(x), rel=1e-13, abs=1e-13)
        assert page.compute(f"digamma({x!r})") == pytest.approx(digamma(x), rel=1e-13, abs=1e-13)
    assert page.compute("logBeta(9000.5, 300.25)") == pytest.approx(betaln(9000.5, 300.25), abs=1e-9)
    halves = [0.5, 1.5, 2.5, 2.4999, 62.5, 7.0]
    assert page.compute(f"{halves}.map(roundHalfEven)") == np.rint(halves).tolist()
    values = np.random.default_rng(0).normal(size=37)
    theirs = page.compute(f"quantiles({values.tolist()}, [0, 0.05, 0.5, 0.95, 1])")
    np.testing.assert_allclose(theirs, np.quantile(values, [0, 0.05, 0.5, 0.95, 1]), rtol=1e-14)


@pytest.mark.parametrize("shape", [1e-6, 0.1, 0.5, 1.0, 3.0])
def test_the_curve_is_that_of_the_package(shape: float) -> None:
    page = Page()
    for logit in (-30.0, -4.0, -0.5, 0.0, 1.5, 9.0, 30.0):
        mean = float(expected_score(logit, 0.2, 0.95, shape))
        assert page.compute(f"expectedScore({logit}, 0.2, 0.95, {shape})") == pytest.approx(mean, abs=1e-14)
        slope = float(score_slope(mean, 0.2, 0.95, shape))
        assert page.compute(f"scoreSlope({mean!r}, 0.2, 0.95, {shape})") == pytest.approx(slope, abs=1e-12)


def test_many_items_and_a_posterior_of_one_draw(simulation: tuple[Evals, Truth]) -> None:
    """Precise scores far from the forecast leave few draws, where a slip in the weights would show."""
    evals, truth = simulation
    many = Evals(evals.models, evals.benchmarks.assign(items=14_000.0), evals.scores)
    live = live_forecast(
        posterior_near(many, truth, simulation_spec(), log_precision=9.0, spread=0.3), draws=100, random_seed=0
    )
    ours, theirs = both(Page(live, many), "Family-B", FIGURES, {"bench-1": 0.97, "bench-2": 0.02})
    assert ours[1] < 30
    np.testing.assert_allclose(theirs[0], ours[0], rtol=0, atol=1e-6)
