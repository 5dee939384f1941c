"""Plots of the factors: loadings of the benchmarks, and models in the plane of two capabilities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._intervals import PROB, named, summarise, tails
from bayescale.errors import ForecastError
from bayescale.plots.families import label_paths, mark_families
from bayescale.plots.style import INK, OTHERS, label_below, new_axes, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.analysis.factors import Factors
    from bayescale.methods import Posterior

# Blue to red through white: distinct with any colour vision.
COLOUR_MAP = "RdBu_r"
# Opacity of a cell whose interval includes zero, and the share of the colour scale from which text is white.
UNSURE = 0.3
DARK = 0.62


def plot_loadings(
    posterior: Posterior | Factors, ax: Axes | None = None, *, prob: float = PROB, standardised: bool = False
) -> Axes:
    """Plot the aligned loadings, benchmarks by factors: the median as colour and number, the interval below it.

    Cells whose interval includes zero are pale with grey text. The head of a column is the factor's suggested name and
    its share of the variance over models.

    Parameters
    ----------
    posterior : Posterior or Factors
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the equal-tailed intervals.
    standardised : bool
        Whether to draw `Factors.correlations` between benchmarks and capabilities over models instead of the loadings
        (`Posterior.loadings`), which are in logits per unit of capability.

    Raises
    ------
    ForecastError
        When `prob` is not between 0 and 1.

    Examples
    --------
    >>> from bayescale.plots import plot_loadings
    >>> plot_loadings(posterior).figure.savefig("loadings.png")
    """
    import matplotlib
    from matplotlib.colors import Normalize

    factors: Any = getattr(posterior, "factors", posterior)
    draws = factors.correlations if standardised else factors.loadings
    low, high = tails(prob)
    values = draws.transpose("chain", "draw", "benchmark", "factor").to_numpy()
    lower, middle, upper = np.quantile(values, [low, 0.5, high], axis=(0, 1))
    rows, columns = middle.shape

    ax = new_axes(ax, (2.6 + 1.25 * columns, 1.9 + 0.52 * rows))
    ax.grid(False)
    largest = 1.0 if standardised else max(float(np.abs(middle).max()), 1e-12)
    sure = (lower > 0) | (upper < 0)
    cells = matplotlib.colormaps[COLOUR_MAP](Normalize(-largest, largest)(middle))
    cells[..., 3] = np.where(sure, 1.0, UNSURE)
    ax.imshow(cells, aspect="auto")
    for row, column in np.ndindex(rows, columns):
        strong = bool(sure[row, column] and abs(middle[row, column]) > DARK * largest)
        ink = "white" if strong else INK if sure[row, column] else "#999999"
        at: dict[str, Any] = {"ha": "center", "color": ink}
        ax.text(column, row - 0.02, _number(middle[row, column]), va="bottom", fontsize=10, **at)
        interval = f"[{_number(lower[row, column])}, {_number(upper[row, column])}]"
        ax.text(column, row + 0.06, interval, va="top", fontsize=7, **at)

    heads = [
        "\n".join([label, *re.split(r"(?<= \+) | (?=\()", name), f"{_percent(share)} of variance"])
        for label, name, share in zip(factors.labels, factors.suggested, _shares(factors), strict=True)
    ]
    ax.set_xticks(np.arange(columns), heads, fontsize=8.5)
    ax.xaxis.tick_top()
    ax.set_yticks(np.arange(rows), draws["benchmark"].to_numpy())
    ax.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    ax.grid(True, which="minor", color="white", linewidth=2.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    what = "correlation with capability over models" if standardised else "loading (logits per unit of capability)"
    label_below(ax, what, f"median and {named(prob)} credible interval; pale: the interval includes zero")
    return ax


def _shares(factors: Factors) -> np.ndarray:
    """Return the median share of variance of each factor."""
    return factors.shares.median(("chain", "draw")).to_numpy()


def _number(value: float) -> str:
    """Format with two decimals, and without a minus before zero."""
    return f"{round(float(value), 2) + 0.0:.2f}"


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"


def plot_capability_map(
    posterior: Posterior,
    factors: tuple[int, int] = (0, 1),
    ax: Axes | None = None,
    families: Sequence[str] | None = None,
    *,
    prob: float = PROB,
) -> Axes:
    """Plot the models in the plane of two aligned capabilities, the marked families joined by compute.

    A model is drawn at its posterior median; marked ones have a cross of equal-tailed intervals. A line joins a
    family's models of known compute from the smallest to the largest, with the family's name at one end.

    Parameters
    ----------
    posterior : Posterior
    factors : (int, int)
        Positions in `Factors.labels`: 0 is the factor with the largest share of variance.
    ax : matplotlib.axes.Axes, optional
    families : sequence of str, optional
        Families to mark; default the six with most models. The others are grey.
    prob : float
        Probability content of the crosses.

    Raises
    ------
    ForecastError
        For a factor or a family that the posterior does not have, or `prob` not between 0 and 1.

    Examples
    --------
    >>> from bayescale.plots import plot_capability_map
    >>> plot_capability_map(posterior, factors=(0, 2)).figure.savefig("map.png")
    """
    places = capability_points(posterior, factors, prob)
    marks = mark_families(posterior.evals, families)
    ax = new_axes(ax, (7.6, 6.2))
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
        paths.append((ends[["x", "y"]].to_numpy(), mark))
    label_paths(ax, paths)
    labels, names, shares = posterior.factors.labels, posterior.factors.suggested, _shares(posterior.factors)
    across, up = (f"capability {labels[k]}: {names[k]} ({_percent(shares[k])} of variance)" for k in factors)
    label_below(
        ax,
        across,
        f"markers: posterior medians, with crosses of {named(prob)} credible intervals; lines join a family's "
        "models by compute; unit: sd of models of one family and compute",
    )
    ax.set_ylabel(up, fontsize=9, color=INK)
    title(ax, "Models by two capabilities; grey: other families")
    return ax


def capability_points(posterior: Posterior, factors: tuple[int, int], prob: float) -> pd.DataFrame:
    """Return median and interval of every model on both axes, with ``model, family, flops``."""
    draws = posterior.capabilities().drop_vars("family")
    count = draws.sizes["factor"]
    if count < 2:
        raise ForecastError("A map of capabilities needs two factors; this posterior has one. Use posterior.summary().")
    if len(factors) != 2 or factors[0] == factors[1] or not all(0 <= k < count for k in factors):
        raise ForecastError(f"factors={factors!r} must name two different factors out of 0 to {count - 1}.")
    table = posterior.evals.models[["model", "family", "flops"]].reset_index(drop=True)
    for k, axis in zip(factors, "xy", strict=True):
        ends = summarise(draws.isel(factor=k, drop=True), prob=prob)[["median", "lower", "upper"]]
        table[[axis, f"{axis}_lower", f"{axis}_upper"]] = ends
    return table
