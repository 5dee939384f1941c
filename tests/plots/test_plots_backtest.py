"""Pictures of a backtest: what is drawn is what the figures say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from backtest_fakes import Guess, Partial, make_tasks
from matplotlib.collections import LineCollection, PathCollection
from scipy.stats import binom

from bayescale.errors import EvaluationError
from bayescale.evals import Evals
from bayescale.evaluation.backtest import Backtest, backtest
from bayescale.plots import plot_backtest_calibration, plot_backtest_errors, plot_backtest_forecasts
from bayescale.plots.calibration import coverage


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def dots(ax: plt.Axes, label: str) -> np.ndarray:
    (drawn,) = (c for c in ax.collections if isinstance(c, PathCollection) and str(c.get_label()).startswith(label))
    return np.asarray(drawn.get_offsets())


def test_forecasts_have_a_panel_a_task_and_a_benchmark_where_tasks_ask_for_several(result: Backtest) -> None:
    figure = plot_backtest_forecasts(result)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    several = [f"bench-{i} (out)" for i in range(1, 6)]
    assert titles == ["bench-2", "bench-4", "bench-5", *several]
    some = plot_backtest_forecasts(result, tasks=["huge/five"])
    assert [ax.get_title(loc="left") for ax in some.axes] == ["bench-5"]


def test_forecasts_are_drawn_over_outcomes_with_their_intervals(result: Backtest) -> None:
    ax = plot_backtest_forecasts(result, "mine").axes[0]
    cells = result.cells.query("method == 'mine' and task == 'large/two'")
    np.testing.assert_allclose(dots(ax, "mine"), cells[["score", "mean"]])
    wide, core = (c for c in ax.collections if isinstance(c, LineCollection))
    for lines, ends in ((wide, ["q05", "q95"]), (core, ["q25", "q75"])):
        drawn = np.array([segment[:, 1] for segment in lines.get_segments()])
        np.testing.assert_allclose(drawn, cells[ends])
    paper = result.cells.query("method == 'pc_3' and task == 'large/two'")
    np.testing.assert_allclose(dots(ax, "pc_3"), paper[["score", "mean"]])
    assert ax.get_xlim() == ax.get_ylim()


def test_forecasts_may_be_those_of_a_baseline_without_another(result: Backtest) -> None:
    figure = plot_backtest_forecasts(result, "last_sibling", reference=None)
    assert len(figure.axes) == 3
    (legend,) = figure.legends
    assert [t.get_text().split(",")[0] for t in legend.get_texts()] == ["last_sibling", "forecast = observed"]


def test_calibration_is_the_share_of_outcomes_inside(result: Backtest) -> None:
    ax = plot_backtest_calibration(result)
    cells = result.cells[result.cells["task"].isin(result.averaged)]
    lines = {str(line.get_label()).split("  ")[-1]: line for line in ax.lines if "%" in str(line.get_label())}
    assert set(lines) == {"mine", "pc_3", "last_sibling"}
    for method, line in lines.items():
        pit = cells["pit"][cells["method"] == method].to_numpy()
        np.testing.assert_array_equal(line.get_ydata(), coverage(pit))
    widths = {method: line.get_linewidth() for method, line in lines.items()}
    assert widths["mine"] > widths["pc_3"] == widths["last_sibling"]
    assert "12 outcomes" in ax.get_xlabel()


def test_coverage_of_known_transforms() -> None:
    curve = coverage(np.array([0.5, 0.3, 0.95, 0.01]))
    assert curve[[0, 39, 41, 89, 91, 97, 99]].tolist() == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0]
    uniform = coverage((np.arange(10_000) + 0.5) / 10_000)
    np.testing.assert_allclose(uniform, np.linspace(0, 1, 101), atol=1e-3)


def test_the_band_holds_a_calibrated_method_and_not_a_narrow_one(result: Backtest) -> None:
    ax = plot_backtest_calibration(result, tasks=["out/Family-A"], methods=["mine"])
    (band,) = (c for c in ax.collections if not isinstance(c, PathCollection | LineCollection))
    middle = np.asarray(band.get_paths()[0].vertices)
    at_half = middle[np.isclose(middle[:, 0], 0.5), 1]
    scores = result.cells
    count = len(scores[(scores["task"] == "out/Family-A") & (scores["method"] == "mine")])
    low, high = binom.interval(0.9, count, 0.5)
    assert at_half.min() == pytest.approx(low / count)
    assert at_half.max() == pytest.approx(high / count)


def test_errors_are_those_of_the_table(result: Backtest) -> None:
    ax = plot_backtest_errors(result)
    ratios = result.relative_mse().dropna()
    assert ax.get_xscale() == "log"
    means, intervals = (c for c in ax.collections if isinstance(c, LineCollection))
    drawn = sorted(segment[0, 0] for segment in means.get_segments())
    np.testing.assert_allclose(drawn, sorted(result.summary()["relative_mse"]))
    ends = np.array([segment[:, 0] for segment in intervals.get_segments()])
    np.testing.assert_allclose(np.sort(ends, axis=0), np.sort(result.relative_mse_intervals(), axis=0))
    for group in ("large", "huge", "out"):
        here = ratios["task"].str.startswith(group)
        np.testing.assert_allclose(np.sort(dots(ax, group)[:, 0]), np.sort(ratios["to_reference"][here]))
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == ["large", "huge", "out (not averaged)", "geometric mean", "90% equal-tailed interval, over models"]
    assert {"mine", "pc_3", "last_sibling"} <= {t.get_text() for t in ax.texts}


def test_axes_in_are_axes_out(result: Backtest) -> None:
    for draw in (plot_backtest_calibration, plot_backtest_errors):
        _, ax = plt.subplots()
        assert draw(result, ax=ax) is ax


def test_what_is_unknown_is_answered_with_the_nearest(result: Backtest) -> None:
    with pytest.raises(EvaluationError, match="Did you mean 'mine'"):
        plot_backtest_forecasts(result, "mined")
    with pytest.raises(EvaluationError, match="Did you mean 'large/two'"):
        plot_backtest_forecasts(result, tasks=["large/tw"])
    with pytest.raises(EvaluationError, match="Did you mean 'pc_3'"):
        plot_backtest_errors(result, reference="pc_4")
    with pytest.raises(EvaluationError, match="Did you mean 'mine'"):
        plot_backtest_calibration(result, methods=["mined"])
    with pytest.raises(EvaluationError, match="Did you mean 'large/two'"):
        plot_backtest_calibration(result, tasks=["large/tw"])


def test_a_reference_that_served_nothing_is_said(evals: Evals, tmp_path: Path) -> None:
    tasks = [t for t in make_tasks(evals, tmp_path) if t.group == "out"]
    result = backtest([Guess("mine"), Partial("pc_3")], tasks)
    with pytest.raises(EvaluationError, match="pc_3 forecast none of these tasks"):
        plot_backtest_errors(result)
