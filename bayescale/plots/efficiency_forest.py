"""Forest plot of the compute multipliers of families, most efficient on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND, PROB, summarise
from bayescale.errors import ForecastError, suggest
from bayescale.plots.families import MARKED, mark_families
from bayescale.plots.style import INK, label_below, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.analysis.efficiency import Efficiency

UNMARKED = "#7A7A7A"


def plot_efficiency(
    efficiency: Efficiency,
    benchmark: str | None = None,
    ax: Axes | None = None,
    families: Sequence[str] | None = None,
    *,
    prob: float = PROB,
) -> Axes:
    """Plot each family's compute multiplier: median, 50% (thick) and `prob` (thin) equal-tailed interval.

    The dashed line is the reference family. A filled marker is a family whose `prob` interval excludes 1, an
    open one a family that may be as efficient.

    Parameters
    ----------
    efficiency : Efficiency
    benchmark : str, optional
        Efficiency on this benchmark; default overall.
    ax : matplotlib.axes.Axes, optional
    families : sequence of str, optional
        Default all; the reference is always drawn. Up to six have the colours of `mark_families`, of more families the
        six with most models.
    prob : float
        Probability content of the thin intervals.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ForecastError
        For an unknown family or benchmark, or a benchmark that has no efficiency of its own.

    Examples
    --------
    >>> from bayescale.plots import plot_efficiency
    >>> plot_efficiency(posterior.efficiency("Llama-2")).figure.savefig("efficiency.png")
    """
    known, evals = efficiency.families, efficiency.posterior.evals
    for name in families or ():
        if name not in known:
            raise ForecastError(suggest(name, known, "family in the fitted data"))
    shown = known if families is None else list(dict.fromkeys([*families, efficiency.reference]))
    draws = efficiency.log10_multiplier_on(benchmark).sel(family=shown).drop_vars("models")
    table, core = (summarise(draws, prob=p).set_index("family") for p in (prob, 0.5))
    order = table["median"].sort_values(kind="stable").index
    table, core, y = table.loc[order], core.loc[order], np.arange(len(order))
    counts = evals.models["family"].value_counts()
    marked = families if families is not None and len(families) <= MARKED else None
    colours = {mark.family: (mark.colour, mark.marker) for mark in mark_families(evals, marked)}

    ax = plain(new_axes(ax, (7.2, 1.5 + 0.2 * len(order))))
    ax.axvline(1, color=INK, linewidth=1, linestyle="--", zorder=1)
    for place, family in zip(y, order, strict=True):
        colour, marker = colours.get(family, (INK if family == efficiency.reference else UNMARKED, "o"))
        low, middle, high = 10.0 ** table.loc[family, ["lower", "median", "upper"]].to_numpy(float)
        apart = low > 1 or high < 1 or family == efficiency.reference
        ax.hlines(place, low, high, color=colour, linewidth=1.2, zorder=2)
        ax.hlines(place, *10.0 ** core.loc[family, ["lower", "upper"]].to_numpy(float), color=colour, linewidth=3.6)
        ax.plot(
            middle, place, marker, color=colour, markersize=7, markerfacecolor=colour if apart else "white", zorder=4
        )
    ax.set_yticks(y, [f"{name} ({counts[name]})" for name in order], fontsize=8.5)
    for label, family in zip(ax.get_yticklabels(), order, strict=True):
        label.set_color(colours.get(family, (INK,))[0])
        label.set_fontweight("bold" if family in colours or family == efficiency.reference else "normal")
    ax.set_ylim(-0.8, len(order) - 0.2)
    ax.grid(False, axis="y")
    _multiplier_axis(ax)
    along = f"; measured along {efficiency.along}" if benchmark is None else ""
    where = "" if benchmark is None else f" on {benchmark}"
    label_below(
        ax,
        "less efficient  \u2190  compute multiplier  \u2192  more efficient",
        f"median, 50% and {prob:.0%} {KIND} credible interval",
        f"(open: the {prob:.0%} interval includes x1){along}",
    )
    title = f"What a FLOP is worth{where}: families (models) relative to {efficiency.reference}"
    ax.set_title(title, loc="right", fontsize=10.5, color=INK)
    return ax


def _multiplier_axis(ax: Axes) -> None:
    """Log axis with ticks such as x0.1, x1, x10."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    width = np.log10(high / low)
    fine = (1.0,) if width > 3.5 else (1.0, 3.0) if width > 1.5 else (1.0, 2.0, 5.0)
    ax.xaxis.set_major_locator(LogLocator(10, subs=fine))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"x{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
