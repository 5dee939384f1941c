"""A page of panels: one small axes for each benchmark or task, with one legend for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale.plots.style import LETTER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT = 9
# Inches that the handle of an entry takes in the legend, with the spaces around it.
HANDLE = 0.62


def panels(
    names: Sequence[str],
    draw: Callable[[str, Axes], object],
    labels: tuple[str, str],
    size: tuple[float, float] = (3.5, 2.9),
    columns: int = 4,
    **shared: Any,
) -> Figure:
    """Lay panels out in rows, draw each, and write the legend and the labels of the axes once.

    Parameters
    ----------
    names : sequence of str
        One for each panel.
    draw : callable
        ``draw(name, ax)`` draws one panel.
    labels : (str, str)
        Below and to the left of all panels; lines below the first one hold the caption.
    size : (float, float)
        Width and height of a panel, inches.
    columns : int
        Panels in a row, at most.
    **shared
        ``sharex``, ``sharey``, as `matplotlib.pyplot.subplots` takes them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import matplotlib.pyplot as plt

    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    width = size[0] * columns
    figure, axes = plt.subplots(rows, columns, layout="constrained", squeeze=False, **shared)
    for name, ax in zip(names, axes.flat, strict=False):
        draw(name, ax)
    for ax in axes.flat[len(names) :]:
        ax.remove()
    # Panels above those that are missing in the last row would be left without ticks.
    for ax in axes.flat[max(len(names) - columns, 0) : len(names)]:
        ax.tick_params(labelbottom=True)
    entries = {
        label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    side = _room(list(entries), width)
    lines = -(-len(entries) // side) + sum(label.count("\n") + 1 for label in labels[:1])
    figure.set_size_inches(width, size[1] * rows + 0.22 * lines)
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside upper left", ncols=side, frameon=False, fontsize=9)
    figure.supxlabel(labels[0], fontsize=FONT)
    if labels[1]:
        figure.supylabel(labels[1], fontsize=FONT)
    return figure


def _room(entries: list[str], width: float) -> int:
    """How many entries of a legend stand side by side: columns of it are as wide as their longest entry."""
    side = max(len(entries), 1)
    while side > 1 and sum(HANDLE + LETTER * max(map(len, c)) for c in np.array_split(entries, side)) > width:
        side -= 1
    return side


def first(
    known: Sequence[str], chosen: Sequence[str] | None, most: int, what: str = "benchmarks"
) -> tuple[list[str], str]:
    """The panels to draw, and a note for the caption where there are more.

    Examples
    --------
    >>> first(["a", "b", "c"], None, 2)
    (['a', 'b'], '; the first 2 of 3 benchmarks')
    >>> first(["a", "b", "c"], ["c"], 2)
    (['c'], '')
    """
    if chosen:
        return list(chosen), ""
    note = f"; the first {most} of {len(known)} {what}" if len(known) > most else ""
    return list(known[:most]), note
