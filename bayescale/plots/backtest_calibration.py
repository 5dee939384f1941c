"""Calibration plot of a backtest: observed coverage over nominal probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND
from bayescale.checks.pit import inside
from bayescale.errors import EvaluationError, suggest
from bayescale.plots.style import COLOURS, INK, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evaluation.backtest import Backtest

BAND = 0.9
_LEVELS = np.linspace(0, 1, 101)


def plot_backtest_calibration(
    backtest: Backtest,
    ax: Axes | None = None,
    methods: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
) -> Axes:
    """Plot the coverage of central intervals over their nominal probability.

    A line below the diagonal is overconfident: its intervals are too narrow. Baselines have thin lines. Coverage is
    computed from the PIT values of `Backtest.cells`.

    Parameters
    ----------
    backtest : Backtest
    ax : matplotlib.axes.Axes, optional
    methods : sequence of str, optional
        Default: all.
    tasks : sequence of str, optional
        Default: the averaged tasks, or all if none is averaged.

    Returns
    -------
    matplotlib.axes.Axes

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

    methods = list(methods or backtest.methods)
    for name in methods:
        if name not in backtest.methods:
            raise EvaluationError(suggest(name, backtest.methods, "method in this backtest"))
    names = [t.name for t in backtest.tasks]
    for name in tasks or ():
        if name not in names:
            raise EvaluationError(suggest(name, names, "task in this backtest"))
    chosen = backtest.cells[backtest.cells["task"].isin(tasks or backtest.averaged or names)]
    pit = {m: chosen["pit"][chosen["method"] == m].to_numpy() for m in methods}
    curves = {method: coverage(values) for method, values in pit.items() if len(values)}
    if not curves:
        raise EvaluationError("These methods made no forecasts for these tasks.")

    ax = plain(new_axes(ax, (7.4, 5.4)))
    count = max(map(len, pit.values()))
    low, high = binom.ppf([[(1 - BAND) / 2], [(1 + BAND) / 2]], count, _LEVELS) / count
    ax.fill_between(_LEVELS, low, high, color="#DDDDDD", linewidth=0, zorder=1)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--", zorder=2)
    at = int(np.argmin(np.abs(_LEVELS - 0.9)))
    styles = _styles([m for m in curves if m not in backtest.baselines], [m for m in curves if m in backtest.baselines])
    for method in sorted(curves, key=lambda m: -curves[m][at]):
        ax.plot(_LEVELS, curves[method], label=f"{curves[method][at]:.0%}  {method}", **styles[method])
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        score_axis(axis)
    band = f"band: {BAND:.0%} interval of a calibrated method, if its {count} outcomes are independent"
    label_below(ax, f"nominal probability of {KIND} intervals", band)
    ax.set_ylabel("observed coverage")
    ax.text(0.03, 0.97, "intervals too wide", transform=ax.transAxes, fontsize=9, color="#666666", va="top")
    ax.text(0.97, 0.03, "intervals too narrow", transform=ax.transAxes, fontsize=9, color="#666666", ha="right")
    legend = ax.legend(
        title="coverage of 90% intervals", frameon=False, fontsize=9, title_fontsize=8.5, alignment="left",
        loc="upper left", bbox_to_anchor=(1, 1),
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_fontweight("bold" if text.get_text().split("  ", 1)[1] not in backtest.baselines else "normal")
    return ax


def _styles(specs: list[str], baselines: list[str]) -> dict[str, dict[str, Any]]:
    """Return a distinct line style per method: thick for specs, thin for baselines."""
    styles: dict[str, dict[str, Any]] = {}
    for i, method in enumerate([*specs, *baselines]):
        turn, shade = divmod(i, len(COLOURS))
        thin = method in baselines
        styles[method] = {
            "color": COLOURS[shade],
            "linestyle": ("-", "--", ":")[turn % 3],
            "linewidth": 1.1 if thin else 2.8,
            "zorder": 3 if thin else 4,
        }
    return styles


def coverage(pit: np.ndarray) -> np.ndarray:
    """Compute the coverage of the central interval of each probability, 0 to 1 in steps of 0.01.

    Parameters
    ----------
    pit : ndarray (cell,)
        Probability integral transforms.
    """
    return inside(pit[:, None], _LEVELS).mean(axis=0)
