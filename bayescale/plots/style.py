"""Colours and axes that all figures share."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's palette, told apart in print and with any colour vision; black and yellow are left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("D", "s", "^", "v", "P", "X")
OTHERS = "#B8B8B8"
INK = "#222222"
MOST_TICKS = 20
# Inches that a letter takes at the size of captions, on average.
LETTER = 0.064


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def score_axis(axis: Any) -> None:
    """Show scores as percentages, at ticks that are whole ones: 77.5% would be labelled 78%."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def flop_axis(ax: Axes) -> None:
    """Training compute along x: logarithmic, with a labelled tick at every power of ten and fine ones between them."""
    from matplotlib.ticker import LogLocator

    ax.set_xscale("log")
    # Left alone, matplotlib labels every second power in small panels, and leaves the fine ticks out with the others.
    ax.xaxis.set_major_locator(LogLocator(10, numticks=MOST_TICKS))
    ax.xaxis.set_minor_locator(LogLocator(10, subs=range(2, 10), numticks=MOST_TICKS))
    ax.tick_params(axis="x", which="minor", length=1.5)


def label_below(ax: Axes, *lines: str) -> None:
    """Label the x axis, with the caption below it: lines are broken where they would leave the picture."""
    inches = ax.get_window_extent().width / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    letters = max(int(inches / LETTER), 20)
    broken = [part for line in lines for part in wrap(line, letters, break_long_words=False)]
    ax.set_xlabel("\n".join(broken), fontsize=9, color=INK)


def plain(ax: Axes) -> Axes:
    """Take away what carries no information."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#E6E6E6", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax
