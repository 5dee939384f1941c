"""Plots of a posterior predictive check: deviation of PIT values from uniformity, per benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale.checks.pit import BAND, ecdf_difference, out_of_band, read_pit, uniform_band
from bayescale.errors import ForecastError, suggest
from bayescale.plots.panels import first, panels
from bayescale.plots.style import COLOURS, INK, label_below, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.checks import PredictiveCheck

PANELS = 24

# Fitted scores are expected to be too central, so this class has another colour than misfits.
_COLOURS = {"as expected": COLOURS[0], "too central": COLOURS[4]}
_ALARM = COLOURS[1]
_MEANING = {
    "as expected": "as expected: like the replications",
    "too central": "too central: too often in the middle of the replications",
    "too scattered": "too scattered: too often in their tails",
    "too high": "too high: too often above their middle",
    "too low": "too low: too often below their middle",
}


def plot_predictive_check(check: PredictiveCheck, benchmarks: Sequence[str] | None = None) -> Figure:
    """Draw `plot_pit` for several benchmarks on a page; the first 24 unless `benchmarks` names them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ForecastError
        For a benchmark without observed scores.

    Examples
    --------
    >>> from bayescale.plots import plot_predictive_check
    >>> check = posterior.predictive_check(draws=200)
    >>> plot_predictive_check(check, benchmarks=["MMLU", "GSM8K"]).savefig("check.png")
    """
    names, more = first(list(dict.fromkeys(check.cells["benchmark"])), benchmarks, PANELS)
    return panels(
        names,
        lambda name, ax: _draw(check, name, ax),
        (f"{_AXIS}\n{caption(check)}{more}", _HEIGHT),
        size=(3.5, 2.5),
        sharex=True,
        sharey=True,
    )


_AXIS = "PIT: share of replications below the observed score"
_HEIGHT = "PIT ECDF minus uniform CDF"


def plot_pit(check: PredictiveCheck, benchmark: str, ax: Axes | None = None) -> Axes:
    """Plot the ECDF of a benchmark's PIT values minus the uniform CDF, with its simultaneous band.

    If outcomes and replications have the same distribution, the whole line is inside the band with probability 95%
    (Säilynoja, Bürkner & Vehtari 2022). Below zero on the left and above on the right: observed scores are too near the
    middle of the replications. Above on the left and below on the right: too many are in the tails. All below: observed
    scores are higher than replicated ones.

    Parameters
    ----------
    check : PredictiveCheck
    benchmark : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ForecastError
        For a benchmark without observed scores.

    Examples
    --------
    >>> from bayescale.plots import plot_pit
    >>> plot_pit(posterior.predictive_check(draws=200), "MMLU").figure.savefig("pit.png")
    """
    ax = _draw(check, benchmark, new_axes(ax, (6.0, 4.0)))
    label_below(ax, _AXIS, caption(check))
    ax.set_ylabel(_HEIGHT, fontsize=9)
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1.08))
    return ax


def _draw(check: PredictiveCheck, benchmark: str, ax: Axes) -> Axes:
    cells = check.cells
    observed = list(dict.fromkeys(cells["benchmark"]))
    if benchmark not in observed:
        raise ForecastError(suggest(benchmark, observed, "benchmark in the observed scores"))
    plain(ax)
    pit = cells["pit"][cells["benchmark"] == benchmark].to_numpy()
    points, lower, upper = uniform_band(len(pit))
    difference = ecdf_difference(pit, points)
    reading = read_pit(pit)
    colour = _COLOURS.get(reading, _ALARM)
    label = f"{BAND:.0%} simultaneous band of uniform PIT values"
    ax.fill_between(points, lower, upper, color="#DDDDDD", linewidth=0, zorder=1, label=label)
    ax.axhline(0, color=INK, linewidth=0.8, linestyle="--", zorder=2)
    ax.plot(points, difference, color=colour, linewidth=1.8, zorder=3)
    outside = np.where(out_of_band(pit), difference, np.nan)
    ax.plot(points, outside, color=colour, linewidth=4.5, solid_capstyle="round", zorder=4)
    ax.plot([], [], color=colour, linewidth=1.8 if reading == "as expected" else 4.5, label=_MEANING[reading])
    ax.set_xlim(0, 1)
    ax.set_title(f"{benchmark}  ", loc="left", fontsize=11, color=INK)
    ax.set_title(reading, loc="right", fontsize=9.5, color=colour, weight="bold")
    return ax


def caption(check: PredictiveCheck) -> str:
    """Describe the replications, and the deviation to expect."""
    if check.replicate == "same":
        return "replications of the same models, whose scores were fitted: PIT values are expected to be too central"
    return "replications of new models of the same families and compute"
