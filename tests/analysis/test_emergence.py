"""Thresholds of emergence: the curve passes the asked score there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from simulate import Truth, posterior_near, simulation_spec
from test_efficiency import with_values

from bayescale.analysis.emergence import Emergence, say_flops
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.model.curve import expected_score
from bayescale.model.spec import Spec


@pytest.fixture(scope="module")
def emergence(two_factors: Posterior) -> Emergence:
    return two_factors.emergence("bench-4", "Family-B", random_seed=0)


def plugged_in(emergence: Emergence, log10_flops: xr.DataArray, of: str = "typical") -> np.ndarray:
    """Expected score of each draw at its own compute, from the posterior's draws and not from `emergence`."""
    draws = emergence.posterior.draws
    benchmark = draws.data.coords["benchmark"].index(emergence.benchmark)
    family = draws.data.coords["family"].index(emergence.family)
    x = log10_flops.to_numpy().ravel() - draws.data.centre[0]
    place = x[:, None] * draws.slope[:, 0] + draws.family_offset[:, family]
    logit = np.sum(place * draws.loading[:, benchmark], axis=1) - draws.difficulty[:, benchmark]
    logit += x * draws.benchmark_slope[:, benchmark, 0] + draws.family_benchmark[:, family, benchmark]
    if of == "single":
        logit += emergence.draws["residual"].to_numpy().ravel()
    ceiling = draws.data.ceiling[benchmark]
    return expected_score(logit, draws.floor[:, benchmark], ceiling, draws.curve_shape[:, benchmark])


@pytest.mark.parametrize("of", ["typical", "single"])
@pytest.mark.parametrize("score", [0.3, 0.5, 0.97])
def test_a_threshold_plugged_back_in_gives_its_score(emergence: Emergence, score: float, of: Any) -> None:
    crossing = emergence.log10_threshold(score, of)
    assert np.isfinite(crossing).all()
    np.testing.assert_allclose(plugged_in(emergence, crossing, of), score, atol=1e-8)
    np.testing.assert_allclose(np.log10(emergence.threshold(score, of)), crossing, atol=1e-12)


def test_half_way_lies_between_floor_and_ceiling_of_each_draw(emergence: Emergence) -> None:
    wanted = (emergence.draws["floor"] + emergence.draws["ceiling"]) / 2
    assert float(wanted.std()) > 0
    np.testing.assert_allclose(plugged_in(emergence, emergence.log10_threshold()), wanted.to_numpy().ravel(), atol=1e-8)
    np.testing.assert_array_equal(emergence.threshold("half way"), emergence.threshold())
    assert emergence.half_way == pytest.approx(float(wanted.median()))


def test_shapes_other_than_the_sigmoids_are_inverted_too(posterior: Posterior) -> None:
    skewed = with_values(posterior, curve_shape=np.array([0.05, 0.3, 1.0, 0.6, 0.01])).emergence(
        "bench-5", "Family-A", random_seed=0
    )
    np.testing.assert_allclose(plugged_in(skewed, skewed.log10_threshold(0.7)), 0.7, atol=1e-8)
    sigmoid = posterior.emergence("bench-5", "Family-A", random_seed=0)
    assert float(np.abs(skewed.log10_threshold(0.95) - sigmoid.log10_threshold(0.95)).min()) > 0.05
    np.testing.assert_allclose(skewed.log10_threshold(), sigmoid.log10_threshold(), atol=1e-9)


def test_the_truth_comes_back(posterior: Posterior, simulation: tuple[Evals, Truth]) -> None:
    truth = simulation[1]
    slope = truth.loading @ truth.slope + truth.benchmark_slope
    level = truth.loading @ truth.offset[2] - truth.difficulty + truth.family_benchmark[2]
    wanted = truth.centre - level[0] / slope[0]
    low, middle, high = posterior.emergence("bench-1", "Family-C", random_seed=0).quantiles(prob=0.99)
    assert low < 10**wanted < high
    assert abs(np.log10(middle) - wanted) < 0.05


def test_the_curve_is_that_of_the_familys_typical_model(emergence: Emergence) -> None:
    draws, flops = emergence.posterior.draws, [1e21, 3e23]
    curve = emergence.expected_scores(flops)
    assert curve.dims == ("chain", "draw", "flops")
    assert curve["flops"].to_numpy().tolist() == flops
    for i, c in enumerate(flops):
        wanted = draws.by_chain(draws.family_scores(np.log10(c) - draws.data.centre)[:, 1, 3])
        np.testing.assert_allclose(curve[..., i], wanted, atol=1e-12)


@pytest.mark.parametrize("benchmark", ["bench-1", "bench-4"])  # alone, and one of a testlet
def test_a_single_model_is_as_uncertain_as_a_forecast(two_factors: Posterior, benchmark: str) -> None:
    scattered = with_values(two_factors, testlet_sd=2.0)
    emergence, flops = scattered.emergence(benchmark, "Family-B", random_seed=0), 1e23
    forecast = (
        scattered.forecast(family="Family-B", flops=flops, random_seed=0)
        .draws["expected_score"]
        .sel(benchmark=benchmark)
    )
    wanted = forecast.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).to_numpy()
    actual = emergence.expected_scores([flops], of="single").quantile([0.05, 0.25, 0.5, 0.75, 0.95]).to_numpy()
    np.testing.assert_allclose(actual, wanted, atol=0.03)
    typical = emergence.expected_scores([flops]).quantile([0.05, 0.95]).to_numpy()
    assert np.ptp(typical) < 0.6 * np.ptp(wanted)
    other = scattered.emergence(benchmark, "Family-B", random_seed=1)
    assert not np.allclose(other.draws["residual"], emergence.draws["residual"])
    np.testing.assert_array_equal(other.draws["level"], emergence.draws["level"])


def test_where_scores_do_not_rise_the_threshold_is_never_reached(posterior: Posterior) -> None:
    loading = posterior.idata["posterior"]["loading"].to_numpy().copy()
    slopes = posterior.idata["posterior"]["slope"].to_numpy()[..., 0, 0]
    loading[:, :, 0, 0] = 0.5 / slopes
    loading[:, :100, 0, 0] = 0.0
    loading[:, 100:150, 0, 0] = -0.2 / slopes[:, 100:150]
    flat = with_values(posterior, loading=loading, benchmark_slope=0.0).emergence("bench-1", "Family-A", random_seed=0)
    assert flat.never(0.6) == 0.15
    threshold = flat.threshold(0.6)
    assert np.isinf(threshold[:, :150]).all()
    assert np.isfinite(threshold[:, 150:]).all()
    low, middle, high = flat.quantiles(0.6)
    assert np.isfinite([low, middle]).all()
    assert np.isinf(high)
    wanted = np.sort(threshold.to_numpy().ravel())
    assert middle == pytest.approx(np.median(wanted), rel=1e-3)
    assert "to more than 1e30)" in flat.statement(0.6)
    assert "In 15.0% of the draws no compute is enough." in flat.statement(0.6)
    assert flat.summary([0.6])["never"].tolist() == [0.15] * 4


def test_a_score_that_guessing_gives_in_some_draws_needs_no_compute_there(posterior: Posterior) -> None:
    emergence = posterior.emergence("bench-1", "Family-A", random_seed=0)
    floor = emergence.draws["floor"]
    score = float(floor.quantile(0.9))
    threshold = emergence.threshold(score)
    assert ((threshold == 0) == (floor >= score)).all()
    assert emergence.quantiles(score)[0] == 0
    assert "(90%: none to" in emergence.statement(score)
    with pytest.raises(ForecastError, match=r"not above the guessing floor of bench-1, 0\.25"):
        emergence.threshold(float(floor.quantile(0.4)))


def test_the_statement_is_the_summary_in_words(emergence: Emergence) -> None:
    table = emergence.summary([0.6], prob=0.8)
    columns = "score threshold of median lower upper never"
    assert list(table.columns) == columns.split()
    assert (table.attrs["benchmark"], table.attrs["family"]) == ("bench-4", "Family-B")
    assert table["threshold"].tolist() == ["half way", "half way", "score", "score"]
    typical, single = table.iloc[2], table.iloc[3]
    assert (typical["of"], single["of"]) == ("typical", "single")
    assert single["upper"] / single["lower"] > 3 * typical["upper"] / typical["lower"]
    text = emergence.statement(0.6, prob=0.8)
    assert text.startswith("A typical Family-B model passes 60% on bench-4 at ")
    for row in (typical, single):
        said = [say_flops(row[name]) for name in ("median", "lower", "upper")]
        assert f"{said[0]} FLOP" in text or f"{said[0]} (" in text
        assert f"(80%: {said[1]} to {said[2]})" in text
    assert f"half way (above {100 * emergence.half_way:.3g}%)" in emergence.statement()
    assert emergence.statement() in repr(emergence).replace("\n", " ")


def test_observed_scores_stand_at_the_capability_of_their_model(emergence: Emergence) -> None:
    posterior = emergence.posterior
    table = emergence.observed()
    scores = posterior.evals.scores
    assert len(table) == (scores["benchmark"] == "bench-4").sum()
    flops = posterior.equivalent_flops("Family-B", of="single").median(("chain", "draw")).to_series()
    np.testing.assert_allclose(table["equivalent_flops"], flops[table["model"]], rtol=1e-3)
    observed = posterior.evals.matrix().sel(benchmark="bench-4").to_series()
    np.testing.assert_array_equal(table["score"], observed[table["model"]])
    one, other = (emergence.observed(along=a)["equivalent_flops"] for a in ("benchmarks", "capabilities"))
    assert not np.allclose(one, other)


def test_hidden_scores_are_those_that_were_not_fitted(two_factors: Posterior) -> None:
    evals = two_factors.evals
    missing = (~np.isfinite(evals.matrix())).sum("model").to_series()
    name, other = missing.idxmax(), missing.idxmin()
    emergence = two_factors.emergence(name, "Family-B", random_seed=0)
    observed = evals.matrix().sel(benchmark=name).to_series()
    absent = observed.index[observed.isna()].tolist()
    assert absent
    more = pd.DataFrame({"model": absent, "benchmark": name, "score": 0.5})
    elsewhere = more.assign(benchmark=other)
    table = emergence.observed(pd.concat([evals.scores, more, elsewhere]))
    assert table["model"].tolist() == absent
    assert (table["score"] == 0.5).all()
    whole = Evals(evals.models, evals.benchmarks, pd.concat([evals.scores, more]))
    pd.testing.assert_frame_equal(emergence.observed(whole), table)
    with pytest.raises(ForecastError, match=r"Model 'Family-Z-0' is not in the fitted.*fit with its other scores"):
        emergence.observed(pd.DataFrame({"model": ["Family-Z-0"], "benchmark": name, "score": 0.5}))
    with pytest.raises(ForecastError, match="lacks the columns score"):
        emergence.observed(more.drop(columns="score"))


def test_without_family_offsets_families_share_a_curve(simulation: tuple[Evals, Truth]) -> None:
    posterior = posterior_near(*simulation, simulation_spec(family_offsets=False, family_benchmark=False))
    one, other = (
        posterior.emergence("bench-2", family, random_seed=0).threshold() for family in ("Family-A", "Family-D")
    )
    np.testing.assert_array_equal(one, other)


def test_what_has_no_threshold_says_why(emergence: Emergence, simulation: tuple[Evals, Truth]) -> None:
    posterior = emergence.posterior
    assert posterior.emergence("bench-1", random_seed=0).family == "Family-A"
    other = posterior_near(*simulation, Spec(factors=1, covariates=("log10_params", "log10_tokens")))
    with pytest.raises(ForecastError, match=r"predicts from log10_params and log10_tokens.*log10_flops"):
        other.emergence("bench-1")
    with pytest.raises(ForecastError, match="Did you mean 'bench-4'"):
        posterior.emergence("bench4")
    with pytest.raises(ForecastError, match="Did you mean 'Family-A'"):
        posterior.emergence("bench-4", "family-a")
    for score, said in ((50, r"did you mean 0\.5"), (1.0, "not below the ceiling"), ("half", "neither a number")):
        with pytest.raises(ForecastError, match=said):
            emergence.threshold(score)  # type: ignore[arg-type]
    for wrong in (np.nan, -0.1):
        with pytest.raises(ForecastError, match="not between 0 and 1"):
            emergence.threshold(wrong)
    with pytest.raises(ForecastError, match="Did you mean 'single'"):
        emergence.threshold(0.5, of="singel")  # type: ignore[arg-type]
    with pytest.raises(ForecastError, match="must be positive"):
        emergence.expected_scores([0.0])
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        emergence.statement(prob=90)
