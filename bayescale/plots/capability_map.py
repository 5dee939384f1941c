"""Models in the space of two capabilities, a path for each family."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._intervals import KIND, PROB, tails
from bayescale.errors import ForecastError
from bayescale.plots.families import label_paths, mark_families
from bayescale.plots.style import INK, OTHERS, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.methods import Posterior

# Letters that a line of the title has room for.
LETTERS = 100


def plot_capability_map(
    posterior: Posterior,
    factors: tuple[int, int] = (0, 1),
    ax: Axes | None = None,
    families: Sequence[str] | None = None,
    *,
    prob: float = PROB,
) -> Axes:
    """Draw the models in the plane of two aligned capabilities, the marked families joined by compute.

    A model is its posterior median; marked ones have a cross of equal-tailed intervals. A family's models of known
    compute are joined from the smallest to the largest; its name stands at an end.

    Parameters
    ----------
    posterior : Posterior
    factors : (int, int)
        Which factors, by place in `Factors.labels`: 0 is the one with the largest share of variance.
    ax : matplotlib.axes.Axes, optional
    families : sequence of str, optional
        Families to mark; default the six with most models. The others are grey.
    prob : float
        Probability content of the crosses.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ForecastError
        For a factor or a family that the posterior does not hold, or `prob` not between 0 and 1.

    Examples
    --------
    >>> from bayescale.plots import plot_capability_map
    >>> plot_capability_map(posterior, factors=(0, 2)).figure.savefig("map.png")
    """
    places = capability_points(posterior, factors, prob)
    marks = mark_families(posterior.evals, families)
    ax = plain(new_axes(ax, (7.6, 6.2)))
    rest = places[~places["family"].isin([mark.family for mark in marks])]
    ax.scatter(rest["x"], rest["y"], s=12, color=OTHERS, linewidth=0, zorder=2, label="other families")
    paths = []
    for mark in marks:
        mine = places[places["family"] == mark.family]
        crosses: dict[str, Any] = {"color": mark.colour, "linewidth": 0.8, "alpha": 0.35, "zorder": 3}
        ax.hlines(mine["y"], mine["x_lower"], mine["x_upper"], **crosses)
        ax.vlines(mine["x"], mine["y_lower"], mine["y_upper"], **crosses)
        path = mine[mine["flops"].notna()].sort_values("flops")
        ax.plot(path["x"], path["y"], color=mark.colour, linewidth=1.3, zorder=4)
        style: dict[str, Any] = {"color": mark.colour, "marker": mark.marker, "edgecolor": "white", "linewidth": 0.6}
        ax.scatter(mine["x"], mine["y"], s=46, zorder=5, label=mark.family, **style)
        ends = path if len(path) else mine.sort_values("x")
        paths.append((ends[["x", "y"]].to_numpy(), mark.family, mark.colour))
    label_paths(ax, paths)
    labels, names = posterior.factors.labels, posterior.factors.suggested
    shares = posterior.factors.shares.median(("chain", "draw")).to_numpy()
    titles = [f"{labels[k]}: {names[k]} ({shares[k]:.0%} of variance)" for k in factors]
    ax.set_xlabel(f"capability {titles[0]}", color=INK)
    ax.set_ylabel(f"capability {titles[1]}", color=INK)
    said = (
        f"medians, crosses of {prob:.0%} {KIND} credible intervals; lines join a family's "
        "models by compute; unit: sd of models of one family and compute; grey: other families"
    )
    ax.set_title("\n".join(wrap(said, LETTERS)), loc="left", fontsize=8.5, color=INK)
    return ax


def capability_points(posterior: Posterior, factors: tuple[int, int], prob: float) -> pd.DataFrame:
    """Median and interval of every model on both axes, with family and compute (FLOP)."""
    draws = posterior.capabilities().transpose("chain", "draw", "model", "factor")
    count = draws.sizes["factor"]
    if count < 2:
        raise ForecastError("A map of capabilities needs two factors; this posterior has one. Use posterior.summary().")
    if len(factors) != 2 or factors[0] == factors[1] or not all(0 <= k < count for k in factors):
        raise ForecastError(f"factors={factors!r} must name two different factors out of 0 to {count - 1}.")
    lower, upper = tails(prob)
    values = draws.to_numpy()[..., list(factors)]
    low, middle, high = np.quantile(values, [lower, 0.5, upper], axis=(0, 1))
    table = posterior.evals.models[["model", "family", "flops"]].reset_index(drop=True)
    for k, axis in enumerate("xy"):
        table[axis], table[f"{axis}_lower"], table[f"{axis}_upper"] = middle[:, k], low[:, k], high[:, k]
    return table
