"""Plots of a comparison of specs: differences in elpd, and one forecast under every spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import PROB
from bayescale.errors import EvaluationError, require_names
from bayescale.plots.forest import draw_forest, interval_caption
from bayescale.plots.style import COLOURS, INK, MARKERS, OTHERS, label_below, legend_above, new_axes

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
    ax = new_axes(ax, (6.8, 1.1 + 0.36 * len(elpd)))
    ax.axvline(0, color=INK, linewidth=0.8)
    for y, (name, row) in enumerate(elpd.iterrows()):
        colour = COLOURS[1] if row["difference"] == 0 else COLOURS[0]
        face = "white" if name in comparison.warnings else colour
        ax.errorbar(row["difference"], y, xerr=row["dse"], color=colour, marker="o", markerfacecolor=face, markersize=7)
    if comparison.warnings:
        ax.plot([], [], "o", color=OTHERS, markerfacecolor="white", label="did not converge")
        legend_above(ax)
    ax.set_yticks(np.arange(len(elpd)), elpd.index)
    ax.set_ylim(len(elpd) - 0.5, -0.5)
    difference = f"elpd of {_LEFT_OUT[left_out]} minus that of the best spec (nats)"
    label_below(ax, difference, "further left: worse; bars: one standard error of the difference")
    return ax


def plot_forecasts_by_spec(
    comparison: Comparison, benchmarks: Sequence[str] | None = None, ax: Axes | None = None, *, prob: float = PROB
) -> Axes:
    """Plot the forecast of a comparison under every spec: median, 50% (thick) and `prob` (thin) interval.

    Parameters
    ----------
    comparison : Comparison
        With a forecast.
    benchmarks : sequence of str, optional
        Default: all.
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the thin intervals.

    Raises
    ------
    EvaluationError
        Without a forecast, for a forecast of several models, or for an unknown benchmark.

    Examples
    --------
    >>> from bayescale.plots import plot_forecasts_by_spec
    >>> plot_forecasts_by_spec(comparison, benchmarks=["MMLU", "GSM8K"]).figure.savefig("forecasts.png")
    """
    wide, core = comparison.forecast_table(prob=prob), comparison.forecast_table(prob=0.5)
    models, known = wide["model"].unique(), list(dict.fromkeys(wide["benchmark"]))
    if len(models) > 1:
        raise EvaluationError(f"This plot shows one model; the forecast has {len(models)}. Forecast one at a time.")
    chosen = known if benchmarks is None else list(benchmarks)
    require_names(chosen, known, "benchmark in the fitted data", EvaluationError)
    styles = {}
    for i, spec in enumerate(comparison.names):
        label = spec if comparison.posteriors[spec].converged else f"{spec} (did not converge)"
        look = {"colour": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "label": label}
        styles[spec] = look | {"markerfacecolor": "white", "markersize": 5.5}
    ax = new_axes(ax, (7.2, 0.9 + len(chosen) * (0.22 + 0.17 * len(styles))))
    draw_forest(ax, wide, core, "spec", styles, chosen)
    label_below(ax, f"score of {models[0]}", f"{interval_caption(prob)} of the measured score")
    return ax
