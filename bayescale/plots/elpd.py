"""Plot of elpd differences between specs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale.plots.style import COLOURS, INK, OTHERS, label_below, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evaluation.compare import Comparison

_LEFT_OUT = {"model": "models never evaluated", "family": "families never evaluated", "loo": "single scores (PSIS-LOO)"}


def plot_elpd(comparison: Comparison, ax: Axes | None = None, left_out: str | None = None) -> Axes:
    """Plot the difference in expected log predictive density to the best spec, with its standard error.

    Parameters
    ----------
    comparison : Comparison
    ax : matplotlib.axes.Axes, optional
    left_out : {"model", "family", "loo"}, optional
        Unit that was left out; default the first of the comparison.

    Returns
    -------
    matplotlib.axes.Axes
        Specs in the given order, the best at zero; hollow if `Comparison.warnings` has an entry.

    Raises
    ------
    EvaluationError
        When that unit was not left out.

    Examples
    --------
    >>> from bayescale.plots import plot_elpd
    >>> plot_elpd(comparison, left_out="loo").figure.savefig("elpd.png")
    """
    left_out = left_out or comparison.left_out[0]
    elpd = comparison.elpd(left_out).loc[comparison.names]
    ax = plain(new_axes(ax, (6.8, 1.1 + 0.36 * len(elpd))))
    y = np.arange(len(elpd))
    best = elpd["difference"].to_numpy() == 0
    warned = np.array([name in comparison.warnings for name in elpd.index])
    colours = np.where(best, COLOURS[1], COLOURS[0])
    ax.axvline(0, color=INK, linewidth=0.8)
    for row in range(len(elpd)):
        difference, error = elpd["difference"].iloc[row], elpd["dse"].iloc[row]
        face = "white" if warned[row] else colours[row]
        ax.errorbar(difference, y[row], xerr=error, color=colours[row], marker="o", markerfacecolor=face, markersize=7)
    if warned.any():
        ax.plot([], [], "o", color=OTHERS, markerfacecolor="white", label="chains disagree")
        ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    ax.set_yticks(y, elpd.index)
    ax.invert_yaxis()
    ax.set_ylim(len(elpd) - 0.5, -0.5)
    label_below(
        ax,
        f"elpd of {_LEFT_OUT[left_out]}, in nats, minus that of the best spec",
        "bars: one standard error of the difference",
    )
    return ax
