"""Plot of the best score over calendar time, and of the date at which it crosses a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import PROB, named, tails
from bayescale.plots.style import COLOURS, INK, OTHERS, label_below, new_axes, score_axis, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
