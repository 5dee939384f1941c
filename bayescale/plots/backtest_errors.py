"""Plot of test MSE by method relative to a reference, with a marker for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND, PROB
from bayescale.errors import BacktestError
from bayescale.plots.style import COLOURS, INK, MARKERS, label_below, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evaluation.backtest import Backtest

# Largest vertical offset of a group of tasks within a row.
SPREAD = 0.28


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

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    BacktestError
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
        raise BacktestError(f"{reference} forecast none of these tasks: choose another reference.")
    averaged = [name for name in backtest.averaged if name in set(ratios["task"])]
    means = geometric_mean(ratios, averaged or list(ratios["task"].unique()))["to_reference"]
    interval = backtest.relative_mse_intervals(reference, prob=prob).reindex(means.index)
    middle = ratios.groupby("method")["to_reference"].median()
    order = sorted(ratios["method"].unique(), key=lambda m: means.get(m, middle[m]))
    groups = {g: names for g, names in backtest.groups.items() if ratios["task"].isin(names).any()}

    ax = plain(new_axes(ax, (7.8, 1.3 + 0.42 * len(order))))
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
    label = f"{prob:.0%} {KIND} interval, over models"
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
    label_below(ax, f"test MSE relative to {reference}, a marker for each task; left of the line is better")
    spaces = {"handletextpad": 0.3, "columnspacing": 1.2}
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.17, 1), ncols=3, **spaces)
    return ax
