"""How far each spec predicts worse than the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale.plots.style import COLOURS, INK, OTHERS, label_below, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evaluation.compare import Comparison

_LEFT_OUT = {"model": "models never evaluated", "family": "families never evaluated", "loo": "single scores (PSIS-LOO)"}


def plot_elpd(comparison: Comparison, ax: Axes | None = None, by: str | None = None) -> Axes:
    """Draw the difference in expected log predictive density to the best spec, with its standard error.

    Parameters
    ----------
    comparison : Comparison
    ax : matplotlib.axes.Axes, optional
    by : {"model", "family", "loo"}, optional
        What was left out; default the comparison's headline.

    Returns
    -------
    matplotlib.axes.Axes
        Specs in the order given, the best one at zero; hollow where the figures may be off (`Comparison.doubts`).

    Raises
    ------
    CompareError
        When that was not left out.

    Examples
    --------
    >>> from bayescale.plots import plot_elpd
    >>> plot_elpd(comparison, by="loo").figure.savefig("elpd.png")
    """
    by = by or comparison.left_out[0]
    found = comparison.elpd(by).loc[comparison.names]
    ax = plain(new_axes(ax, (6.8, 1.1 + 0.36 * len(found))))
    y = np.arange(len(found))
    best = found["difference"].to_numpy() == 0
    doubted = np.array([name in comparison.doubts for name in found.index])
    colours = np.where(best, COLOURS[1], COLOURS[0])
    ax.axvline(0, color=INK, linewidth=0.8)
    for row in range(len(found)):
        difference, error = found["difference"].iloc[row], found["dse"].iloc[row]
        face = "white" if doubted[row] else colours[row]
        ax.errorbar(difference, y[row], xerr=error, color=colours[row], marker="o", markerfacecolor=face, markersize=7)
    if doubted.any():
        ax.plot([], [], "o", color=OTHERS, markerfacecolor="white", label="chains disagree")
        ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    ax.set_yticks(y, found.index)
    ax.invert_yaxis()
    ax.set_ylim(len(found) - 0.5, -0.5)
    label_below(
        ax,
        f"elpd of {_LEFT_OUT[by]}, nats, less that of the best spec",
        "bars: one standard error of the difference",
    )
    return ax
