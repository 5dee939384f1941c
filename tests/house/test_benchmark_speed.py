"""The benchmark of speed: its tables say what the pieces hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.speed.sizes import DENSITY, problem, simulate
from benchmarks.speed.table import markdown, tables


def test_simulated_tables_have_the_size_of_their_name() -> None:
    spec, evals = problem("125x25")
    assert (len(evals.model_names), len(evals.benchmark_names), spec.factors) == (125, 25, 4)
    assert evals.n_scores / (125 * 25) == pytest.approx(DENSITY, abs=0.03)
    assert evals.scores.equals(simulate(125, 25).scores)


def piece(folder: Path, kind: str, size: str, route: str, **values: Any) -> None:
    content = {"kind": kind, "size": size, "route": route} | values
    (folder / f"{kind}--{size}--{route}.json").write_text(json.dumps(content))


def sampled(folder: Path, route: str, seconds: float, mean: list[float], draws: int = 4000) -> None:
    figures = {"steps_a_draw": 31.0, "rhat": 1.01, "bulk_ess": 400.0, "tail_ess": 300.0, "peak_gib": 1.0}
    figures |= {"draws": draws, "sample_cpu_s": 60.0, "compile_cpu_s": 20.0, "warm_up": 0.2}
    piece(folder, "sample", "base-llms", route, compile_s=20.0, sample_s=seconds, **figures)
    np.savez(folder / f"sample--base-llms--{route}.npz", mean=np.array(mean), mcse=np.array([0.03, 0.03]))


def test_tables_hold_ratios_of_one_run(tmp_path: Path) -> None:
    sampled(tmp_path, "nutpie", 10, [0.5, 0.6])
    sampled(tmp_path, "pymc", 100, [0.5, 0.6 + 4 * np.hypot(0.03, 0.03)])
    piece(tmp_path, "warm", "base-llms", "nutpie", compile_s=5.0)
    figures = {"models": 10, "benchmarks": 5, "cells": 40, "parameters": 99, "compile_s": 9.0, "peak_gib": 1.0}
    piece(tmp_path, "gradient", "base-llms", "nutpie", package_us=30.0, **figures)
    actual = tables(tmp_path)
    routes = actual["routes"].set_index("route")
    assert routes.loc["nutpie", "ess_a_second"] == 30  # the lesser of bulk and tail
    assert routes.loc["nutpie", "seconds_to_400"] == pytest.approx(20 + 2 + 8 * 400 / 300)
    assert routes.loc["nutpie", "ess_a_cpu_second"] == 5
    assert routes.loc["nutpie", "warm_compile_s"] == 5
    assert routes.loc["pymc", "ess_a_second_ratio"] == pytest.approx(10)
    assert routes.loc["pymc", "ess_a_second_in_all_ratio"] == pytest.approx(120 / 30)
    longer = (20 + 20 + 80 * 400 / 300) / (20 + 2 + 8 * 400 / 300)
    assert routes.loc["pymc", "seconds_to_400_ratio"] == pytest.approx(longer)
    assert routes.loc["pymc", ["off", "beyond_3"]].tolist() == pytest.approx([4, 0.5])
    targets = actual["targets"].set_index("what")["measured"]
    of_fit, to_400 = "effective draws a second of a default fit", "time to 400 effective draws"
    without, from_disk, pymc = "compiled without caches", "compiled from disk", "times PyMC's own NUTS"
    assert targets[f"{of_fit}, {without}: {pymc}"] == pytest.approx(120 / 30)
    assert targets[f"{to_400}, {without}: {pymc}"] == pytest.approx(longer)
    # The package's program is on disk, the other is compiled again.
    longer = (20 + 20 + 80 * 400 / 300) / (5 + 2 + 8 * 400 / 300)
    assert targets[f"{of_fit}, {from_disk}: {pymc}"] == pytest.approx(120 / 15)
    assert targets[f"{to_400}, {from_disk}: {pymc}"] == pytest.approx(longer)
    assert np.isnan(targets["default fit, new process, no caches, s"])
    assert actual["cost of a gradient"].loc[0, "ns_a_cell"] == pytest.approx(750)
    assert "| base-llms | pymc |" in markdown(actual)


def test_rates_with_compiling_are_compared_for_as_many_draws_only(tmp_path: Path) -> None:
    sampled(tmp_path, "nutpie", 10, [0.5, 0.6])
    sampled(tmp_path, "pymc", 100, [0.5, 0.6], draws=2000)
    routes = tables(tmp_path)["routes"].set_index("route")
    assert np.isnan(routes.loc["pymc", "ess_a_second_in_all_ratio"])
    assert routes.loc["pymc", "seconds_to_400_ratio"] > 1


def test_without_pieces_nothing_is_claimed(tmp_path: Path) -> None:
    actual = tables(tmp_path)
    assert actual["targets"]["measured"].isna().all()
    assert actual["routes"].empty
