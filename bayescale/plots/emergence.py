"""Emergence: a family's expected score over compute, all models' scores on it, and where it crosses a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale.decades import ALONG, Along
from bayescale.emergence import say_flops
from bayescale.forecast.request import LARGEST
from bayescale.intervals import KIND, PROB, tails
from bayescale.plots.families import mark_families
from bayescale.plots.style import INK, OTHERS, flop_axis, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bayescale.emergence import Emergence, Score
    from bayescale.evals import Evals

POINTS = 60


def plot_emergence(
    emergence: Emergence,
    score: Score = None,
    hidden: Evals | pd.DataFrame | None = None,
    ax: Axes | None = None,
    prob: float = PROB,
    along: Along = ALONG,
) -> Axes:
    """Draw the expected score of the family's typical model over compute, with 50% and `prob` equal-tailed bands.

    Every observed score stands at the compute with which the family gets as far as its model, by the model's own
    capability (posterior median, `Emergence.observed`): scores of all families fall near one curve. The threshold is
    marked where the curve crosses it, with its interval.

    Parameters
    ----------
    emergence : Emergence
    score : float or "half way", optional
        The threshold; default half way from floor to ceiling.
    hidden : Evals or pandas.DataFrame, optional
        Scores that were not fitted (``model, benchmark, score``), drawn with a marker of their own.
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the wide band and of the interval of the threshold.
    along : {"capabilities", "benchmarks"}
        How equivalent compute is measured, see `Efficiency`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    EmergenceError
        For a score that is no threshold, or hidden scores of models that are not in the fitted data.

    Examples
    --------
    >>> from bayescale.plots import plot_emergence
    >>> plot_emergence(posterior.emergence("GSM8K", "Llama-2"), score=0.5)  # doctest: +SKIP
    """
    seen = emergence.observed(along=along)
    unseen = None if hidden is None else emergence.observed(hidden, along)
    low, middle, high = emergence.quantiles(score, "typical", prob)
    height = emergence.half_way if score is None or isinstance(score, str) else float(score)
    (mark,) = mark_families(emergence.posterior.evals, [emergence.family])

    ax = plain(new_axes(ax, (7.2, 4.8)))
    shown = seen["equivalent_flops"] if unseen is None else [*seen["equivalent_flops"], *unseen["equivalent_flops"]]
    ends = [float(np.min(shown)), float(np.max(shown))]
    if middle < LARGEST["flops"]:
        ends += [middle * 3]
    grid = np.geomspace(max(min(ends) / 2, 1.0), max(ends) * 2, POINTS)
    curve = emergence.expected_scores(grid)
    for content, alpha in ((prob, 0.13), (0.5, 0.25)):
        edges = np.quantile(curve.to_numpy(), tails(content), axis=(0, 1))
        ax.fill_between(grid, *edges, color=mark.colour, alpha=alpha, linewidth=0, zorder=1)
    line = f"typical {emergence.family} model"
    ax.plot(grid, np.median(curve, axis=(0, 1)), color=mark.colour, linewidth=2, zorder=3, label=line)
    own = seen["family"] == emergence.family
    dots: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.5}
    rest, mine = seen[~own], seen[own]
    ax.scatter(rest["equivalent_flops"], rest["score"], s=18, color=OTHERS, label="other families", zorder=2, **dots)
    style: dict[str, Any] = {"color": mark.colour, "marker": mark.marker, "label": emergence.family, "zorder": 5}
    ax.scatter(mine["equivalent_flops"], mine["score"], s=44, **style, **dots)
    if unseen is not None:
        hollow: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 1.2}
        ax.scatter(
            unseen["equivalent_flops"], unseen["score"], s=36, marker="o", label="not fitted", zorder=4, **hollow
        )
    flop_axis(ax)
    ax.set_xlim(grid[0], grid[-1])
    _threshold(ax, (low, middle, high), height, prob)
    ax.set_ylim(0, 1.03)
    score_axis(ax.yaxis)
    label_below(
        ax,
        f"{emergence.family}-equivalent training compute (FLOP)",
        f"bands: 50% and {prob:.0%} {KIND} credible intervals of the typical model's expected score; "
        f"bar: {prob:.0%} interval of where it crosses {height:.0%}",
    )
    ax.set_ylabel(f"{emergence.benchmark} score")
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    title = f"{emergence.benchmark} over compute, other families at their {emergence.family}-equivalent"
    ax.set_title(title, loc="left", fontsize=10.5, color=INK)
    return ax


def _threshold(ax: Axes, crossing: tuple[float, float, float], height: float, prob: float) -> None:
    """Mark where the curve crosses: a bar from the lower to the upper end, cut off at the edge of the picture."""
    left, right = ax.get_xlim()
    low, middle, high = crossing
    ax.axhline(height, color=INK, linewidth=0.8, linestyle=":", zorder=1)
    start = min(max(low, left), right)
    ax.hlines(height, start, min(high, right), color=INK, linewidth=2.2, zorder=6, label="_threshold")
    if left <= middle <= right:
        ax.plot(middle, height, "|", color=INK, markersize=16, markeredgewidth=2.2, zorder=7, label="_crossing")
    ax.annotate(
        f"{height:.0%} at {say_flops(middle)} FLOP\n{prob:.0%}: {say_flops(low)} to {say_flops(high)}", (start, height),
        xytext=(-6, 4), textcoords="offset points", ha="right", va="bottom", fontsize=9, color=INK, weight="bold",
        zorder=7, bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.6, "linewidth": 0},
    )  # fmt: skip
