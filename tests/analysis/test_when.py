"""Dates of a crossing against what draws say by hand, and the releases that are simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_posterior import posterior_of_dates

from bayescale.errors import ForecastError
from bayescale.methods import Posterior


@pytest.fixture(scope="module")
def dates() -> Posterior:
    return posterior_of_dates()


def test_the_best_never_falls_and_the_year_is_where_it_crosses(dates: Posterior) -> None:
    crossing = dates.when("GPQA Diamond", 0.8, random_seed=1)
    best, year = crossing.draws["best"].to_numpy(), crossing.draws["date"].to_numpy()
    assert (np.diff(best, axis=1) >= 0).all()
    assert (np.diff(year) > 0).all()
    for draw, crossed in enumerate(crossing.draws["year"].to_numpy()):
        above = year[best[draw] >= 0.8]
        assert crossed == (above[0] if above.size else np.inf)


def test_until_the_last_model_the_best_is_that_of_the_data(dates: Posterior) -> None:
    crossing = dates.when("MMLU", 0.9, random_seed=1)
    draws = dates.draws.thinned(1000)
    fitted = draws.fitted_scores()[..., dates.evals.benchmark_names.index("MMLU")].max(axis=1)
    at_end = crossing.draws["best"].sel(date=crossing.last, method="nearest")
    np.testing.assert_allclose(at_end, fitted, rtol=1e-12)


def test_a_higher_score_is_crossed_later(dates: Posterior) -> None:
    years = [dates.when("GPQA Diamond", score, random_seed=1).draws["year"].to_numpy() for score in (0.6, 0.8, 0.95)]
    assert (years[0] <= years[1]).all()
    assert (years[1] <= years[2]).all()
    assert years[0].min() < years[2].min()


def test_makers_go_on_at_the_pace_of_their_last_year(dates: Posterior) -> None:
    crossing = dates.when("MMLU", 0.9, "OpenAI", random_seed=1)
    assert crossing.makers == ("OpenAI",)
    released, last = dates.evals.models["released"].to_numpy(str), crossing.last
    column = dates.draws.data.columns[dates.draws.data.column("released")]
    mine = (dates.evals.models["family"] == "OpenAI").to_numpy()
    recent = sum(column.read(day) > last - 1 for day in released[mine] if day)
    ahead = crossing.draws["date"].to_numpy()
    assert ((ahead > last) & (ahead <= last + 1)).sum() == recent
    assert ahead.max() == pytest.approx(crossing.until)


def test_an_open_end_is_said_and_is_no_date(dates: Posterior) -> None:
    crossing = dates.when("GPQA Diamond", 0.999, random_seed=1)
    row = crossing.summary().iloc[0]
    assert row["median"].startswith("after ")
    assert row["by_end"] < 0.5
    assert "Perhaps never" in repr(crossing)
    assert crossing.probability(crossing.until) == pytest.approx(row["by_end"])
    with pytest.raises(ForecastError, match="beyond the simulation"):
        crossing.probability(2060)


def test_the_plot_shows_models_and_the_threshold(dates: Posterior) -> None:
    crossing = dates.when("MMLU", 0.9, random_seed=1)
    ax = crossing.plot()
    assert any(line.get_ydata()[0] == 0.9 for line in ax.lines)
    assert crossing.said() in ax.get_title(loc="left")


def test_what_cannot_be_asked(dates: Posterior, posterior: Posterior, dated: Posterior) -> None:
    with pytest.raises(ForecastError, match="knows no dates"):
        posterior.when(posterior.evals.benchmark_names[0], 0.5)
    with pytest.raises(ForecastError, match="compute_from"):
        dated.when(dated.evals.benchmark_names[0], 0.5)
    with pytest.raises(ForecastError, match="Did you mean 'OpenAI'"):
        dates.when("MMLU", 0.9, "OpenAl")
    with pytest.raises(ForecastError, match="chance and ceiling"):
        dates.when("MMLU", 0.1)


def test_forecasts_take_the_maker_for_the_family_and_integrate_over_compute(dates: Posterior) -> None:
    facts = {"released": "2026-12", "reasoning": True, "random_seed": 1}
    by_family, by_maker = dates.forecast("OpenAI", **facts), dates.forecast(organization="OpenAI", **facts)
    np.testing.assert_array_equal(by_family.draws["expected_score"], by_maker.draws["expected_score"])
    known = dates.forecast("OpenAI", flops=1e25, **facts)
    widths = [(f.summary()["upper"] - f.summary()["lower"]).mean() for f in (by_family, known)]
    assert widths[0] > widths[1]


def test_of_undisclosed_compute_the_draws_are_those_of_the_regression(dates: Posterior) -> None:
    from bayescale.forecast.query import ComputeNoise, at_predicted_compute, read_query, with_compute

    data = dates.draws.data
    assert data.predictors is not None
    slopes = np.zeros_like(dates.draws.compute_slope)
    slopes[:, data.predictors.names.index("released")] = 0.5
    makers = np.zeros_like(dates.draws.maker_compute)
    makers[:, data.predictors.makers.index("Google")] = 0.8
    draws = replace(dates.draws, compute_slope=slopes, maker_compute=makers)
    facts = {"released": ["2025-01-01", "2026-01-01"], "reasoning": True, "params": 7e9}
    query = read_query(dates.spec, data, "Google", facts)
    drawn = with_compute(draws, query, np.random.default_rng(1)).covariates[..., data.place("log10_flops")]
    assert drawn.shape == (draws.size, 2)
    # The random numbers of a new maker come first, then those of the models: a seed keeps its forecasts.
    rng = np.random.default_rng(1)
    noise = ComputeNoise(rng.standard_normal((draws.size, 1)), rng.standard_normal((draws.size, 2)))
    same = at_predicted_compute(draws, query, noise).covariates[..., data.place("log10_flops")]
    np.testing.assert_array_equal(same, drawn)
    later = np.diff(drawn.mean(axis=0)).item()
    error = 0.6 * np.sqrt(2 / draws.size)
    assert later == pytest.approx(0.5, abs=4 * error)
    since = query.undisclosed.regressors[0, data.predictors.names.index("released")]
    assert drawn[:, 0].mean() == pytest.approx(0.8 + 0.5 * since, abs=4 * error)
    assert drawn.std(axis=0) == pytest.approx(draws.compute_sd.mean(), rel=0.2)
