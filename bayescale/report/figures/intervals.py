"""The forecast on all benchmarks: the picture that the page fills in and moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bokeh.models import ColumnDataSource, FactorRange, HoverTool

from bayescale.plots.style import COLOURS
from bayescale.report.figures.style import FORECAST, canvas, score_axis

if TYPE_CHECKING:
    from bokeh.plotting import figure


def intervals(benchmarks: Sequence[str]) -> figure:
    """Empty rows for `benchmarks`, the first on top; the page fills the sources by their names.

    Returns
    -------
    bokeh.plotting.figure
        Sources ``intervals`` (benchmark, lower, median, upper) and ``known`` (benchmark, score).
    """
    drawn = canvas(
        60 + (36 if len(benchmarks) <= 15 else 20) * len(benchmarks),
        y_range=FactorRange(*benchmarks[::-1]),
        x_range=(-0.01, 1.01),
    )
    rows = ColumnDataSource({"benchmark": [], "lower": [], "median": [], "upper": []}, name="intervals")
    known = ColumnDataSource({"benchmark": [], "score": []}, name="known")
    drawn.segment("lower", "benchmark", "upper", "benchmark", color=FORECAST, line_width=3, source=rows)
    dots = drawn.scatter(
        "median", "benchmark", size=10, fill_color="white", line_color=FORECAST, line_width=2.5, source=rows
    )
    drawn.scatter("score", "benchmark", size=12, marker="diamond", color=COLOURS[2], source=known)
    tips = [("benchmark", "@benchmark"), ("score", "@median{0.000}, from @lower{0.000} to @upper{0.000}")]
    drawn.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    score_axis(drawn.xaxis[0])
    drawn.ygrid.visible = False
    return drawn
