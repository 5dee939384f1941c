"""Which benchmarks to run next: those whose scores tell most, against brute force and against conditioning."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayescale.analysis.benchmark_selection import BenchmarkSuggestion
from bayescale.errors import ForecastError
from bayescale.forecast import Forecast
from bayescale.methods import Posterior

SEED = 7


@pytest.fixture(scope="module")
def forecast(two_factors: Posterior) -> Forecast:
    return two_factors.forecast("Family-B", 1e23, random_seed=SEED)


@pytest.fixture(scope="module")
def suggestion(two_factors: Posterior, forecast: Forecast) -> BenchmarkSuggestion:
    return two_factors.suggest_benchmarks(forecast, 2)


def test_no_other_set_leaves_less(two_factors: Posterior, suggestion: BenchmarkSuggestion) -> None:
    names = two_factors.evals.benchmark_names
    assert set(suggestion.candidates) == set(suggestion.targets) == set(names)
    left = suggestion.variance_left(suggestion.benchmarks)
    assert left == pytest.approx(min(suggestion.variance_left(pair) for pair in itertools.combinations(names, 2)))
    assert suggestion.table["variance_left"].iloc[-1] == pytest.approx(left)
    assert 0 < suggestion.least < left < 1


@pytest.mark.heavy
@pytest.mark.parametrize("known", ["bench-1", "bench-2"])
def test_what_is_left_is_what_a_score_leaves_of_a_forecast(
    two_factors: Posterior, forecast: Forecast, known: str
) -> None:
    """The mean variance of forecasts given scores that are drawn from the forecast."""
    suggestion = two_factors.suggest_benchmarks(forecast, 1, candidates=[known], targets=["bench-4", "bench-5"])
    before = forecast.draws["expected_score"].var(("chain", "draw"))
    drawn = forecast.draws["predicted_score"].sel(benchmark=known).to_numpy().ravel()
    after = []
    for score in np.quantile(drawn, (np.arange(15) + 0.5) / 15):
        given = two_factors.forecast("Family-B", 1e23, given={known: float(score)}, random_seed=SEED)
        after.append(given.draws["expected_score"].var(("chain", "draw")).to_numpy())
    targets = [3, 4]
    wanted = np.mean(after, axis=0).ravel()[targets].sum() / before.to_numpy().ravel()[targets].sum()
    assert suggestion.variance_left([known]) == pytest.approx(wanted, abs=0.12)


def test_a_given_score_is_neither_run_nor_forecast(two_factors: Posterior) -> None:
    given = two_factors.forecast("Family-B", 1e23, given={"bench-2": 0.6}, random_seed=SEED)
    suggestion = two_factors.suggest_benchmarks(given, 1)
    assert "bench-2" not in {*suggestion.candidates, *suggestion.targets}
    prediction = two_factors.predict("Family-A-0", random_seed=SEED)
    missing = prediction.summary().set_index("benchmark")["observed"].isna()
    if missing.any():
        assert set(two_factors.suggest_benchmarks(prediction, 1).candidates) == set(missing.index[missing])
    named = two_factors.suggest_benchmarks(prediction, 1, candidates=["bench-1"], targets="bench-3")
    assert (named.benchmarks, named.targets) == (["bench-1"], ("bench-3",))


def test_costs_count(two_factors: Posterior, forecast: Forecast, suggestion: BenchmarkSuggestion) -> None:
    names = two_factors.evals.benchmark_names
    dear = dict.fromkeys(names, 1.0) | {suggestion.benchmarks[0]: 5.0}
    paid = two_factors.suggest_benchmarks(forecast, 4, cost=dear)
    assert suggestion.benchmarks[0] not in paid.benchmarks
    assert paid.table["total_cost"].iloc[-1] <= 4
    with pytest.raises(ForecastError, match=r"1 have none: bench-3 \(nan\).*benchmark: number"):
        two_factors.suggest_benchmarks(forecast, 400, cost="items")


def test_it_says_and_draws_what_is_left(suggestion: BenchmarkSuggestion) -> None:
    assert "run 2 of 5 benchmarks" in repr(suggestion)
    assert f"  1  {suggestion.benchmarks[0]}" in repr(suggestion)
    ax = suggestion.plot()
    assert ax.get_title(loc="left") == "Which benchmarks to run on Family-B, 1e+23 FLOP"
    plt.close("all")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"budget": 0}, "buys no benchmark"),
        ({"candidates": ["bench-9"]}, "Did you mean 'bench-"),
        ({"targets": ["bench-9"]}, "Did you mean 'bench-"),
        ({"candidates": []}, "name candidates= and targets="),
    ],
)
def test_a_mistake_is_refused_with_a_remedy(
    two_factors: Posterior, forecast: Forecast, asked: dict, words: str
) -> None:
    with pytest.raises(ForecastError, match=words):
        two_factors.suggest_benchmarks(forecast, **{"budget": 1, **asked})


def test_one_model_is_needed(two_factors: Posterior) -> None:
    with pytest.raises(ForecastError, match="has 12 models"):
        two_factors.suggest_benchmarks(two_factors.predict(random_seed=SEED), 1)
