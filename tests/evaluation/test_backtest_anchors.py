"""The paper's laws as baselines give the errors that the paper's own code gives on the paper's own data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale.evals import load_evals
from bayescale.evaluation.backtest import load_tasks, make_folds
from bayescale.evaluation.backtest.baselines import BASELINES

ANCHORS = Path(__file__).parents[1] / "fixtures" / "anchors"


@pytest.fixture(scope="module")
def anchors() -> pd.DataFrame:
    return pd.read_csv(ANCHORS / "observational_law_errors.csv").set_index(["task", "predictor"])


@pytest.fixture(scope="module")
def forecasts(anchors: pd.DataFrame) -> pd.DataFrame:
    """Every forecast of the anchors' predictors, one row a hidden score."""
    tasks = load_tasks(sorted(set(anchors.index.get_level_values("task"))))
    rows = []
    for fold in make_folds(tasks):
        for name in sorted(set(anchors.index.get_level_values("predictor"))):
            actual = replace(BASELINES[name], draws=1).predict(fold, random_seed=0)
            rows.append(actual.cells.assign(predictor=name, mean=actual.mean))
    return pd.concat(rows)


@pytest.fixture(scope="module")
def spans() -> dict[str, float]:
    """What the anchors divide scores by: the way from chance to 1, for tasks whose floor is chance."""
    floors = load_evals("base-llms-all").benchmarks.set_index("benchmark")["floor"]
    chance_level = {
        t.name: floors[t.targets[0]] if t.chance_level is None else t.chance_level
        for t in load_tasks(["leaderboard_v2"])
    }
    return {name: 1 - c for name, c in chance_level.items()}


def test_errors_are_those_of_the_anchors(
    anchors: pd.DataFrame, forecasts: pd.DataFrame, spans: dict[str, float]
) -> None:
    span = forecasts["task"].map(lambda name: spans.get(name, 1.0)).to_numpy(float)
    errors = forecasts.assign(squared=((forecasts["mean"] - forecasts["score"]) / span) ** 2)
    actual = errors.groupby(["task", "predictor"])["squared"].agg(["mean", "size"]).reindex(anchors.index)
    assert (actual["size"] == anchors["n_test"]).all()
    ratio = actual["mean"] / anchors["mse_test"]
    assert (np.abs(ratio - 1) < 0.05).mean() >= 0.9
    # The published fits stop before their minimum; what differs, differs by that, and all rows are near.
    assert ratio.between(0.7, 1.3).all(), ratio[~ratio.between(0.7, 1.3)]


def test_forecasts_are_those_of_the_anchors(forecasts: pd.DataFrame, spans: dict[str, float]) -> None:
    table = pd.read_csv(ANCHORS / "observational_law_predictions.csv.gz").query("role == 'test'")
    both = forecasts.merge(table, on=["task", "predictor", "model"], suffixes=("", "_anchor"))
    assert len(both) == len(table)
    span = both["task"].map(lambda name: spans.get(name, 1.0)).to_numpy(float)
    difference = np.abs(1 - (1 - both["mean"]) / span - both["predicted"])
    assert (difference < 0.01).mean() > 0.9
    assert difference.max() < 0.1
