"""How far relative errors rest on the models in the test: the Bayesian bootstrap over models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescale.evaluation.backtest.metrics import geometric_mean, relative_mse, relative_mse_intervals


def scored(errors: dict[str, dict[str, list[float]]], models: str = "abcdefgh") -> pd.DataFrame:
    """Scored cells of methods with these errors, by task; NaN is left out."""
    frames = [
        pd.DataFrame({"method": method, "task": task, "model": list(models[: len(each)]), "mean": 0.5 + np.array(each)})
        for method, tasks in errors.items()
        for task, each in tasks.items()
    ]
    return pd.concat(frames, ignore_index=True).assign(benchmark="x", score=0.5).dropna()


def test_by_hand() -> None:
    cells = scored({"pc_3": {"one": [0.1, 0.1]}, "mine": {"one": [0.1, 0.3]}})
    # The share of the second model's weight is uniform, and the ratio 1 + 8 times that.
    lower, upper = relative_mse_intervals(cells, ["one"]).loc["mine"]
    assert [lower, upper] == pytest.approx([1 + 8 * 0.05, 1 + 8 * 0.95], abs=5 * 8 * np.sqrt(0.05 * 0.95 / 4000))
    half = relative_mse_intervals(cells, ["one"], prob=0.5).loc["mine"]
    assert half.tolist() == pytest.approx([3.0, 7.0], abs=5 * 8 * np.sqrt(0.25 * 0.75 / 4000))


def test_a_model_has_one_weight_in_all_tasks() -> None:
    once = scored({"pc_3": {"one": [0.1, 0.1]}, "mine": {"one": [0.1, 0.3]}})
    both = pd.concat([once, once.assign(task="two")])
    alone, together = (relative_mse_intervals(cells, ["one", "two"]).loc["mine"] for cells in (once, both))
    assert together.tolist() == pytest.approx(alone.tolist())
    # Of other models, the second task is another witness.
    other = pd.concat([once, once.assign(task="two", model=once["model"].str.upper())])
    narrower = relative_mse_intervals(other, ["one", "two"]).loc["mine"]
    assert narrower["upper"] / narrower["lower"] < alone["upper"] / alone["lower"]


def test_only_what_both_forecast_counts() -> None:
    nan = float("nan")
    cells = scored({"pc_3": {"one": [0.1, 0.1, 0.9]}, "mine": {"one": [0.2, 0.2, nan]}, "lost": {"two": [0.1]}})
    actual = relative_mse_intervals(cells, ["one", "two"])
    assert actual.loc["mine"].tolist() == pytest.approx([4.0, 4.0])
    assert actual.loc["pc_3"].tolist() == [1.0, 1.0]
    assert "lost" not in actual.index


@settings(max_examples=12, deadline=None)
@given(errors=st.lists(st.lists(st.floats(0.01, 0.5), min_size=6, max_size=6), min_size=2, max_size=2))
def test_invariants(errors: list[list[float]]) -> None:
    cells = scored({"pc_3": {"one": errors[0]}, "mine": {"one": errors[1]}})
    lower, upper = relative_mse_intervals(cells, ["one"], prob=0.99).loc["mine"]
    ratios = np.square(errors[1]) / np.square(errors[0])
    # Between the least and the greatest ratio that any weights could give, and around the ratio of equal weights.
    assert ratios.min() * (1 - 1e-9) <= lower <= upper <= ratios.max() * (1 + 1e-9)
    ratio = geometric_mean(relative_mse(cells), ["one"]).loc["mine", "to_reference"]
    assert lower * (1 - 1e-9) <= ratio <= upper * (1 + 1e-9)
    swapped = relative_mse_intervals(cells, ["one"], reference="mine", prob=0.99).loc["pc_3"]
    assert swapped.tolist() == pytest.approx([1 / upper, 1 / lower])
