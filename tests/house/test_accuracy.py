"""The figures of the README: those of the tables that the benchmark and the demo wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import bayescale as bs
from bayescale.cli.demo import HIDDEN
from bayescale.evaluation.backtest import backtest
from benchmarks.accuracy import FORECAST, METHODS, PAGES, SUMMARY, put, summarise, tables

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
MARKED = r"<!-- accuracy: \w+ -->\n.*?\n<!-- end -->"


def test_the_figures_of_the_pages_are_those_of_the_files() -> None:
    made = tables(pd.read_csv(SUMMARY), pd.read_csv(FORECAST))
    for page in PAGES:
        text = page.read_text("utf-8")
        assert put(text, made) == text, "run python benchmarks/accuracy.py"
        assert "<!-- accuracy: hidden -->" in text
    assert set(re.findall(r"<!-- accuracy: (\w+) -->", README)) == set(made)


def test_no_other_figure_of_accuracy_is_in_the_readme() -> None:
    section = README.split("## How good are the forecasts?")[1].split("\n## ")[0]
    prose = re.sub(MARKED, "", section, flags=re.DOTALL)
    assert set(re.findall(r"\d+(?:\.\d+)?%|\d\.\d+", prose)) <= {"50%", "90%"}


def test_the_hidden_model_of_the_demo_has_the_scores_of_the_data() -> None:
    table = pd.read_csv(FORECAST).dropna(subset="observed")
    scores = bs.load_evals("base-llms").matrix().sel(model=HIDDEN).to_series().dropna()
    assert table.set_index("benchmark")["observed"].to_dict() == pytest.approx(scores.to_dict())


def test_the_tables_in_the_readme_are_as_large_as_it_says() -> None:
    base, frontier = bs.load_evals("base-llms"), bs.load_evals("frontier")
    assert f"{len(base.model_names)} public models, {len(base.benchmark_names)} benchmarks" in README
    assert f"has {len(frontier.model_names)} models" in README
    assert f"on {len(frontier.benchmark_names)} benchmarks" in " ".join(README.split())


@pytest.mark.heavy
def test_a_backtest_is_summed_up_as_it_sums_itself_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "pc_1", "one component")
    result = backtest(["pc_1", "pc_3"], tasks=["leaderboard_v2"], random_seed=0)
    result.scores.to_csv(tmp_path / "scores.csv", index=False)
    result.predictions.to_csv(tmp_path / "predictions.csv", index=False)
    summary = summarise(tmp_path)
    for pool in ("all", "leaderboard_v2"):
        expected = result.summary(pool)
        actual = summary[summary["pool"] == pool].set_index("method").loc[expected.index]
        for column in ("relative_mse", "lower", "upper", "mae", "crps", "coverage_90"):
            assert actual[column].tolist() == pytest.approx(expected[column].tolist()), column
        assert actual["scores"].tolist() == expected["n_test"].tolist()
        assert actual["mae_common"].tolist() == pytest.approx(expected["mae"].tolist())
