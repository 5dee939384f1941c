"""Plots of a backtest: forecasts against observed scores, and test errors relative to a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND, PROB, named
from bayescale.errors import EvaluationError, require_names
from bayescale.plots.panels import panels
from bayescale.plots.style import (
    COLOURS,
    INK,
    MARKERS,
    OTHERS,
    label_below,
    legend_above,
    new_axes,
    score_axis,
    title,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.evaluation.backtest import Backtest, Task

COLUMNS = 5
# Above this number of forecasts in a panel, intervals are drawn thinner.
MANY = 40
# Largest vertical offset of a group of tasks within a row of errors.
SPREAD = 0.28
_LABELS = ("observed score", "forecast")


def plot_backtest_forecasts(
    backtest: Backtest, method: str | None = None, reference: str | None = "pc_3", tasks: Sequence[str] | None = None
) -> Figure:
    """Draw `plot_backtest_task` for several tasks on a page.

    Parameters
    ----------
    backtest : Backtest
    method, reference : str, optional
        As in `plot_backtest_task`.
    tasks : sequence of str, optional
        Default: all. Tasks with several benchmarks are plotted together, one panel per benchmark.

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

    def draw(name: str, ax: Axes) -> Axes:
        return _draw_forecasts(cells[name], name, ax, method, reference)

    return panels(list(cells), draw, _LABELS, size=(2.75, 2.75), columns=COLUMNS)


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
    cells = backtest.cells[backtest.cells["task"] == task]
    ax = _draw_forecasts(cells, task, new_axes(ax, (5.2, 5.4)), method, reference)
    ax.set(xlabel=_LABELS[0], ylabel=_LABELS[1])
    legend_above(ax, task)
    return ax


def _methods(backtest: Backtest, method: str | None, reference: str | None) -> tuple[str, str | None]:
    """Return the method to plot, and the reference if it is among the others."""
    method = method or next((m for m in backtest.methods if m not in backtest.baselines), backtest.methods[0])
    require_names([method], backtest.methods, "method in this backtest", EvaluationError)
    return method, reference if reference in backtest.methods and reference != method else None


def _draw_forecasts(chosen: pd.DataFrame, name: str, ax: Axes, method: str, reference: str | None) -> Axes:
    """Plot forecasts of one method with intervals, and of the reference as crosses."""
    from matplotlib.ticker import MaxNLocator

    cells, other = (chosen[chosen["method"] == m] for m in (method, reference))
    observed = cells["score"]
    width = 1.0 if len(cells) <= MANY else 0.5
    for low, high, factor in (("q05", "q95", 1), ("q25", "q75", 3)):
        ax.vlines(observed, cells[low], cells[high], color=COLOURS[0], linewidth=factor * width, alpha=0.75, zorder=3)
    ax.scatter(
        observed, cells["mean"], s=20 * width, color="white", edgecolor=COLOURS[0], linewidth=1.2 * width, zorder=4,
        label=f"{method}, with 50% and 90% {KIND} intervals",
    )  # fmt: skip
    if len(other):
        point, score = other["mean"], other["score"]
        ax.scatter(score, point, s=16, color="#666666", marker="x", linewidth=1.1, zorder=5, label=reference)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--", zorder=1, label="forecast = observed")
    drawn = np.concatenate([observed, cells["q05"], cells["q95"], other["mean"]])
    margin = max(0.06 * np.ptp(drawn), 0.01)
    # Equal axes, so that the diagonal marks equality.
    limits = max(drawn.min() - margin, -0.02), min(drawn.max() + margin, 1.02)
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        score_axis(axis)
    ax.tick_params(labelsize=8, color=OTHERS)
    title(ax, name)
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
    require_names(tasks or (), names, f"task in the forecasts of {method}", EvaluationError)
    if not names:
        raise EvaluationError(f"{method} made no forecasts.")
    return [t for t in backtest.tasks if t.name in names and (tasks is None or t.name in tasks)]


def plot_backtest_errors(
    backtest: Backtest, ax: Axes | None = None, reference: str = "pc_3", *, prob: float = PROB
) -> Axes:
    """Plot each method's test MSE relative to `reference`, and its geometric mean over tasks with an interval.

    Parameters
    ----------
    backtest : Backtest
    ax : matplotlib.axes.Axes, optional
    reference : str
        The method whose error is 1.
    prob : float
        Probability content of the interval.

    Raises
    ------
    EvaluationError
        When `reference` is none of the methods, or forecast no task.

    Examples
    --------
    >>> from bayescale.evaluation.backtest import backtest
    >>> from bayescale.plots import plot_backtest_errors
    >>> result = backtest(["training_flops", "pc_3"], tasks=["leaderboard_v2/gpqa"])
    >>> plot_backtest_errors(result).figure.savefig("errors.png")
    """
    from bayescale.evaluation.backtest.metrics import geometric_mean

    ratios = backtest.relative_mse(reference).dropna(subset="to_reference")
    if ratios.empty:
        raise EvaluationError(f"{reference} forecast none of these tasks: choose another reference.")
    averaged = [name for name in backtest.averaged if name in set(ratios["task"])]
    means = geometric_mean(ratios, averaged or list(ratios["task"].unique()))["to_reference"]
    interval = backtest.relative_mse_intervals(reference, prob=prob).reindex(means.index)
    middle = ratios.groupby("method")["to_reference"].median()
    order = sorted(ratios["method"].unique(), key=lambda m: means.get(m, middle[m]))
    groups = {g: names for g, names in backtest.groups.items() if ratios["task"].isin(names).any()}

    ax = new_axes(ax, (7.8, 1.3 + 0.42 * len(order)))
    ax.grid(False, axis="y")
    ax.axvline(1, color=INK, linewidth=0.9, linestyle="--", zorder=1)
    heights = np.linspace(-SPREAD, SPREAD, len(groups)) if len(groups) > 1 else np.zeros(1)
    for i, (group, names) in enumerate(groups.items()):
        here = ratios[ratios["task"].isin(names)]
        filled = not averaged or names[0] in averaged
        colour = COLOURS[i % len(COLOURS)]
        ax.scatter(
            here["to_reference"], here["method"].map(order.index) + heights[i], s=17, marker=MARKERS[i % len(MARKERS)],
            facecolor=colour if filled else "none", edgecolor=colour, linewidth=0.9, alpha=0.75, zorder=3,
            label=group if filled else f"{group} (not averaged)",
        )  # fmt: skip
    rows = np.array([order.index(str(m)) for m in means.index])
    ax.vlines(means, rows - 0.4, rows + 0.4, color=INK, linewidth=3, zorder=4, label="geometric mean")
    label = f"{named(prob)} interval, over models"
    ax.hlines(rows, interval["lower"], interval["upper"], color=INK, linewidth=1.2, zorder=4, label=label)
    beside = ax.get_yaxis_transform()
    for row, method in enumerate(order):
        weight = "normal" if method in backtest.baselines else "bold"
        ax.axhspan(row - 0.5, row + 0.5, color="#F6F6F6" if row % 2 == 0 else "white", linewidth=0, zorder=0)
        ax.text(-0.01, row, method, transform=beside, ha="right", va="center", weight=weight, color=INK)
        if method in means.index:
            ax.text(1.015, row, f"{means[method]:.2f}", transform=beside, va="center", weight=weight, color=INK)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_yticks([])
    ax.set_ylim(len(order) - 0.5, -0.5)
    label_below(ax, f"test MSE relative to {reference}, one marker per task; left of the line is better")
    legend_above(ax)
    return ax
