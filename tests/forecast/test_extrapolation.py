"""Forecasts say how far beyond the data they reach."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bayescale.errors import ExtrapolationWarning, ForecastError
from bayescale.methods import Posterior


def test_a_forecast_knows_its_distance_from_the_largest_model(posterior: Posterior) -> None:
    largest = posterior.evals.models["flops"].max()
    forecast = posterior.forecast("Family-A", [largest / 5, largest, 100 * largest], random_seed=1)
    np.testing.assert_allclose(forecast.draws["decades_beyond"], [0, 0, 2], atol=1e-9)
    assert "beyond the data by 0.0, 0.0, 2.0 decades of size" in str(forecast)
    assert "beyond the data" not in str(posterior.forecast("Family-A", largest, random_seed=1))


def test_beyond_one_decade_it_warns_and_names_the_model(posterior: Posterior) -> None:
    largest = posterior.evals.models["flops"].max()
    with pytest.warns(ExtrapolationWarning, match=r"Family-A, .* FLOP lies 1\.2 decades of size beyond the largest"):
        posterior.forecast("Family-A", 15 * largest, random_seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        posterior.forecast("Family-A", 9 * largest, random_seed=1)


def test_years_count_where_the_spec_has_dates(dated: Posterior) -> None:
    last = max(dated.evals.models["released"])
    year = int(last[:4]) + 3
    asked = {"flops": 1e23, "reasoning": False}
    with pytest.warns(ExtrapolationWarning, match="years beyond the largest"):
        forecast = dated.forecast("Family-A", released=f"{year}-06", random_seed=1, **asked)
    assert 1 < float(forecast.draws["years_beyond"][0]) < 4
    assert float(forecast.draws["decades_beyond"][0]) == 0


def test_the_absurd_is_refused_with_a_reason(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match=r"more than 1e\+30 FLOP, some 2e\+03 times those of any model"):
        posterior.forecast("Family-A", 1e32)


def test_the_picture_is_dashed_beyond_the_data(posterior: Posterior) -> None:
    largest = posterior.evals.models["flops"].max()
    ax = posterior.forecast("Family-A", 100 * largest, random_seed=1).plot_fan("bench-1")
    by_style = {style: [line for line in ax.lines if line.get_linestyle() == style] for style in ("-", "--")}
    assert all(line.get_xdata().min() >= largest / 4 for line in by_style["--"] if len(line.get_xdata()) > 2)
    assert any(len(line.get_xdata()) > 2 for line in by_style["--"])
