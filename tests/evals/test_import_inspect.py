"""Logs of Inspect, as that tool wrote them (`fixtures/make_inspect.py`), become tables.

The logs themselves are read where inspect_ai is installed. What is made of its data frame is tested everywhere, on the
frame that it returned for these logs.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from bayescale.errors import MissingDependencyError
from bayescale.evals.importers import Imported, import_evals, inspect_logs
from bayescale.evals.importers.assemble import assemble_tables
from bayescale.evals.importers.base import Names, load_mapping

FIXTURES = Path(__file__).parents[1] / "fixtures"
LOGS = FIXTURES / "inspect"

installed = importlib.util.find_spec("inspect_ai") is not None
with_inspect = pytest.mark.skipif(
    not installed, reason="inspect_ai is not installed (pip install 'bayescale[inspect]')"
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """What `inspect_ai.analysis.evals_df` made of the logs."""
    return pd.DataFrame(json.loads((FIXTURES / "inspect_evals_df.json").read_text()))


def tables(frame: pd.DataFrame, mapping: dict | None = None) -> Imported:
    names = Names("inspect", load_mapping(mapping))
    return assemble_tables(inspect_logs.read_frame(frame, LOGS), names, {})


def check(imported: Imported) -> None:
    scores = imported.scores.set_index(["model", "benchmark"])["score"]
    assert scores.to_dict() == {
        ("mockllm/tiny-1b", "tiny_sums"): pytest.approx(0.4),
        ("mockllm/tiny-7b", "tiny_sums"): pytest.approx(0.8),
        ("mockllm/tiny-1b", "ARC-C"): pytest.approx(0.25),
        ("mockllm/tiny-7b", "ARC-C"): pytest.approx(0.75),
        ("mockllm/tiny-1b", "tiny_two"): pytest.approx(1.0),
    }
    # Ten and eight samples, by the standard errors of Inspect; the perfect score has none, but a count.
    assert imported.benchmarks.set_index("benchmark")["items"].to_dict() == {"tiny_sums": 10, "ARC-C": 8, "tiny_two": 8}
    assert imported.benchmarks.set_index("benchmark").loc["ARC-C", "floor"] == 0.25
    told = imported.skipped.set_index("what")["reason"]
    assert "its status is 'error'" in told["tiny_broken"]
    assert "outside [0, 1]" in told["tiny_grades mean,grade"]
    assert "another metric is taken, accuracy,match" in told["tiny_two accuracy,without_error"]
    assert len(told) == 3
    assert set(imported.to_fill["model"]) == {"mockllm/tiny-1b", "mockllm/tiny-7b"}


def test_the_frame_of_inspect_becomes_tables(frame: pd.DataFrame) -> None:
    imported = tables(frame)
    check(imported)
    row = imported.scores.set_index(["model", "benchmark"]).loc[("mockllm/tiny-1b", "tiny_sums")]
    assert row["version"] == "2"
    assert row["source"].startswith("inspect:2026-")
    assert row["stderr"] == pytest.approx((0.4 * 0.6 / 9) ** 0.5)


def test_a_mapping_chooses_another_scorer(frame: pd.DataFrame) -> None:
    mapped = tables(frame, {"benchmarks": {"tiny_two/accuracy,without_error": "Contains"}})
    assert "Contains" in set(mapped.benchmarks["benchmark"])
    assert "tiny_two" not in set(mapped.benchmarks["benchmark"])


def test_the_later_of_two_runs_counts(frame: pd.DataFrame) -> None:
    run = frame.query("task_name == 'tiny_sums' and model == 'mockllm/tiny-1b'")
    earlier = run.assign(created="2025-01-01T00:00:00Z", score_headline_value=0.1, score_match_accuracy=0.1)
    for order in ([earlier, frame], [frame, earlier]):
        scores = tables(pd.concat(order, ignore_index=True)).scores.set_index(["model", "benchmark"])["score"]
        assert scores["mockllm/tiny-1b", "tiny_sums"] == pytest.approx(0.4)


@with_inspect
def test_logs_are_read_by_inspect_itself() -> None:
    check(import_evals("inspect", LOGS))


@with_inspect
def test_a_damaged_log_does_not_stop_the_others(tmp_path: Path) -> None:
    folder = shutil.copytree(LOGS, tmp_path / "logs")
    (log,) = folder.glob("*tiny-two*.eval")
    log.write_bytes(b"no log")
    imported = import_evals("inspect", folder)
    assert "tiny_two" not in set(imported.benchmarks["benchmark"])
    assert "Inspect cannot read it" in imported.skipped.set_index("source").loc[log.name, "reason"]


@with_inspect
def test_one_log_alone() -> None:
    (log,) = LOGS.glob("*tiny-two*.eval")
    assert import_evals("inspect", log).scores["source"].tolist() == [f"inspect:{log.name}"]


@pytest.mark.skipif(installed, reason="inspect_ai is installed")
def test_without_inspect_the_error_says_how_to_install_it() -> None:
    with pytest.raises(MissingDependencyError, match=r"bayescale\[inspect\]"):
        import_evals("inspect", LOGS)
