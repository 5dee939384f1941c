"""Families in figures: which are marked, with the same colour and marker in every one, and where their names stand."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayescale.errors import ForecastError, suggest
from bayescale.forecast.query import NEW_FAMILY
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

    Each family has a colour and a marker of its own, by its place among the families of the data, largest first, and
    the largest six look the same in every figure. Where two families of one figure would share a colour or a marker,
    the smaller one takes the next that is free. `bayescale.NEW_FAMILY` is dark everywhere.

    Raises
    ------
    ForecastError
        For a family that is not in the data.
    """
    ranked = evals.largest_families
    chosen = ranked[:MARKED] if families is None else list(dict.fromkeys(families))
    for family in chosen:
        if family not in ranked and family != NEW_FAMILY:
            raise ForecastError(suggest(family, ranked, "family in the fitted data"))
    known = sorted((family for family in chosen if family != NEW_FAMILY), key=ranked.index)
    marks = {NEW_FAMILY: Mark(NEW_FAMILY, *UNSEEN)}
    used: Counter[str] = Counter()
    taken: set[tuple[str, str]] = set()

    def price(look: tuple[str, str]) -> tuple[int, bool]:
        return used[look[0]] + used[look[1]], look in taken

    for family in known:
        place = ranked.index(family)
        # Each round of colours meets the markers one further on, so that 36 families differ in one or the other.
        own = _turned(COLOURS, place), _turned(MARKERS, place + place // len(COLOURS))
        look = min(itertools.product(*own), key=price)  # the first among equals
        used.update(look)
        taken.add(look)
        marks[family] = Mark(family, *look)
    return [marks[family] for family in chosen]


def _turned(values: tuple[str, ...], start: int) -> tuple[str, ...]:
    start %= len(values)
    return values[start:] + values[:start]


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
            covered = int(np.sum(np.all((points > box[0]) & (points < box[1]), axis=1)))
            covered += 2 * sum(bool(np.all((box[0] < other[1]) & (other[0] < box[1]))) for other in boxes)
            tried.append((int(covered), end, shift / per_point, box))
        _, end, shift, box = min(tried, key=lambda t: t[0])
        boxes.append(box)
        ax.annotate(
            family, path[end], xytext=tuple(shift), textcoords="offset points", ha="center", va="center", color=colour,
            weight="bold", fontsize=FONT, zorder=6,
            bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.6, "linewidth": 0},
        )  # fmt: skip
