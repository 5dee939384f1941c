"""Plots of efficiency and effects: multipliers of families, capability over compute, a covariate's worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._intervals import PROB, named, percent, summarise, tails
from bayescale.analysis.compute_equivalent import (
    ALONG,
    Along,
    capability_by_compute,
    compute_direction,
    require_compute,
    to_compute_equivalent,
)
from bayescale.errors import require_names
from bayescale.plots.families import MARKED, label_paths, mark_families
from bayescale.plots.forest import draw_intervals, interval_caption
from bayescale.plots.style import (
    COLOURS,
    INK,
    OTHERS,
    flop_axis,
    label_below,
    new_axes,
    title,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.analysis.effect import Effect
    from bayescale.analysis.efficiency import Efficiency
    from bayescale.methods import Posterior

UNMARKED = "#7A7A7A"
POINTS = 30


def plot_efficiency(
    efficiency: Efficiency,
    benchmark: str | None = None,
    ax: Axes | None = None,
    families: Sequence[str] | None = None,
    *,
    prob: float = PROB,
) -> Axes:
    """Plot each family's compute multiplier: median, 50% (thick) and `prob` (thin) equal-tailed interval.

    The dashed line is the reference family. The marker is filled if the `prob` interval of a family excludes 1, and
    open if the family may be as efficient as the reference.

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

    Raises
    ------
    ForecastError
        For an unknown family or benchmark, or a benchmark that has no efficiency of its own.

    Examples
    --------
    >>> from bayescale.plots import plot_efficiency
    >>> plot_efficiency(posterior.efficiency("Llama-2")).figure.savefig("efficiency.png")
    """
    known, evals, reference = efficiency.families, efficiency.posterior.evals, efficiency.reference
    require_names(families or (), known, "family in the fitted data")
    shown = known if families is None else list(dict.fromkeys([*families, reference]))
    draws = efficiency.log10_multiplier_on(benchmark).sel(family=shown).drop_vars("models")
    wide, core = (
        10.0 ** summarise(draws, prob=p).set_index("family")[["lower", "median", "upper"]] for p in (prob, 0.5)
    )
    order = wide["median"].sort_values(kind="stable").index
    counts = evals.models["family"].value_counts()
    marked = families if families is not None and len(families) <= MARKED else None
    marks = {mark.family: (mark.colour, mark.marker) for mark in mark_families(evals, marked)}

    ax = new_axes(ax, (7.2, 1.5 + 0.2 * len(order)))
    ax.axvline(1, color=INK, linewidth=1, linestyle="--", zorder=1)
    for y, family in enumerate(order):
        colour, marker = marks.get(family, (INK if family == reference else UNMARKED, "o"))
        row = wide.loc[[family]]
        filled = family == reference or not row["lower"].item() <= 1 <= row["upper"].item()
        style: dict[str, Any] = {"marker": marker, "markersize": 7, "markerfacecolor": colour if filled else "white"}
        draw_intervals(ax, y, row, core.loc[[family]], colour, **style)
    ax.set_yticks(range(len(order)), [f"{name} ({counts[name]})" for name in order], fontsize=8.5)
    for label, family in zip(ax.get_yticklabels(), order, strict=True):
        label.set_color(marks.get(family, (INK,))[0])
        label.set_fontweight("bold" if family in marks or family == reference else "normal")
    ax.set_ylim(-0.8, len(order) - 0.2)
    ax.grid(False, axis="y")
    _multiplier_axis(ax)
    along = f"; measured along {efficiency.along}" if benchmark is None else ""
    arrows = "less efficient  \u2190  compute multiplier  \u2192  more efficient"
    label_below(ax, arrows, interval_caption(prob), f"(open: the {percent(prob)} interval includes x1){along}")
    where = "" if benchmark is None else f" on {benchmark}"
    heading = f"Compute efficiency{where} of families (number of models) relative to {reference}"
    ax.set_title(heading, loc="right", fontsize=10.5, color=INK)
    return ax


def plot_effect(effect: Effect, ax: Axes | None = None, measure: str = "logits", *, prob: float = PROB) -> Axes:
    """Plot the effect of a covariate on each benchmark: median, 50% (thick) and `prob` (thin) equal-tailed interval.

    Benchmarks are in order of the median; the first row is their mean, of compute the overall effect. Benchmarks whose
    response to compute may be zero have no effect in decades of compute.

    Parameters
    ----------
    effect : Effect
    ax : matplotlib.axes.Axes, optional
    measure : {"logits", "points", "log10_compute"}
    prob : float

    Raises
    ------
    ForecastError
        For an unknown measure.

    Examples
    --------
    >>> from bayescale.plots import plot_effect
    >>> plot_effect(posterior.effect("log10_flops"), measure="points").figure.savefig("effect.png")
    """
    axes = {
        "logits": "change of the logit of the score",
        "points": "change of the expected score, from 0 to 1",
        "log10_compute": "decades of training compute",
    }
    require_names([measure], axes, "measure of an effect")
    wide, core = (of_measure(effect.summary(prob=p), measure).set_index("benchmark") for p in (prob, 0.5))
    order = by_median(wide["median"])
    ax = new_axes(ax, (7.2, 1.6 + 0.25 * len(order)))
    ax.axvline(0, color=INK, linewidth=1, linestyle="--", zorder=1)
    for y, name in enumerate(order):
        colour = INK if y == 0 else COLOURS[0]
        draw_intervals(ax, y, wide.loc[[name]], core.loc[[name]], colour, marker="D" if y == 0 else "o", markersize=6)
    ax.set_yticks(range(len(order)), order, fontsize=9)
    ax.set_ylim(len(order) - 0.3, -0.7)
    ax.grid(False, axis="y")
    label_below(ax, axes[measure], interval_caption(prob), effect.at)
    title(ax, f"Effect of {effect.covariate}: {effect.change}")
    return ax


def of_measure(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the rows of a measure that have a figure."""
    return table[table["measure"] == measure].dropna()


def by_median(medians: pd.Series) -> list[str]:
    """Return the benchmarks of the rows, largest median first, after the first row, which is of all of them."""
    return [*medians.index[:1], *medians[1:].sort_values(ascending=False, kind="stable").index]


def _multiplier_axis(ax: Axes) -> None:
    """Use a logarithmic x axis with ticks such as x0.1, x1, x10."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    width = np.log10(high / low)
    fine = (1.0,) if width > 3.5 else (1.0, 3.0) if width > 1.5 else (1.0, 2.0, 5.0)
    ax.xaxis.set_major_locator(LogLocator(10, subs=fine))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"x{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def plot_capability_over_compute(
    posterior: Posterior,
    ax: Axes | None = None,
    families: Sequence[str] | None = None,
    *,
    prob: float = PROB,
    along: Along = ALONG,
) -> Axes:
    """Plot the general capability of each model over its training compute, with a line for each marked family.

    General capability is the projection on the effect of compute, ``theta . beta / |beta|``. All families share the
    slope; the horizontal distance of two lines is the log10 multiplier between the two families (`Efficiency`).
    Bands are equal-tailed intervals of a family's line over its own range of compute. Models of unknown compute are
    open, at the posterior median of their latent compute.

    Parameters
    ----------
    posterior : Posterior
    ax : matplotlib.axes.Axes, optional
    families : sequence of str, optional
        Families to mark; default the six with most models. The others are grey.
    prob : float
        Probability content of the bands.
    along : {"capabilities", "benchmarks"}
        Unit and direction: the sd of models of one family and compute, or logits of all benchmarks
        (``W theta . W beta / |W beta|``).

    Raises
    ------
    ForecastError
        For a spec with other measures of size than compute, an unknown family, or `prob` not between 0 and 1.

    Examples
    --------
    >>> from bayescale.plots import plot_capability_over_compute
    >>> plot_capability_over_compute(posterior, families=["Llama-2", "Pythia"]).get_xscale()
    'log'
    """
    draws, models = posterior.draws, posterior.evals.models
    require_compute(posterior.spec, "capability over compute")
    marks = mark_families(posterior.evals, families)
    lower, upper = tails(prob)
    rise = np.linalg.norm(compute_direction(draws, along)[1], axis=1)  # capability per factor of ten of compute
    y = np.median(rise[:, None] * to_compute_equivalent(draws, capability_by_compute(draws), along), axis=0)
    offsets = to_compute_equivalent(draws, draws.family_offset, along)
    centre = draws.data.compute.centre
    x = np.median(draws.covariate[..., draws.data.place("log10_flops")], axis=0)
    compute, family_of = 10 ** (centre + x), models["family"].to_numpy()
    known = models["flops"].notna().to_numpy()
    ax = new_axes(ax, (7.6, 5.4))

    def draw_models(which: np.ndarray, colour: str, **style: Any) -> None:
        filled, hollow = which & known, which & ~known
        ax.scatter(compute[filled], y[filled], facecolor=colour, edgecolor="white", linewidth=0.4, **style)
        ax.scatter(compute[hollow], y[hollow], facecolor="white", edgecolor=colour, linewidth=1.0, **style)

    draw_models(~np.isin(family_of, [mark.family for mark in marks]), OTHERS, s=14, zorder=2)
    paths = []
    for mark in marks:
        mine, family = family_of == mark.family, draws.data.coords["family"].index(mark.family)
        grid = np.linspace(x[mine].min() - 0.15, x[mine].max() + 0.15, POINTS)
        line = rise[:, None] * (grid + offsets[:, [family]])
        low, middle, high = np.quantile(line, [lower, 0.5, upper], axis=0)
        flops = 10 ** (centre + grid)
        ax.fill_between(flops, low, high, color=mark.colour, alpha=0.12, linewidth=0, zorder=1)
        ax.plot(flops, middle, color=mark.colour, linewidth=1.8, zorder=3, label=mark.family)
        draw_models(mine, mark.colour, marker=mark.marker, s=46, zorder=4)
        paths.append((np.column_stack([flops, middle]), mark))
    flop_axis(ax)
    ax.autoscale_view()
    label_paths(ax, paths)
    unit = "sd of models of one family and compute" if along == "capabilities" else "logits, norm over benchmarks"
    ax.set_ylabel(f"general capability ({unit})")
    label_below(
        ax,
        "training compute (FLOP)",
        f"lines: families, with {named(prob)} credible bands; markers: posterior medians of models; "
        "grey: other families; open: compute unknown, at its posterior median",
    )
    title(ax, "Further left at the same height: more capability from less compute")
    return ax
