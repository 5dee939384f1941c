"""Families in figures: which are marked, with the same colour and marker in every one, and where their names stand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayescale.errors import ForecastError, suggest
from bayescale.forecast.request import NEW_FAMILY
from bayescale.plots.style import COLOURS, INK, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evals import Evals

MARKED = len(COLOURS)
# A family never seen is none of the coloured ones.
UNSEEN = (INK, "o")
FONT = 9.0
# Where a label may stand, as seen from the end of a path: (right, up), the first ones preferred.
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.6, 1), (0.6, -1), (-0.6, 1), (-0.6, -1))


@dataclass(frozen=True)
class Mark:
    """How a family is drawn."""

    family: str
    colour: str
    marker: str


def mark_families(evals: Evals, families: Sequence[str] | None = None) -> list[Mark]:
    """Colour and marker of the families to mark; by default the six with most models.

    Those six look the same in every figure of the same data; others that are asked for take what the asked-for ones
    among them leave free. `bayescale.NEW_FAMILY` is dark everywhere.

    Raises
    ------
    ForecastError
        For a family that is not in the data.
    """
    styles = list(zip(COLOURS, MARKERS, strict=True))
    usual = dict(zip(evals.largest_families[:MARKED], styles, strict=False))
    chosen = list(usual) if families is None else list(dict.fromkeys(families))
    for family in chosen:
        if family not in evals.families and family != NEW_FAMILY:
            raise ForecastError(suggest(family, evals.families, "family in the fitted data"))
    fixed = {NEW_FAMILY: UNSEEN} | usual
    taken = [fixed[family] for family in chosen if family in fixed]
    free = itertools.cycle([style for style in styles if style not in taken] or styles)
    return [Mark(family, *(fixed[family] if family in fixed else next(free))) for family in chosen]


def label_paths(ax: Axes, paths: list[tuple[np.ndarray, str, str]]) -> None:
    """Write each family at an end of its path, on the side where it covers fewest points and other labels.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With its limits and scales set.
    paths : list of (ndarray (point, 2), str, str)
        Points in data coordinates, name, colour.
    """
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
