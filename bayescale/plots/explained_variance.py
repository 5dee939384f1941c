"""Plot the share of a forecast's variance that each score explains alone, and the share lost without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale.plots.style import COLOURS, INK, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.analysis.explained_variance import ExplainedVariance

PALE = "#A9CDE5"


def plot_explained_variance(explained: ExplainedVariance, ax: Axes | None = None) -> Axes:
    """Plot one bar per score: pale, the share of variance it explains alone; dark, the share lost without it.

    The line is the share that all scores explain together. Where a dark bar is much shorter than its pale one, the
    score is redundant given the others. Whiskers are two Monte Carlo standard errors.

    Parameters
    ----------
    explained : ExplainedVariance
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.plots import plot_explained_variance
    >>> plot_explained_variance(posterior.explained_variance("GSM8K", ["MMLU"])).figure.savefig("explained.png")
    """
    table = explained.summary()[::-1].reset_index(drop=True)
    y = np.arange(len(table))
    ax = plain(new_axes(ax, (7.2, 1.5 + 0.3 * len(table))))
    whisker = {"ecolor": INK, "elinewidth": 0.8}
    for column, colour, height, label in (
        ("alone", PALE, 0.72, "explained by it alone"),
        ("lost", COLOURS[0], 0.36, "lost without it"),
    ):
        error = 2 * table[f"{column}_error"]
        ax.barh(y, table[column], height, color=colour, xerr=error, error_kw=whisker, label=label, zorder=2)
    every = f"explained by all {len(table)}: {explained.together:.0%}"
    ax.axvline(explained.together, color=INK, linewidth=1.4, linestyle="--", zorder=3, label=every)
    ax.set_yticks(y, table["benchmark"], fontsize=9)
    ax.grid(False, axis="y")
    ax.set_xlim(min(0.0, float(table[["alone", "lost"]].to_numpy().min())), 1)
    score_axis(ax.xaxis)
    label_below(
        ax,
        f"share of the forecast's variance (sd {explained.sd:.2f}; {explained.sd_left:.2f} once all are known)",
        "whiskers: two Monte Carlo standard errors",
    )
    # Above the bars, which may fill the whole width.
    ax.legend(frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0)
    title = f"Explained variance of {explained.target}: {explained.model}"
    ax.set_title(title, loc="left", fontsize=10.5, color=INK, pad=24)
    return ax
