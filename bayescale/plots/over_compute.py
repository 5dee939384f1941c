"""Shared parts of plots over compute for one family: bands of a curve, points of models, a crossing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import tails
from bayescale.analysis.emergence import say_flops
from bayescale.plots.families import Mark
from bayescale.plots.style import INK, OTHERS, flop_axis

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.evals import Evals

POINTS = 60


def compute_grid(evals: Evals, *shown: float | pd.Series) -> np.ndarray:
    """Compute from half of the least shown to twice the most, FLOP; where nothing is shown, that of all models."""
    values = np.concatenate([np.atleast_1d(np.asarray(part, float)) for part in shown])
    values = values if len(values) else evals.models["flops"].dropna().to_numpy(float)
    return np.geomspace(max(values.min() / 2, 1.0), values.max() * 2, POINTS)


def draw_bands(ax: Axes, curve: xr.DataArray, mark: Mark, label: str, prob: float) -> None:
    """Draw the median of a curve (chain, draw, flops) over compute, with 50% and `prob` equal-tailed bands."""
    grid = curve["flops"].to_numpy()
    for content, alpha in ((prob, 0.13), (0.5, 0.25)):
        edges = np.quantile(curve.to_numpy(), tails(content), axis=(0, 1))
        ax.fill_between(grid, *edges, color=mark.colour, alpha=alpha, linewidth=0, zorder=1)
    ax.plot(grid, np.median(curve, axis=(0, 1)), color=mark.colour, linewidth=2, zorder=3, label=label)
    flop_axis(ax)
    ax.set_xlim(grid[0], grid[-1])


def draw_models(ax: Axes, seen: pd.DataFrame, unseen: pd.DataFrame | None, height: str, mark: Mark) -> None:
    """Draw models at their equivalent compute: the family's, others, and those that were not fitted, hollow.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    seen, unseen : pandas.DataFrame
        Columns ``family, equivalent_flops`` and `height`.
    height : str
        Name of the column to draw.
    mark : Mark
        Of the family.
    """
    dots: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.5}
    own = seen["family"] == mark.family
    rest, mine = seen[~own], seen[own]
    ax.scatter(rest["equivalent_flops"], rest[height], s=18, color=OTHERS, label="other families", zorder=2, **dots)
    style: dict[str, Any] = {"color": mark.colour, "marker": mark.marker, "label": mark.family, "zorder": 5}
    ax.scatter(mine["equivalent_flops"], mine[height], s=44, **style, **dots)
    if unseen is not None:
        hollow: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 1.2}
        ax.scatter(unseen["equivalent_flops"], unseen[height], s=36, marker="o", label="not fitted", zorder=4, **hollow)


def mark_crossing(ax: Axes, crossing: tuple[float, float, float], height: float, prob: float) -> None:
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
