"""Colour and marker of each family, the same in every figure, and labels of families at the ends of their paths."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayescale.errors import require_names
from bayescale.forecast.query import NEW_FAMILY
from bayescale.plots.style import COLOURS, INK, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evals import Evals

MARKED = len(COLOURS)
FONT = 9.0
# Where a label may stand relative to the end of a path: (right, up), in order of preference.
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.6, 1), (0.6, -1), (-0.6, 1), (-0.6, -1))


@dataclass(frozen=True)
class Mark:
    """How a family is drawn."""

    family: str
    colour: str
    marker: str


def mark_families(evals: Evals, families: Sequence[str] | None = None) -> list[Mark]:
    """Return colour and marker of `families`; by default of the six with most models.

    They depend on the rank of a family in the data by number of models, and are the same in every figure, unless a
    larger family of the figure has the colour or the marker: then the family takes the next free one.
    `bayescale.NEW_FAMILY` is always dark.

    Raises
    ------
    ForecastError
        For a family that is not in the data.
    """
    ranked = evals.largest_families
    chosen = ranked[:MARKED] if families is None else list(dict.fromkeys(families))
    require_names((family for family in chosen if family != NEW_FAMILY), ranked, "family in the fitted data")
    marks = {NEW_FAMILY: Mark(NEW_FAMILY, INK, "o")}
    used: Counter[str] = Counter()
    for family in sorted((family for family in chosen if family != NEW_FAMILY), key=ranked.index):
        place = ranked.index(family)
        # Each round of markers starts one further on, so that 72 families differ in colour or marker.
        look = _free(COLOURS, place, used), _free(MARKERS, place + place // len(MARKERS), used)
        used.update(look)
        marks[family] = Mark(family, *look)
    return [marks[family] for family in chosen]


def _free(values: tuple[str, ...], start: int, used: Counter[str]) -> str:
    """Return the value at `start` or, of those after it, the first among the least used."""
    start %= len(values)
    return min(values[start:] + values[:start], key=used.__getitem__)


def label_paths(ax: Axes, paths: list[tuple[np.ndarray, Mark]], others: np.ndarray | None = None) -> None:
    """Write each family at an end of its path, on the side where it covers fewest points and other labels.

    Paths are points (point, 2) in data coordinates, as are `others`, which labels avoid too; `ax` must have its final
    limits and scales.
    """
    if not paths:
        return
    pixels = [ax.transData.transform(path) for path, _ in paths]
    points = np.vstack(pixels if others is None else [*pixels, ax.transData.transform(others)])
    inside = ax.bbox.get_points()
    boxes: list[np.ndarray] = []
    per_point = ax.figure.dpi / 72
    for (path, mark), place in zip(paths, pixels, strict=True):
        size = np.array([0.66 * FONT * len(mark.family), 1.3 * FONT]) * per_point
        tried = []
        for end, (right, up) in itertools.product((-1, 0), SIDES):
            shift = np.array([right * (size[0] / 2 + 7 * per_point), up * (size[1] / 2 + 6 * per_point)])
            box = np.array([place[end] + shift - size / 2, place[end] + shift + size / 2])
            covered = int(np.sum(np.all((points > box[0]) & (points < box[1]), axis=1)))
            covered += 2 * sum(bool(np.all((box[0] < other[1]) & (other[0] < box[1]))) for other in boxes)
            covered += 4 * bool(np.any(box[0] < inside[0]) or np.any(box[1] > inside[1]))
            tried.append((covered, end, shift / per_point, box))
        _, end, shift, box = min(tried, key=lambda t: t[0])
        boxes.append(box)
        ax.annotate(
            mark.family, path[end], xytext=tuple(shift), textcoords="offset points", ha="center", va="center",
            color=mark.colour, weight="bold", fontsize=FONT, zorder=6,
            bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.6, "linewidth": 0},
        )  # fmt: skip
