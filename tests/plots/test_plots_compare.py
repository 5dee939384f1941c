"""Pictures of comparisons: what they show, read from the axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayescale.errors import EvaluationError
from bayescale.evaluation.compare import Comparison
from bayescale.plots import plot_elpd, plot_forecasts_by_spec


@pytest.fixture(autouse=True)
def closed() -> Any:
    yield
    plt.close("all")


def test_the_best_spec_lies_at_zero_and_the_others_below(comparison: Comparison) -> None:
    ax = plot_elpd(comparison)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    points = {line.get_ydata()[0]: line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1}
    assert points[1] == 0
    assert points[0] == pytest.approx(comparison.elpd().loc["a", "difference"])
    assert "models never evaluated" in ax.get_xlabel()


def test_what_may_be_off_is_hollow(comparison: Comparison) -> None:
    torn = replace(comparison.assessments["a"], folds=comparison.assessments["a"].folds.assign(rhat=2.0))
    ax = plot_elpd(Comparison(dict(comparison.assessments) | {"a": torn}))
    faces = {line.get_ydata()[0]: line.get_markerfacecolor() for line in ax.lines if len(line.get_xdata()) == 1}
    assert faces[0] == "white"
    assert faces[1] != "white"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["did not converge"]


def test_intervals_stand_side_by_side(comparison: Comparison) -> None:
    ax = plot_forecasts_by_spec(comparison, benchmarks=["bench-2", "bench-1"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["bench-2", "bench-1"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    table = comparison.forecast_table().set_index(["spec", "benchmark"])["median"]
    medians = {line.get_label(): line.get_xdata() for line in ax.lines if line.get_label() in ("a", "b")}
    for spec in ("a", "b"):
        np.testing.assert_allclose(medians[spec], table[spec][["bench-2", "bench-1"]])
    assert "90% equal-tailed" in ax.get_xlabel()


def test_axes_of_the_caller_are_drawn_on(comparison: Comparison) -> None:
    ax = plt.subplots()[1]
    assert comparison.plot(ax=ax) is ax
    assert comparison.plot_forecasts(ax=ax) is ax


def test_one_model_at_a_time(comparison: Comparison) -> None:
    several = Comparison(comparison.assessments, {"family": ["Family-A", "Family-B"], "flops": 1e25})
    with pytest.raises(EvaluationError, match="the forecast has 2"):
        plot_forecasts_by_spec(several)
    with pytest.raises(EvaluationError, match="bench-9"):
        plot_forecasts_by_spec(comparison, benchmarks=["bench-9"])
