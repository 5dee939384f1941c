"""Plots of PIT values (probability integral transforms): of a posterior predictive check, and of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND
from bayescale.checks.pit import ecdf_difference, inside, out_of_band, read_pit, uniform_band
from bayescale.errors import EvaluationError, require_names
from bayescale.plots.panels import first, panels
from bayescale.plots.style import COLOURS, INK, label_below, legend_above, new_axes, score_axis, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.checks import PredictiveCheck
    from bayescale.evaluation.backtest import Backtest

PANELS = 24
_CAPTION = "replications of models of the same family and covariates, from all scores but the model's own"
_LABELS = ("PIT: share of replications below the observed score", "PIT ECDF minus uniform CDF")

_COLOUR, _MISFIT = COLOURS[0], COLOURS[1]
_MEANING = {
    "as expected": "as expected: uniform over the replications",
    "too central": "too central: too often in the middle of the replications",
    "too scattered": "too scattered: too often in the tails of the replications",
    "too high": "too high: too often above the median of the replications",
    "too low": "too low: too often below the median of the replications",
}

# Of the band of a calibrated method, and of the coverage in the legend.
PROB = 0.9
_LEVELS = np.linspace(0, 1, 101)


def plot_predictive_check(check: PredictiveCheck, benchmarks: Sequence[str] | None = None) -> Figure:
    """Draw `plot_pit` for several benchmarks on a page; the first 24 unless `benchmarks` names them.

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
    labels = f"{_LABELS[0]}\n{_CAPTION}{more}", _LABELS[1]
    return panels(names, lambda name, ax: _draw_pit(check, name, ax), labels, size=(3.5, 2.5), sharex=True, sharey=True)


def plot_pit(check: PredictiveCheck, benchmark: str, ax: Axes | None = None) -> Axes:
    """Plot the ECDF of a benchmark's PIT values minus the uniform CDF, with its simultaneous band.

    If observed scores and replications have the same distribution, the lines of all benchmarks are inside their bands
    with probability 95% or more (Säilynoja, Bürkner & Vehtari 2022). Below zero on the left and above on the right:
    observed scores are too near the middle of the replications. Above on the left and below on the right: too many are
    in the tails. All below: observed scores are higher than replicated ones.

    Raises
    ------
    ForecastError
        For a benchmark without observed scores.

    Examples
    --------
    >>> from bayescale.plots import plot_pit
    >>> plot_pit(posterior.predictive_check(draws=200), "MMLU").figure.savefig("pit.png")
    """
    ax = _draw_pit(check, benchmark, new_axes(ax, (6.0, 4.0)))
    label_below(ax, _LABELS[0], _CAPTION)
    ax.set_ylabel(_LABELS[1], fontsize=9)
    legend_above(ax, lift=0.07)
    return ax


def _draw_pit(check: PredictiveCheck, benchmark: str, ax: Axes) -> Axes:
    cells = check.cells
    require_names([benchmark], list(dict.fromkeys(cells["benchmark"])), "benchmark in the observed scores")
    pit = cells["pit"][cells["benchmark"] == benchmark].to_numpy()
    points, lower, upper = uniform_band(len(pit), prob=check.band)
    difference = ecdf_difference(pit, points)
    reading = read_pit(pit, prob=check.band)
    colour = _COLOUR if reading == "as expected" else _MISFIT
    label = f"{check.band:.3g} simultaneous band of uniform PIT values"
    ax.fill_between(points, lower, upper, color="#DDDDDD", linewidth=0, zorder=1, label=label)
    ax.axhline(0, color=INK, linewidth=0.8, linestyle="--", zorder=2)
    ax.plot(points, difference, color=colour, linewidth=1.8, zorder=3)
    outside = np.where(out_of_band(pit, prob=check.band), difference, np.nan)
    ax.plot(points, outside, color=colour, linewidth=4.5, solid_capstyle="round", zorder=4)
    ax.plot([], [], color=colour, linewidth=1.8 if reading == "as expected" else 4.5, label=_MEANING[reading])
    ax.set_xlim(0, 1)
    title(ax, benchmark)
    ax.set_title(reading, loc="right", fontsize=9.5, color=colour, weight="bold")
    return ax


def plot_backtest_calibration(
    backtest: Backtest,
    ax: Axes | None = None,
    methods: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
) -> Axes:
    """Plot the coverage of central intervals over their nominal probability.

    A method below the diagonal is overconfident: its intervals are too narrow. Lines of baselines are thin. Coverage is
    computed from the PIT values of `Backtest.cells`.

    Parameters
    ----------
    backtest : Backtest
    ax : matplotlib.axes.Axes, optional
    methods : sequence of str, optional
        Default: all.
    tasks : sequence of str, optional
        Default: the averaged tasks, or all if none is averaged.

    Raises
    ------
    EvaluationError
        For an unknown method or task.

    Examples
    --------
    >>> from bayescale.evaluation.backtest import backtest
    >>> from bayescale.plots import plot_backtest_calibration
    >>> result = backtest(["training_flops", "model_size"], tasks=["leaderboard_v2/gpqa"])
    >>> plot_backtest_calibration(result).figure.savefig("calibration.png")
    """
    from scipy.stats import binom

    names = [t.name for t in backtest.tasks]
    require_names(methods or (), backtest.methods, "method in this backtest", EvaluationError)
    require_names(tasks or (), names, "task in this backtest", EvaluationError)
    cells = backtest.cells[backtest.cells["task"].isin(tasks or backtest.averaged or names)]
    pit = {m: cells["pit"][cells["method"] == m].to_numpy() for m in methods or backtest.methods}
    curves = {method: coverage(values) for method, values in pit.items() if len(values)}
    if not curves:
        raise EvaluationError("These methods made no forecasts for these tasks.")

    ax = new_axes(ax, (7.4, 5.4))
    count = max(map(len, pit.values()))
    low, high = binom.ppf([[(1 - PROB) / 2], [(1 + PROB) / 2]], count, _LEVELS) / count
    ax.fill_between(_LEVELS, low, high, color="#DDDDDD", linewidth=0, zorder=1)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--", zorder=2)
    at = int(np.argmin(np.abs(_LEVELS - PROB)))
    order = [*(m for m in curves if m not in backtest.baselines), *(m for m in curves if m in backtest.baselines)]
    for method in sorted(curves, key=lambda m: -curves[m][at]):
        turn, shade = divmod(order.index(method), len(COLOURS))
        thin = method in backtest.baselines
        ax.plot(
            _LEVELS, curves[method], linewidth=1.1 if thin else 2.8, zorder=3 if thin else 4,
            label=f"{curves[method][at]:.0%}  {method}", color=COLOURS[shade], linestyle=("-", "--", ":")[turn % 3],
        )  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        score_axis(axis)
    band = f"band: {PROB:.0%} interval of a calibrated method, if its {count} outcomes are independent"
    label_below(ax, f"nominal probability of {KIND} intervals", band)
    ax.set_ylabel("observed coverage")
    ax.text(0.03, 0.97, "intervals too wide", transform=ax.transAxes, fontsize=9, color="#666666", va="top")
    ax.text(0.97, 0.03, "intervals too narrow", transform=ax.transAxes, fontsize=9, color="#666666", ha="right")
    legend = ax.legend(
        title=f"coverage of {PROB:.0%} intervals", frameon=False, fontsize=9, title_fontsize=8.5, alignment="left",
        loc="upper left", bbox_to_anchor=(1, 1),
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_fontweight("bold" if text.get_text().split("  ", 1)[1] not in backtest.baselines else "normal")
    return ax


def coverage(pit: np.ndarray) -> np.ndarray:
    """Compute the coverage of central intervals of probability 0 to 1 in steps of 0.01, from PIT values (cell,)."""
    return inside(pit[:, None], _LEVELS).mean(axis=0)
