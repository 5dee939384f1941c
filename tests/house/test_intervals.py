"""Credible intervals: equal-tailed, 90%, from one place."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayescale._intervals import KIND, PROB, interval_columns, summarise, tails
from bayescale.errors import ForecastError


@pytest.fixture(scope="module")
def draws() -> xr.DataArray:
    rng = np.random.default_rng(0)
    return xr.DataArray(
        rng.gamma(2.0, size=(2, 500, 3, 2)),
        dims=("chain", "draw", "model", "benchmark"),
        coords={"model": ["m1", "m2", "m3"], "benchmark": ["b1", "b2"], "family": ("model", ["F", "G", "F"])},
    )


def test_ninety_percent_equal_tailed_is_the_default(draws: xr.DataArray) -> None:
    assert (PROB, KIND) == (0.9, "equal-tailed")
    table = summarise(draws)
    assert table.attrs == {"prob": 0.9, "interval": "equal-tailed"}
    assert (interval_columns(table)["interval"] == "equal-tailed").all()


def test_columns_are_dims_then_statistics_one_row_per_cell(draws: xr.DataArray) -> None:
    table = summarise(draws, prob=0.5)
    assert table.columns.tolist() == ["model", "benchmark", "mean", "median", "lower", "upper"]
    assert table[["model", "benchmark"]].apply(tuple, axis=1).tolist() == [
        (m, b) for m in ("m1", "m2", "m3") for b in ("b1", "b2")
    ]


@pytest.mark.parametrize("prob", [0.5, 0.8, 0.9, 0.99])
def test_figures_are_those_of_all_draws_of_the_cell_and_the_tails_are_equal(draws: xr.DataArray, prob: float) -> None:
    for order in (draws, draws.transpose("benchmark", "draw", "model", "chain")):
        table = summarise(order, prob=prob).set_index(["model", "benchmark"])
        for model in ("m1", "m3"):
            values = draws.sel(model=model, benchmark="b2").to_numpy().ravel()
            row = table.loc[(model, "b2")]
            assert row["mean"] == pytest.approx(values.mean())
            assert row["median"] == pytest.approx(np.median(values))
            assert np.mean(values < row["lower"]) == pytest.approx((1 - prob) / 2, abs=2e-3)
            assert np.mean(values > row["upper"]) == pytest.approx((1 - prob) / 2, abs=2e-3)


def test_the_interval_of_a_known_distribution() -> None:
    exact = stats.gamma(2.0)
    values = exact.ppf((np.arange(20_000) + 0.5) / 20_000).reshape(2, 10_000, 1)
    row = summarise(xr.DataArray(values, dims=("chain", "draw", "benchmark")), prob=0.8).iloc[0]
    np.testing.assert_allclose(row[["median", "lower", "upper"]].astype(float), exact.ppf([0.5, 0.1, 0.9]), rtol=1e-3)


@pytest.mark.parametrize("prob", [0.0, 1.0, -0.5, 90, 95, 1.5, 100, 1e4, np.nan, np.inf])
def test_what_is_not_a_probability_is_refused(draws: xr.DataArray, prob: float) -> None:
    for ask in (lambda: tails(prob), lambda: summarise(draws, prob=prob)):
        with pytest.raises(ForecastError, match="not a probability between 0 and 1"):
            ask()


def test_a_percentage_suggests_the_probability() -> None:
    with pytest.raises(ForecastError, match=r"prob=90 is not .* Did you mean 0\.9\?"):
        tails(90)
    with pytest.raises(ForecastError) as caught:
        tails(0.0)
    assert "Did you mean" not in str(caught.value)
