"""One interval per benchmark and forecast model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND, PROB
from bayescale.plots.families import mark_families
from bayescale.plots.style import INK, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.forecast import Forecast

SPACING = 0.7
# Models of one family have its colour and marker; how far the marker is filled tells them apart.
FILLS = ("none", "full", "left", "bottom", "right", "top")


def plot_intervals(forecast: Forecast, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Draw the predicted score of each benchmark as median, 50% (thick) and `prob` (thin) equal-tailed interval.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.plots import plot_intervals
    >>> forecast = posterior.forecast(family=["Llama-3", "Qwen1.5"], flops=[4e25, 1e25])
    >>> plot_intervals(forecast).figure.savefig("intervals.png")
    """
    table, inner = forecast.summary(prob=prob), forecast.summary(prob=0.5)
    models = list(dict.fromkeys(table["model"]))
    benchmarks = list(dict.fromkeys(table["benchmark"]))
    ax = plain(new_axes(ax, (6.8, 0.6 + 0.42 * len(benchmarks) * max(1.0, 0.45 * len(models)))))
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * SPACING / max(len(models), 1)
    families = forecast.draws["family"].to_numpy().tolist()
    marks = {mark.family: mark for mark in mark_families(forecast.posterior.evals, families)}
    for i, (model, family) in enumerate(zip(models, families, strict=True)):
        rows, core = table[table["model"] == model], inner[inner["model"] == model]
        y = np.arange(len(benchmarks)) + offsets[i]
        colour, fill = marks[family].colour, FILLS[families[:i].count(family) % len(FILLS)]
        ax.hlines(y, rows["lower"], rows["upper"], color=colour, linewidth=1.4)
        ax.hlines(y, core["lower"], core["upper"], color=colour, linewidth=4.5)
        # White below, so that an unfilled part of the marker does not show the line.
        ax.plot(rows["median"], y, marks[family].marker, color="white", markersize=6)
        ax.plot(
            rows["median"], y, marks[family].marker, color=colour, fillstyle=fill, markerfacecoloralt="white",
            markersize=6, label=model,
        )  # fmt: skip
        known = rows["given"].notna().to_numpy()
        if known.any():
            ax.plot(rows["given"][known], y[known], "x", color=INK, markersize=7, label="given")
    ax.set_yticks(np.arange(len(benchmarks)), benchmarks)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.01)
    score_axis(ax.xaxis)
    label_below(
        ax,
        "score",
        f"median, 50% and {prob:.0%} {KIND} credible interval of the measured score",
    )
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    return ax
