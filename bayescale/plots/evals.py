"""Plots of the data: every score over training compute, one panel per benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale.errors import EvalsError, require_names
from bayescale.plots.families import Mark, mark_families
from bayescale.plots.panels import first, panels
from bayescale.plots.style import INK, OTHERS, flop_axis, legend_inside, new_axes, score_axis, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.evals import Evals

# Number of families that are marked by default.
MARKED = 3
_AXIS = "training compute (FLOP); models of unknown compute are not shown"


def plot_evals(evals: Evals, families: Sequence[str] = (), benchmarks: Sequence[str] = ()) -> Figure:
    """Draw `plot_scores` for several benchmarks on a page; the first twelve unless `benchmarks` names them.

    Raises
    ------
    EvalsError, ForecastError
        As `plot_scores`.

    Examples
    --------
    >>> from bayescale.evals import load_evals
    >>> from bayescale.plots import plot_evals
    >>> len(plot_evals(load_evals("base-llms"), benchmarks=["MMLU", "GSM8K"]).axes)
    2
    """
    marks = _marks(evals, families)
    names, more = first(evals.benchmark_names, benchmarks)
    draw = partial(draw_scores, evals=evals, marks=marks)
    return panels(names, draw, (_AXIS + more, "score"), size=(3.4, 2.6), sharex=True)


def plot_scores(evals: Evals, benchmark: str, ax: Axes | None = None, families: Sequence[str] = ()) -> Axes:
    """Plot the observed scores on a benchmark over training compute, some families marked, with the guessing floor.

    Parameters
    ----------
    evals : Evals
    benchmark : str
    ax : matplotlib.axes.Axes, optional
    families : sequence of str
        Families to mark; default the three with most models of known compute.

    Raises
    ------
    EvalsError
        For an unknown benchmark.
    ForecastError
        For an unknown family.

    Examples
    --------
    >>> from bayescale.evals import load_evals
    >>> from bayescale.plots import plot_scores
    >>> plot_scores(load_evals("base-llms"), "MMLU", families=["Llama-2"]).get_xscale()
    'log'
    """
    ax = new_axes(ax, (6.4, 4.4))
    draw_scores(benchmark, ax, evals, _marks(evals, families))
    ax.set_xlabel(_AXIS)
    ax.set_ylabel(f"{benchmark} score")
    legend_inside(ax)
    return ax


def _marks(evals: Evals, families: Sequence[str]) -> list[Mark]:
    known = evals.models.loc[evals.models["flops"].notna(), "family"].value_counts()
    return mark_families(evals, list(families) or known.index[:MARKED].tolist())


def draw_scores(
    benchmark: str, ax: Axes, evals: Evals, marks: list[Mark], size: float = 26, named: bool = True
) -> None:
    """Draw observed scores over compute, `marks` in colour and in the legend if `named`, and the guessing floor."""
    require_names([benchmark], evals.benchmark_names, "benchmark in the evals", EvalsError)
    compute, family_of = evals.models["flops"].to_numpy(float), evals.models["family"].to_numpy()
    score = evals.matrix().sel(benchmark=benchmark).to_numpy()
    seen = ~np.isnan(score) & ~np.isnan(compute)
    rest = seen & ~np.isin(family_of, [mark.family for mark in marks])
    ax.scatter(compute[rest], score[rest], s=10, color=OTHERS, zorder=1, label="other families")
    dots: dict[str, Any] = {"s": size, "edgecolor": "white", "linewidth": 0.5, "zorder": 5}
    for mark in marks:
        mine, label = seen & (family_of == mark.family), mark.family if named else None
        ax.scatter(compute[mine], score[mine], color=mark.colour, marker=mark.marker, label=label, **dots)
    floor = evals.benchmarks.set_index("benchmark")["floor"][benchmark]
    ax.axhline(floor, color=INK, linewidth=0.8, linestyle=":", zorder=1, label="guessing floor")
    flop_axis(ax)
    ax.set_ylim(0, 1)
    score_axis(ax.yaxis)
    title(ax, benchmark)
