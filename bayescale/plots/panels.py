"""A page of panels: one small axes for each benchmark or task, with one legend for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bayescale.plots.style import legend_columns, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Panels of a page, unless the caller names them.
PANELS = 12


def panels(
    names: Sequence[str],
    draw: Callable[[str, Axes], object],
    labels: tuple[str, str],
    size: tuple[float, float] = (3.5, 2.9),
    columns: int = 4,
    **shared: Any,
) -> Figure:
    """Lay out panels in rows, with one legend and one pair of axis labels for all of them.

    ``draw(name, ax)`` draws one panel of `size` (inches); at most `columns` stand in a row. `labels` go below, with the
    caption in further lines, and to the left. `shared` are ``sharex`` and ``sharey`` of `matplotlib.pyplot.subplots`.
    """
    import matplotlib.pyplot as plt

    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    width = size[0] * columns
    shape: dict[str, Any] = {"figsize": (width, size[1] * rows), "layout": "constrained", "squeeze": False}
    figure, axes = plt.subplots(rows, columns, **shape, **shared)
    for name, ax in zip(names, axes.flat, strict=False):
        draw(name, plain(ax))
    for ax in axes.flat[len(names) :]:
        ax.remove()
    # With shared axes, panels above an empty place of the last row would have no tick labels.
    for ax in axes.flat[max(len(names) - columns, 0) : len(names)]:
        ax.tick_params(labelbottom=True)
    entries = {
        label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    across = legend_columns(list(entries), width)
    lines = -(-len(entries) // across) + labels[0].count("\n") + 1
    figure.set_size_inches(width, size[1] * rows + 0.22 * lines)
    if entries:
        style: dict[str, Any] = {"loc": "outside upper left", "ncols": across, "frameon": False, "fontsize": 9}
        figure.legend(entries.values(), entries.keys(), **style)
    figure.supxlabel(labels[0], fontsize=9)
    figure.supylabel(labels[1], fontsize=9)
    return figure


def first(known: Sequence[str], chosen: Sequence[str] | None, most: int = PANELS) -> tuple[list[str], str]:
    """Return the benchmarks to draw, and a note for the caption if there are more.

    Examples
    --------
    >>> first(["a", "b", "c"], None, 2)
    (['a', 'b'], '; the first 2 of 3 benchmarks')
    >>> first(["a", "b", "c"], ["c"], 2)
    (['c'], '')
    """
    if chosen:
        return list(chosen), ""
    return list(known[:most]), f"; the first {most} of {len(known)} benchmarks" if len(known) > most else ""
