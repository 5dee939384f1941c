"""Probabilities of scores beyond thresholds: exact on the draws, together for several benchmarks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import ForecastError
from bayescale.forecast import NEW_FAMILY, Forecast
from bayescale.methods import Posterior


@pytest.fixture(scope="module")
def forecast(posterior: Posterior) -> Forecast:
    return posterior.forecast(family=["Family-B", NEW_FAMILY], flops=[1e25, 1e23], random_seed=0)


def draws(forecast: Forecast, benchmark: str, kind: str = "predicted") -> np.ndarray:
    """Draws (model, S)."""
    values = forecast.draws[f"{kind}_score"].sel(benchmark=benchmark).transpose("model", ...).to_numpy()
    return values.reshape(len(values), -1)


@pytest.mark.parametrize("kind", ["predicted", "expected"])
def test_it_is_the_share_of_draws(forecast: Forecast, kind: str) -> None:
    table = forecast.probability("bench-2", above=0.6, kind=kind)  # type: ignore[arg-type]
    assert table["model"].tolist() == forecast.draws["model"].to_numpy().tolist()
    np.testing.assert_allclose(table["probability"], (draws(forecast, "bench-2", kind) > 0.6).mean(1))


def test_several_are_together(forecast: Forecast) -> None:
    asked = forecast.probability(above={"bench-1": 0.6, "bench-2": 0.5}, below={"bench-3": 0.9})
    together = (draws(forecast, "bench-1") > 0.6) & (draws(forecast, "bench-2") > 0.5)
    together &= draws(forecast, "bench-3") < 0.9
    np.testing.assert_allclose(asked["probability"], together.mean(1))
    named = forecast.probability(["bench-1", "bench-2"], above=0.6)
    pd.testing.assert_frame_equal(named, forecast.probability(above={"bench-1": 0.6, "bench-2": 0.6}))
    between = forecast.probability("bench-1", above=0.6, below=0.8)["probability"]
    one = draws(forecast, "bench-1")
    np.testing.assert_allclose(between, ((one > 0.6) & (one < 0.8)).mean(1))


def test_the_error_is_that_of_repeated_forecasts(posterior: Posterior) -> None:
    tables = [
        posterior.forecast("Family-B", 1e24, random_seed=seed).probability("bench-2", above=0.6) for seed in range(40)
    ]
    scatter = np.std([table["probability"].iloc[0] for table in tables])
    assert 0.5 < scatter / np.mean([table["error"].iloc[0] for table in tables]) < 1.5


def test_an_impossible_score_has_an_error_too_and_few_effective_draws_a_larger_one(posterior: Posterior) -> None:
    table = posterior.forecast("Family-B", 1e24, random_seed=0).probability("bench-1", above=1.0)
    assert table["probability"].iloc[0] == 0
    assert 0 < table["error"].iloc[0] < 0.001
    given = posterior.forecast("Family-B", 1e24, given={"bench-1": 0.75}, random_seed=0)
    row = given.probability("bench-2", above=0.6).iloc[0]
    assert row["error"] >= 0.9 * np.sqrt(row["probability"] * (1 - row["probability"]) / given.effective_draws)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "above=0.9"),
        ({"benchmark": "bench-1"}, "above=0.9"),
        ({"above": 0.9}, r"probability\('MMLU', above=0.9\)"),
        ({"benchmark": "bench-9", "above": 0.9}, "Did you mean 'bench-"),
        ({"above": {"bench-9": 0.9}}, "Did you mean 'bench-"),
        ({"benchmark": "bench-1", "above": 90}, r"bench-1, 90, is not between 0 and 1.*did you mean 0.9"),
        ({"benchmark": "bench-1", "above": "high"}, "is not a number"),
        ({"benchmark": "bench-1", "above": {"bench-2": 0.5}}, "leave one of them out"),
        ({"benchmark": "bench-1", "above": 0.5, "kind": "observed"}, "neither 'predicted'"),
    ],
)
def test_a_mistake_is_refused_with_a_remedy(forecast: Forecast, asked: dict, words: str) -> None:
    with pytest.raises(ForecastError, match=words):
        forecast.probability(**asked)
