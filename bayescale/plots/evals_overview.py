"""The data at a glance: every score over training compute, one panel per benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale.plots.style import COLOURS, INK, MARKERS, OTHERS, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayescale.evals import Evals


def plot_evals(evals: Evals, families: tuple[str, ...] = (), benchmarks: tuple[str, ...] = ()) -> Figure:
    """Draw observed scores over training compute, some families marked, with the guessing floor as a dashed line.

    Parameters
    ----------
    evals : Evals
    families : tuple of str
        Families to mark; default the three with most models of known compute.
    benchmarks : tuple of str
        Default the first twelve.
    """
    import matplotlib.pyplot as plt

    matrix, models = evals.matrix(), evals.models
    compute, family_of = models["flops"].to_numpy(float), models["family"].to_numpy()
    marked = families or tuple(models.loc[~np.isnan(compute), "family"].value_counts().index[:3])
    names = list(benchmarks) or evals.benchmark_names[:12]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.4 * columns, 2.6 * rows + 0.5), layout="constrained", squeeze=False, sharex=True
    )
    floors = evals.benchmarks.set_index("benchmark")["floor"]
    for ax, name in zip(axes.flat, names, strict=False):
        plain(ax)
        score = matrix.sel(benchmark=name).to_numpy()
        rest = ~np.isin(family_of, marked)
        ax.scatter(compute[rest], score[rest], s=10, color=OTHERS, label="other families")
        for i, family in enumerate(marked):
            mine = family_of == family
            style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
            ax.scatter(compute[mine], score[mine], s=26, edgecolor="white", linewidth=0.5, label=family, **style)
        ax.axhline(floors[name], color=INK, linewidth=0.8, linestyle="--", label="guessing floor")
        ax.set_xscale("log")
        ax.set_ylim(0, 1)
        score_axis(ax.yaxis)
        ax.set_title(name, loc="left", fontsize=11, color=INK)
    for ax in list(axes.flat)[len(names) :]:
        ax.remove()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=9)
    figure.supxlabel("training compute (FLOP); models of unknown compute are not drawn", fontsize=9)
    return figure
