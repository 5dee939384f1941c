"""Plots over calendar time: the best score and the date at which it crosses a threshold; what a year brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import PROB, named, tails
from bayescale.errors import require_names
from bayescale.plots.efficiency import by_median, of_measure
from bayescale.plots.forest import draw_intervals, interval_caption
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
    from matplotlib.axes import Axes

    from bayescale.analysis.progress import Progress
    from bayescale.analysis.when import Crossing


def draw_crossing(crossing: Crossing, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Draw the fan of the best expected score, the models of the data on it, and the date of the crossing."""
    from matplotlib.ticker import MaxNLocator

    ax = new_axes(ax, (7.2, 4.6))
    draws, benchmark, last, colour = crossing.draws, crossing.benchmark, crossing.last, COLOURS[0]
    year = draws["date"].to_numpy()
    low, high = tails(prob)
    bands = np.quantile(draws["best"].to_numpy(), [low, 0.25, 0.5, 0.75, high], axis=0)
    ahead = year >= last
    for lower, upper, alpha in ((0, 4, 0.16), (1, 3, 0.26)):
        ax.fill_between(year[ahead], bands[lower][ahead], bands[upper][ahead], color=colour, alpha=alpha, linewidth=0)
    ax.plot(year[ahead], bands[2][ahead], color=colour, linewidth=2, label="best model so far")
    ax.plot(year[~ahead], bands[2][~ahead], color=colour, linewidth=1)
    evals = crossing.posterior.evals
    released = crossing.posterior.draws.data.years
    score = evals.matrix().sel(benchmark=benchmark).to_numpy()
    mine = np.isin(evals.models["family"].to_numpy(), crossing.makers)
    for rows, shade, size, label in ((~mine, OTHERS, 12, None), (mine, INK, 18, "models of the data")):
        ax.scatter(released[rows], score[rows], s=size, color=shade, zorder=4, label=label if rows.any() else None)
    ax.axhline(crossing.above, color=INK, linewidth=1, linestyle="--")
    ax.axvline(last, color=OTHERS, linewidth=1)
    crossed = draws["year"].to_numpy()
    ends = np.quantile(crossed, [low, 0.5, high], method="higher").clip(max=crossing.until)
    ax.plot(ends[[0, 2]], [crossing.above] * 2, color=COLOURS[1], linewidth=5, solid_capstyle="butt", zorder=5)
    if ends[1] < crossing.until:
        ax.plot(ends[1], crossing.above, "o", color=COLOURS[1], markersize=9, zorder=6, label="crossing")
    score_axis(ax.yaxis)
    ax.set_ylim(0, 1)
    seen = released[np.isfinite(score)]
    first = seen.min() if seen.size else last - 2
    ax.set_xlim(first - 0.1, min(crossing.until, max(ends[2] + 0.5, last + 1)))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set_ylabel(f"{benchmark} score")
    below = f"50% and {named(prob)} interval of the best expected score, and of its crossing"
    label_below(ax, "release date", below)
    title(ax, f"{benchmark} above {crossing.above:.0%}: {crossing.said(prob=prob)}")
    ax.legend(loc="lower right", frameon=False, fontsize=8.5)
    return ax


def draw_progress(
    progress: Progress, ax: Axes | None = None, measure: str = "log10_compute", *, prob: float = PROB
) -> Axes:
    """Draw what a year brings on each benchmark, a colour per subset of models; the first row is of all benchmarks."""
    axes = {"log10_compute": "decades of training compute a year", "logits": "logits a year, at equal compute"}
    require_names([measure], axes, "measure of progress")
    wide, core = (of_measure(progress.summary(prob=p), measure) for p in (prob, 0.5))
    subsets = list(wide["subset"].unique())
    order = by_median(wide[wide["subset"] == subsets[0]].set_index("benchmark")["median"])
    ax = new_axes(ax, (7.2, 1.9 + 0.14 * len(order) * (1 + len(subsets))))
    ax.axvline(0, color=INK, linewidth=1, linestyle="--", zorder=1)
    for place, subset in enumerate(subsets):
        mine, inner = (table[table["subset"] == subset].set_index("benchmark").loc[order] for table in (wide, core))
        y = np.arange(len(order)) + 0.7 * ((place + 0.5) / len(subsets) - 0.5)
        style = {"marker": MARKERS[place], "label": f"{subset} ({len(progress.models[subset])})", "markersize": 5}
        draw_intervals(ax, y, mine, inner, COLOURS[place], **style)
    ax.set_yticks(range(len(order)), order, fontsize=9)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.grid(False, axis="y")
    label_below(ax, axes[measure], interval_caption(prob))
    legend_above(ax)
    return ax
