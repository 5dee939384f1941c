"""Plot of one forecast under several specs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND, PROB
from bayescale.errors import EvaluationError, suggest
from bayescale.plots.style import COLOURS, MARKERS, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evaluation.compare import Comparison

SPACING = 0.78
# Width of the legend and of a marker, in characters.
LEGEND_WIDTH, MARKER_WIDTH = 80, 6


def plot_forecasts_by_spec(
    comparison: Comparison, benchmarks: Sequence[str] | None = None, ax: Axes | None = None, *, prob: float = PROB
) -> Axes:
    """Plot the forecast of a comparison under every spec: median, 50% (thick) and `prob` (thin) interval.

    Parameters
    ----------
    comparison : Comparison
        With a forecast.
    benchmarks : sequence of str, optional
        Default all.
    ax : matplotlib.axes.Axes, optional
    prob : float

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    EvaluationError
        Without a forecast, for a forecast of several models, or for an unknown benchmark.

    Examples
    --------
    >>> from bayescale.plots import plot_forecasts_by_spec
    >>> plot_forecasts_by_spec(comparison, benchmarks=["MMLU", "GSM8K"]).figure.savefig("forecasts.png")
    """
    table, inner = comparison.forecast_table(prob=prob), comparison.forecast_table(prob=0.5)
    models, benchmarks_of_forecast = table["model"].unique(), list(dict.fromkeys(table["benchmark"]))
    if len(models) > 1:
        raise EvaluationError(f"This plot shows one model; the forecast has {len(models)}. Forecast one at a time.")
    chosen = benchmarks_of_forecast if benchmarks is None else list(benchmarks)
    for name in chosen:
        if name not in benchmarks_of_forecast:
            raise EvaluationError(suggest(name, benchmarks_of_forecast, "benchmark in the fitted data"))
    specs = comparison.names
    labels = [s if comparison.posteriors[s].converged else f"{s} (did not converge)" for s in specs]
    ax = plain(new_axes(ax, (7.2, 0.9 + len(chosen) * (0.22 + 0.17 * len(specs)))))
    for i, spec in enumerate(specs):
        y = np.arange(len(chosen)) + (i - (len(specs) - 1) / 2) * SPACING / len(specs)
        rows = table[table["spec"] == spec].set_index("benchmark").loc[chosen]
        core = inner[inner["spec"] == spec].set_index("benchmark").loc[chosen]
        colour = COLOURS[i % len(COLOURS)]
        face = "white" if comparison.posteriors[spec].converged else "none"
        ax.hlines(y, rows["lower"], rows["upper"], color=colour, linewidth=1.3)
        ax.hlines(y, core["lower"], core["upper"], color=colour, linewidth=4)
        marker = MARKERS[i % len(MARKERS)]
        ax.plot(rows["median"], y, marker, color=colour, markerfacecolor=face, markersize=5.5, label=labels[i])
    for line in np.arange(len(chosen) - 1) + 0.5:
        ax.axhline(line, color="#E6E6E6", linewidth=0.8)
    ax.grid(False, axis="y")
    ax.set_yticks(np.arange(len(chosen)), chosen)
    ax.set_ylim(len(chosen) - 0.5, -0.5)
    score_axis(ax.xaxis)
    caption = f"median, 50% and {prob:.0%} {KIND} credible interval of the measured score"
    label_below(ax, f"score of {models[0]}", caption)
    # A legend row of long names would be wider than the axes.
    columns = max(1, min(len(specs), LEGEND_WIDTH // (max(map(len, labels)) + MARKER_WIDTH)))
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)
    return ax
