"""The data at a glance: every score over training compute, one panel per benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale.errors import EvalsError, suggest
from bayescale.plots.families import Mark, mark_families
from bayescale.plots.panels import first, panels
from bayescale.plots.style import INK, OTHERS, flop_axis, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.evals import Evals

PANELS = 12
# Families that are marked unless others are asked for.
MARKED = 3
_AXIS = "training compute (FLOP); models of unknown compute are not drawn"


def plot_evals(evals: Evals, families: Sequence[str] = (), benchmarks: Sequence[str] = ()) -> Figure:
    """Draw `plot_scores` for several benchmarks on a page; the first twelve unless `benchmarks` names them.

    Parameters
    ----------
    evals : Evals
    families : sequence of str
        Families to mark; default the three with most models of known compute.
    benchmarks : sequence of str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EvalsError
        For an unknown benchmark.
    ForecastError
        For an unknown family.

    Examples
    --------
    >>> from bayescale.evals import load_evals
    >>> from bayescale.plots import plot_evals
    >>> len(plot_evals(load_evals("base-llms"), benchmarks=["MMLU", "GSM8K"]).axes)
    2
    """
    marks = _marks(evals, families)
    names, more = first(evals.benchmark_names, benchmarks, PANELS)
    return panels(
        names,
        lambda name, ax: _draw(evals, name, marks, ax),
        (_AXIS + more, "score"),
        size=(3.4, 2.6),
        sharex=True,
    )


def plot_scores(evals: Evals, benchmark: str, ax: Axes | None = None, families: Sequence[str] = ()) -> Axes:
    """Draw the observed scores on a benchmark over training compute, some families marked, with the guessing floor.

    Parameters
    ----------
    evals : Evals
    benchmark : str
    ax : matplotlib.axes.Axes, optional
    families : sequence of str
        Families to mark; default the three with most models of known compute.

    Returns
    -------
    matplotlib.axes.Axes

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
    ax = _draw(evals, benchmark, _marks(evals, families), new_axes(ax, (6.4, 4.4)))
    ax.set_xlabel(_AXIS)
    ax.set_ylabel(f"{benchmark} score")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    return ax


def _marks(evals: Evals, families: Sequence[str]) -> list[Mark]:
    known = evals.models.loc[evals.models["flops"].notna(), "family"].value_counts()
    return mark_families(evals, list(families) or known.index[:MARKED].tolist())


def _draw(evals: Evals, benchmark: str, marks: list[Mark], ax: Axes) -> Axes:
    if benchmark not in evals.benchmark_names:
        raise EvalsError(suggest(benchmark, evals.benchmark_names, "benchmark in the evals"))
    plain(ax)
    compute, family_of = evals.models["flops"].to_numpy(float), evals.models["family"].to_numpy()
    score = evals.matrix().sel(benchmark=benchmark).to_numpy()
    seen = ~np.isnan(score) & ~np.isnan(compute)
    rest = seen & ~np.isin(family_of, [mark.family for mark in marks])
    ax.scatter(compute[rest], score[rest], s=10, color=OTHERS, label="other families")
    for mark in marks:
        mine = seen & (family_of == mark.family)
        ax.scatter(
            compute[mine], score[mine], s=26, color=mark.colour, marker=mark.marker, edgecolor="white", linewidth=0.5,
            label=mark.family,
        )  # fmt: skip
    floor = evals.benchmarks.set_index("benchmark")["floor"][benchmark]
    ax.axhline(floor, color=INK, linewidth=0.8, linestyle=":", label="guessing floor")
    flop_axis(ax)
    ax.set_ylim(0, 1)
    score_axis(ax.yaxis)
    ax.set_title(benchmark, loc="left", fontsize=11, color=INK)
    return ax
