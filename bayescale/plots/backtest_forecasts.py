"""Plots of forecasts against observed scores in a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bayescale._intervals import KIND
from bayescale.errors import EvaluationError, suggest
from bayescale.plots.panels import panels
from bayescale.plots.style import COLOURS, INK, OTHERS, new_axes, plain, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.evaluation.backtest import Backtest, Task

COLUMNS = 5

# Above this number of forecasts in a panel, intervals are drawn thinner.
MANY = 40


def plot_backtest_forecasts(
    backtest: Backtest, method: str | None = None, reference: str | None = "pc_3", tasks: Sequence[str] | None = None
) -> Figure:
    """Draw `plot_backtest_task` for several tasks on a page.

    Parameters
    ----------
    backtest : Backtest
    method : str, optional
        The method to plot; default the first that is not a baseline.
    reference : str, optional
        Another method, whose point forecasts are shown as crosses where it made any.
    tasks : sequence of str, optional
        Default: all. Tasks with several benchmarks are plotted together, one panel per benchmark.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EvaluationError
        For an unknown method or task.

    Examples
    --------
    >>> from bayescale.evaluation.backtest import backtest
    >>> from bayescale.plots import plot_backtest_forecasts
    >>> result = backtest(["training_flops", "model_size"], tasks=["leaderboard_v2/gpqa"])
    >>> plot_backtest_forecasts(result).savefig("forecasts.png")
    """
    method, reference = _methods(backtest, method, reference)
    cells = _panels(backtest, method, tasks)
    return panels(
        list(cells),
        lambda title, ax: _draw(cells[title], title, ax, method, reference),
        (_ACROSS, _UP),
        size=(2.75, 2.75),
        columns=COLUMNS,
    )


def plot_backtest_task(
    backtest: Backtest, task: str, ax: Axes | None = None, method: str | None = None, reference: str | None = "pc_3"
) -> Axes:
    """Plot point forecasts of one task, with 50% and 90% intervals, over the observed scores.

    Parameters
    ----------
    backtest : Backtest
    task : str
    ax : matplotlib.axes.Axes, optional
    method : str, optional
        The method to plot; default the first that is not a baseline.
    reference : str, optional
        Another method, whose point forecasts are shown as crosses where it made any.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    EvaluationError
        For an unknown method or task.

    Examples
    --------
    >>> from bayescale.evaluation.backtest import backtest
    >>> from bayescale.plots import plot_backtest_task
    >>> result = backtest(["training_flops", "model_size"], tasks=["leaderboard_v2/gpqa"])
    >>> plot_backtest_task(result, "leaderboard_v2/gpqa").figure.savefig("gpqa.png")
    """
    method, reference = _methods(backtest, method, reference)
    _forecast_tasks(backtest, method, [task])
    ax = _draw(backtest.cells[backtest.cells["task"] == task], task, new_axes(ax, (5.2, 5.4)), method, reference)
    ax.set_xlabel(_ACROSS)
    ax.set_ylabel(_UP)
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1.06))
    return ax


_ACROSS, _UP = "observed score", "forecast"


def _methods(backtest: Backtest, method: str | None, reference: str | None) -> tuple[str, str | None]:
    """Return the method to plot, and the reference if it is among the others."""
    method = method or next((m for m in backtest.methods if m not in backtest.baselines), backtest.methods[0])
    if method not in backtest.methods:
        raise EvaluationError(suggest(method, backtest.methods, "method in this backtest"))
    return method, reference if reference in backtest.methods and reference != method else None


def _draw(chosen: pd.DataFrame, title: str, ax: Axes, method: str, reference: str | None) -> Axes:
    """Plot forecasts of one method with intervals, and of the reference as crosses."""
    from matplotlib.ticker import MaxNLocator

    plain(ax)
    cells, other = (chosen[chosen["method"] == name] for name in (method, reference))
    outcome = cells["score"]
    width = 1.0 if len(cells) <= MANY else 0.5
    for low, high, factor in (("q05", "q95", 1), ("q25", "q75", 3)):
        ax.vlines(outcome, cells[low], cells[high], color=COLOURS[0], linewidth=factor * width, alpha=0.75, zorder=3)
    ax.scatter(
        outcome, cells["mean"], s=20 * width, color="white", edgecolor=COLOURS[0], linewidth=1.2 * width, zorder=4,
        label=f"{method}, with 50% and 90% {KIND} intervals",
    )  # fmt: skip
    if len(other):
        point, observed = other["mean"], other["score"]
        ax.scatter(observed, point, s=16, color="#666666", marker="x", linewidth=1.1, zorder=5, label=reference)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--", zorder=1, label="forecast = observed")
    drawn = [outcome, cells["q05"], cells["q95"], other["mean"]]
    least, most = min(v.min() for v in drawn if len(v)), max(v.max() for v in drawn if len(v))
    margin = max(0.06 * (most - least), 0.01)
    # Equal axes, so that the diagonal marks equality.
    limits = max(least - margin, -0.02), min(most + margin, 1.02)
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        score_axis(axis)
    ax.tick_params(labelsize=8, color=OTHERS)
    ax.set_title(title, loc="left", fontsize=9.5, color=INK)
    return ax


def _panels(backtest: Backtest, method: str, tasks: Sequence[str] | None) -> dict[str, pd.DataFrame]:
    """Return cells of all methods by panel: a task, or a benchmark of a group whose tasks have several."""
    with_forecasts = _forecast_tasks(backtest, method, tasks)
    cells_of: dict[str, pd.DataFrame] = {}
    for group in dict.fromkeys(t.group for t in with_forecasts):
        members = [t for t in with_forecasts if t.group == group]
        here = backtest.cells[backtest.cells["task"].isin([t.name for t in members])]
        several = any(len(t.targets) > 1 for t in members)
        for benchmark in dict.fromkeys(b for t in members for b in t.targets):
            cells = here[here["benchmark"] == benchmark]
            if (cells["method"] == method).any():
                cells_of[f"{benchmark} ({group})" if several else benchmark] = cells
    return cells_of


def _forecast_tasks(backtest: Backtest, method: str, tasks: Sequence[str] | None) -> list[Task]:
    """Return the tasks with forecasts of a method."""
    names = set(backtest.cells["task"][backtest.cells["method"] == method])
    for name in tasks or ():
        if name not in names:
            raise EvaluationError(suggest(name, names, f"task in the forecasts of {method}"))
    if not names:
        raise EvaluationError(f"{method} made no forecasts.")
    return [t for t in backtest.tasks if t.name in names and (tasks is None or t.name in tasks)]
