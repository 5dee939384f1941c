"""What all pictures of the report share."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import FixedTicker, NumeralTickFormatter
from bokeh.plotting import figure

# Told apart from white and from nearly black alike: pictures have no background of their own.
NEUTRAL = "#808080"
FAINT = "#9A9A9A"
FORECAST = "#D55E00"
FAMILY = "#2A87C8"
BOKEH_MARKERS = {"D": "diamond", "s": "square", "^": "triangle", "v": "inverted_triangle", "P": "plus", "X": "x"}


def canvas(height: int, **options: Any) -> figure:
    """An empty figure as wide as the page, without a tool bar: drags and wheels scroll the page, as on a phone."""
    made = figure(
        height=height, sizing_mode="stretch_width", toolbar_location=None, tools="", background_fill_color=None,
        border_fill_color=None, outline_line_color=None, min_border=4, **options,
    )  # fmt: skip
    made.xaxis.minor_tick_line_color = None
    made.yaxis.minor_tick_line_color = None
    made.axis.axis_label_text_font_style = "normal"
    return made


def score_axis(axis: Any) -> None:
    """Show scores as percentages."""
    axis.formatter = NumeralTickFormatter(format="0%")


def multiplier_axis(axis: Any, low: float, high: float) -> None:
    """Ticks such as x0.1, x1, x10 from `low` to `high`, few enough for a phone."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    fine = (1,) if np.log10(high / low) > 2 else (1, 3)
    ticks = [float(f"{m * 10.0**d:.3g}") for d in decades for m in fine if low <= m * 10.0**d <= high]
    axis.ticker = FixedTicker(ticks=ticks)
    axis.major_label_overrides = {tick: f"x{tick:g}" for tick in ticks}
