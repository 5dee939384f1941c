"""Forecast against outcome: what one method said of hidden scores, one small panel a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bayescale.errors import BacktestError, suggest
from bayescale.intervals import KIND
from bayescale.plots.style import COLOURS, INK, OTHERS, plain, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.backtest import Backtest

COLUMNS = 5

# Of more forecasts than these in a panel, intervals are drawn thinner.
MANY = 40


def plot_backtest_forecasts(
    backtest: Backtest, method: str | None = None, reference: str | None = "pc_3", tasks: Sequence[str] | None = None
) -> Figure:
    """Draw point forecasts with their 50% and 90% intervals over the scores that came true.

    Parameters
    ----------
    backtest : Backtest
    method : str, optional
        Whose forecasts; default the first method that is no baseline.
    reference : str, optional
        Another method, whose point forecasts are shown in grey; left out where it made none.
    tasks : sequence of str, optional
        Default: all. Tasks that ask for several benchmarks are drawn together, one panel a benchmark.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    BacktestError
        For an unknown method or task.
    """
    import matplotlib.pyplot as plt

    method = method or next((m for m in backtest.methods if m not in backtest.baselines), backtest.methods[0])
    if method not in backtest.methods:
        raise BacktestError(suggest(method, backtest.methods, "method in this backtest"))
    reference = reference if reference in backtest.methods and reference != method else None
    panels = _panels(backtest, method, tasks)
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.7 * columns + 0.4, 2.75 * rows + 0.9), layout="constrained", squeeze=False
    )
    for ax, (title, chosen) in zip(axes.flat, panels.items(), strict=False):
        other = chosen[chosen["method"] == reference] if reference else chosen.iloc[:0]
        draw_forecasts(chosen[chosen["method"] == method], ax, other, method, reference or "")
        ax.set_title(title, loc="left", fontsize=9.5, color=INK)
    for ax in list(axes.flat)[len(panels) :]:
        ax.remove()
    entries = {
        label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    # Beside one another only where there is room.
    side = len(entries) if columns > 2 else 1
    figure.legend(entries.values(), entries.keys(), loc="outside upper left", ncols=side, frameon=False, fontsize=9)
    figure.supxlabel("score that came true", fontsize=10)
    figure.supylabel("forecast", fontsize=10)
    return figure


def draw_forecasts(
    cells: pd.DataFrame, ax: Axes, other: pd.DataFrame, label: str = "forecast", other_label: str = ""
) -> Axes:
    """Draw one panel.

    Parameters
    ----------
    cells, other : pandas.DataFrame
        Rows of `Backtest.cells`: those drawn with intervals, and those drawn as grey points.
    ax : matplotlib.axes.Axes
    label, other_label : str
        What they are called in the legend.
    """
    from matplotlib.ticker import MaxNLocator

    plain(ax)
    outcome = cells["score"]
    width = 1.0 if len(cells) <= MANY else 0.5
    for low, high, factor in (("q05", "q95", 1), ("q25", "q75", 3)):
        ax.vlines(outcome, cells[low], cells[high], color=COLOURS[0], linewidth=factor * width, alpha=0.75, zorder=3)
    ax.scatter(
        outcome, cells["mean"], s=20 * width, color="white", edgecolor=COLOURS[0], linewidth=1.2 * width, zorder=4,
        label=f"{label}, with 50% and 90% {KIND} intervals",
    )  # fmt: skip
    if len(other):
        point, came = other["mean"], other["score"]
        ax.scatter(came, point, s=16, color="#666666", marker="x", linewidth=1.1, zorder=5, label=other_label)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--", zorder=1, label="forecast = outcome")
    drawn = [outcome, cells["q05"], cells["q95"], other["mean"]]
    least, most = min(v.min() for v in drawn if len(v)), max(v.max() for v in drawn if len(v))
    margin = max(0.06 * (most - least), 0.01)
    # Both axes alike, so that the diagonal is one.
    limits = max(least - margin, -0.02), min(most + margin, 1.02)
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        score_axis(axis)
    ax.tick_params(labelsize=8, color=OTHERS)
    return ax


def _panels(backtest: Backtest, method: str, tasks: Sequence[str] | None) -> dict[str, pd.DataFrame]:
    """Cells of all methods by title of the panel: a task, or a benchmark of a group whose tasks ask for several."""
    mine = set(backtest.cells["task"][backtest.cells["method"] == method])
    served = [t for t in backtest.tasks if t.name in mine and (tasks is None or t.name in tasks)]
    for name in tasks or ():
        if name not in mine:
            raise BacktestError(suggest(name, mine, f"task with forecasts of {method}"))
    if not served:
        raise BacktestError(f"{method} made no forecasts.")
    panels: dict[str, pd.DataFrame] = {}
    for group in dict.fromkeys(t.group for t in served):
        members = [t for t in served if t.group == group]
        here = backtest.cells[backtest.cells["task"].isin([t.name for t in members])]
        several = any(len(t.targets) > 1 for t in members)
        for benchmark in dict.fromkeys(b for t in members for b in t.targets):
            cells = here[here["benchmark"] == benchmark]
            if (cells["method"] == method).any():
                panels[f"{benchmark} ({group})" if several else benchmark] = cells
    return panels
