"""Models in the space of two capabilities, a path for each family."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale.errors import ForecastError, suggest
from bayescale.intervals import KIND, PROB, tails
from bayescale.plots.style import COLOURS, INK, MARKERS, OTHERS, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.posterior import Posterior

MARKED = len(COLOURS)
FONT = 9.0
# Where a label may stand, as seen from the end of a path: (right, up), the first ones preferred.
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.6, 1), (0.6, -1), (-0.6, 1), (-0.6, -1))


def plot_capability_map(
    posterior: Posterior,
    factors: tuple[int, int] = (0, 1),
    ax: Axes | None = None,
    families: Sequence[str] | None = None,
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
    >>> plot_capability_map(posterior, factors=(0, 2))  # doctest: +SKIP
    """
    places = _points(posterior, factors, prob)
    sizes = places["family"].value_counts()
    marked = list(sizes.index[:MARKED]) if families is None else list(families)
    for family in marked:
        if family not in sizes.index:
            raise ForecastError(suggest(family, sizes.index, "family in the fitted data"))

    ax = plain(new_axes(ax, (7.6, 6.2)))
    rest = places[~places["family"].isin(marked)]
    ax.scatter(rest["x"], rest["y"], s=12, color=OTHERS, linewidth=0, zorder=2, label="other families")
    paths = []
    for i, family in enumerate(marked):
        mine = places[places["family"] == family]
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        crosses: dict[str, Any] = {"color": colour, "linewidth": 0.8, "alpha": 0.35, "zorder": 3}
        ax.hlines(mine["y"], mine["x_lower"], mine["x_upper"], **crosses)
        ax.vlines(mine["x"], mine["y_lower"], mine["y_upper"], **crosses)
        path = mine[mine["flops"].notna()].sort_values("flops")
        ax.plot(path["x"], path["y"], color=colour, linewidth=1.3, zorder=4)
        style: dict[str, Any] = {"color": colour, "marker": marker, "edgecolor": "white", "linewidth": 0.6}
        ax.scatter(mine["x"], mine["y"], s=46, zorder=5, label=family, **style)
        ends = path if len(path) else mine.sort_values("x")
        paths.append((ends[["x", "y"]].to_numpy(), family, colour))
    _label(ax, paths)
    labels, names = posterior.factors.labels, posterior.factors.suggested
    shares = posterior.factors.shares.median(("chain", "draw")).to_numpy()
    titles = [f"{labels[k]}: {names[k]} ({shares[k]:.0%} of variance)" for k in factors]
    ax.set_xlabel(f"capability {titles[0]}", color=INK)
    ax.set_ylabel(f"capability {titles[1]}", color=INK)
    ax.set_title(
        f"medians, crosses of {prob:.0%} {KIND} credible intervals; lines join a family's models by compute;\n"
        "unit: sd of models of one family and compute; grey: other families",
        loc="left", fontsize=8.5, color=INK,
    )  # fmt: skip
    return ax


def _points(posterior: Posterior, factors: tuple[int, int], prob: float) -> pd.DataFrame:
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


def _label(ax: Axes, paths: list[tuple[np.ndarray, str, str]]) -> None:
    """Write each family at an end of its path, on the side where it covers fewest points and other labels."""
    pixels = [ax.transData.transform(path) for path, _, _ in paths]
    if not paths:
        return
    points = np.vstack(pixels)
    boxes: list[np.ndarray] = []
    per_point = ax.figure.dpi / 72
    for (path, family, colour), place in zip(paths, pixels, strict=True):
        size = np.array([0.66 * FONT * len(family), 1.3 * FONT]) * per_point
        tried = []
        for end, (right, up) in itertools.product((-1, 0), SIDES):
            shift = np.array([right * (size[0] / 2 + 7 * per_point), up * (size[1] / 2 + 6 * per_point)])
            box = np.array([place[end] + shift - size / 2, place[end] + shift + size / 2])
            covered = np.sum(np.all((points > box[0]) & (points < box[1]), axis=1))
            covered += 2 * sum(bool(np.all((box[0] < other[1]) & (other[0] < box[1]))) for other in boxes)
            tried.append((int(covered), end, shift / per_point, box))
        _, end, shift, box = min(tried, key=lambda t: t[0])
        boxes.append(box)
        ax.annotate(
            family, path[end], xytext=tuple(shift), textcoords="offset points", ha="center", va="center", color=colour,
            weight="bold", fontsize=FONT, zorder=6,
            bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.6, "linewidth": 0},
        )  # fmt: skip
