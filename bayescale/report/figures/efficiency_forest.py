"""Families' efficiencies as compute multipliers: a forest, the most efficient on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Span

from bayescale._intervals import PROB
from bayescale.plots.families import mark_families
from bayescale.report.figures.style import BOKEH_MARKERS, NEUTRAL, canvas, multiplier_axis

if TYPE_CHECKING:
    from bokeh.plotting import figure

    from bayescale.analysis.efficiency import Efficiency


def efficiency_forest(efficiency: Efficiency, prob: float = PROB) -> figure:
    """Each family's multiplier: median, 50% (thick) and `prob` (thin) interval; the dashed line is the reference.

    Parameters
    ----------
    efficiency : Efficiency
    prob : float
        Probability content of the thin intervals.

    Returns
    -------
    bokeh.plotting.figure
    """
    table = efficiency.summary(prob=prob)[::-1].reset_index(drop=True)
    core = efficiency.summary(prob=0.5).set_index("family").loc[table["family"]].reset_index()
    marks = {mark.family: mark for mark in mark_families(efficiency.posterior.evals)}
    labels = [f"{r.family} ({r.models})" for r in table.itertuples()]
    low, high = table["multiplier_lower"], table["multiplier_upper"]
    colours = [marks[f].colour if f in marks else NEUTRAL for f in table["family"]]
    # Open: a family that may be as efficient as the reference.
    apart = (low > 1) | (high < 1) | (table["family"] == efficiency.reference)
    source = ColumnDataSource(
        {
            "label": labels,
            "family": table["family"],
            "multiplier": table["multiplier"],
            "low": low,
            "high": high,
            "core_low": core["multiplier_lower"],
            "core_high": core["multiplier_upper"],
            "more": table["more_efficient"],
            "colour": colours,
            "fill": np.where(apart, 1.0, 0.0),
            "marker": [BOKEH_MARKERS[marks[f].marker] if f in marks else "circle" for f in table["family"]],
        }
    )
    ends = float(low.min()) / 1.2, float(high.max()) * 1.2
    drawn = canvas(70 + 18 * len(table), x_axis_type="log", x_range=ends, y_range=FactorRange(*labels))
    drawn.add_layout(Span(location=1, dimension="height", line_color=NEUTRAL, line_dash="dashed"))
    drawn.segment("low", "label", "high", "label", color="colour", line_width=1.4, source=source)
    drawn.segment("core_low", "label", "core_high", "label", color="colour", line_width=4, source=source)
    dots = drawn.scatter(
        "multiplier", "label", marker="marker", size=9, line_color="colour", fill_color="colour", fill_alpha="fill",
        line_width=1.5, source=source,
    )  # fmt: skip
    tips = [
        ("family", "@family"),
        ("multiplier", "x@multiplier{0.00}, from x@low{0.00} to x@high{0.00}"),
        (f"P(more efficient than {efficiency.reference})", "@more{0%}"),
    ]
    drawn.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    multiplier_axis(drawn.xaxis[0], *ends)
    drawn.xaxis.axis_label = "compute multiplier"
    drawn.ygrid.visible = False
    return drawn
