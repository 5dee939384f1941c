"""Colours, axes, captions and legends that all figures share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's palette, distinct in print and with any colour vision; black and yellow are left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("D", "s", "^", "v", "P", "X", "<", ">", "p", "d", "h", "8")
OTHERS = "#B8B8B8"
INK = "#222222"
# Inches: an average letter at the size of captions, the handle of a legend entry with the spaces around it, and a label
# such as 10^25 with the space to the next one.
LETTER, HANDLE, POWER = 0.064, 0.62, 0.36


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure, in the plain style."""
    import matplotlib.pyplot as plt

    return plain(plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax)


def plain(ax: Axes) -> Axes:
    """Remove top and right spines, and use a light grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#E6E6E6", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def literal_names(plot: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plot with names as they are: Matplotlib takes what is between dollar signs for mathematics."""

    @wraps(plot)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        from matplotlib.axes import Axes

        given = [a.get_figure(root=True) for a in (*args, *kwargs.values()) if isinstance(a, Axes)]
        theirs = [text for figure in given for text in _texts(figure) if "$" in text.get_text()]
        result = plot(*args, **kwargs)
        for text in _texts(result.get_figure(root=True)):
            if text not in theirs:
                text.set_parse_math(False)
        return result

    return drawn


def _texts(figure: Any) -> Iterator[Any]:
    """Yield the texts of a figure, but for labels that Matplotlib makes of numbers, which are mathematics."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    numbers = set()
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if not isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter):
            numbers.update(axis.get_ticklabels(which="both"))
    yield from (text for text in figure.findobj(Text) if text not in numbers)


def score_axis(axis: Any) -> None:
    """Show scores as percentages, with ticks at whole ones: 77.5% would be labelled 78%."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def flop_axis(ax: Axes) -> None:
    """Use a logarithmic x axis for compute: labels at as many powers of ten as fit, with minor ticks between."""
    from matplotlib.ticker import LogLocator

    ax.set_xscale("log")
    # By default, matplotlib labels every second power in small panels, and omits the minor ticks with the others.
    ax.xaxis.set_major_locator(LogLocator(10, numticks=max(int(_inches(ax) / POWER), 3)))
    ax.xaxis.set_minor_locator(LogLocator(10, subs=range(2, 10), numticks=99))
    ax.tick_params(axis="x", which="minor", length=1.5)


def _inches(ax: Axes) -> float:
    return ax.get_window_extent().width / ax.get_figure(root=True).dpi  # type: ignore[union-attr]


def label_below(ax: Axes, *lines: str) -> None:
    """Label the x axis, with the caption below it, in lines that fit the width of the axes."""
    letters = max(int(_inches(ax) / LETTER), 20)
    broken = [part for line in lines for part in wrap(line, letters, break_long_words=False)]
    ax.set_xlabel("\n".join(broken), fontsize=9, color=INK)


def title(ax: Axes, text: str, **options: Any) -> None:
    """Write a title at the left."""
    ax.set_title(text, loc="left", fontsize=10.5, color=INK, **options)


def legend_inside(ax: Axes) -> None:
    """Write the legend at the upper left, above curves that rise."""
    ax.legend(frameon=False, fontsize=8, loc="upper left")


def legend_above(ax: Axes, above: str = "", lift: float = 0.0) -> None:
    """Write the legend in rows above the axes and `lift` (a share of their height), and the title `above` it."""
    entries = ax.get_legend_handles_labels()[1]
    columns = legend_columns(entries, _inches(ax) * 9 / 8)  # its letters are smaller than those of captions
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1 + lift), ncols=columns, borderpad=0.2)
    if above:
        title(ax, above, pad=10 + 14 * -(-len(entries) // columns))


def legend_columns(entries: Sequence[str], inches: float) -> int:
    """Return how many columns of a legend fit: each is as wide as its longest entry."""
    columns = max(len(entries), 1)
    while columns > 1:
        parts = np.array_split(np.asarray(entries), columns)
        if sum(HANDLE + LETTER * max(map(len, part)) for part in parts) <= inches:
            break
        columns -= 1
    return columns
