"""Forest plots: rows of intervals, the wide one thin and the 50% one thick, with the median as a marker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import named
from bayescale.plots.style import INK, legend_above, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Share of a row's height that its intervals take.
SPACING = 0.75


def interval_caption(prob: float) -> str:
    """Say what the markers and lines of a forest are."""
    return f"median, 50% and {named(prob)} credible interval"


def draw_intervals(ax: Axes, y: Any, wide: pd.DataFrame, core: pd.DataFrame, colour: str, **marker: Any) -> None:
    """Draw intervals at heights `y`, from columns ``lower, median, upper``; `marker` is the style of the medians."""
    ax.hlines(y, wide["lower"], wide["upper"], color=colour, linewidth=1.3, zorder=2)
    ax.hlines(y, core["lower"], core["upper"], color=colour, linewidth=4, zorder=2)
    ax.plot(wide["median"], y, color=colour, linestyle="none", zorder=4, **marker)


def draw_forest(
    ax: Axes, wide: pd.DataFrame, core: pd.DataFrame, by: str, styles: dict[str, dict[str, Any]], rows: list[str]
) -> None:
    """Draw a row per benchmark, the first of `rows` on top, with one interval of its score for each group.

    `wide` and `core` have the columns ``benchmark, lower, median, upper``, `by` (the group) and, optionally, ``given``
    or ``observed``: scores to mark. `styles` holds, by group, the arguments ``colour, marker, label, ...`` of
    `draw_intervals`.
    """
    ax.grid(False, axis="y")
    for line in np.arange(len(rows) - 1) + 0.5:
        ax.axhline(line, color="#E6E6E6", linewidth=0.8)
    name = "observed" if "observed" in wide else "given"
    given: tuple[list[float], list[float]] = [], []
    for i, (group, style) in enumerate(styles.items()):
        y = np.arange(len(rows)) + (i - (len(styles) - 1) / 2) * SPACING / len(styles)
        mine, inner = (table[table[by] == group].set_index("benchmark").loc[rows] for table in (wide, core))
        draw_intervals(ax, y, mine, inner, **style)
        if name in mine:
            known = mine[name].notna().to_numpy()
            given[0].extend(mine[name][known])
            given[1].extend(y[known])
    if given[0]:
        ax.plot(*given, "x", color=INK, markersize=7, label=name, zorder=5)
    ax.set_yticks(np.arange(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    score_axis(ax.xaxis)
    legend_above(ax)
