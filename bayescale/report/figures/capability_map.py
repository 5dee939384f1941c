"""Models in the plane of the two largest capabilities, a path for each of the largest families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import ColumnDataSource, HoverTool, Legend

from bayescale._intervals import PROB
from bayescale.plots.capability_map import capability_points
from bayescale.plots.families import mark_families
from bayescale.report.figures.style import BOKEH_MARKERS, FAINT, canvas

if TYPE_CHECKING:
    from bokeh.plotting import figure

    from bayescale.methods import Posterior


def capability_map(posterior: Posterior, prob: float = PROB) -> figure:
    """Posterior medians of the models; the six largest families with crosses of intervals, joined by compute.

    Parameters
    ----------
    posterior : Posterior
        With two factors or more.
    prob : float
        Probability content of the crosses.

    Returns
    -------
    bokeh.plotting.figure

    Raises
    ------
    ForecastError
        When the posterior has one factor.
    """
    places = capability_points(posterior, (0, 1), prob)
    marks = mark_families(posterior.evals)
    drawn = canvas(440)
    items, scatters = [], []
    for mark in marks:
        mine = places[places["family"] == mark.family]
        source = ColumnDataSource(dict(mine.items()))
        crosses = {"color": mark.colour, "line_alpha": 0.35, "source": source}
        drawn.segment("x_lower", "y", "x_upper", "y", **crosses)
        drawn.segment("x", "y_lower", "x", "y_upper", **crosses)
        path = mine[mine["flops"].notna()].sort_values("flops")
        line = drawn.line(path["x"], path["y"], color=mark.colour, line_width=1.5)
        marker = BOKEH_MARKERS[mark.marker]
        dots = drawn.scatter("x", "y", marker=marker, size=9, color=mark.colour, line_width=1.5, source=source)
        scatters.append(dots)
        items.append((mark.family, [line, dots]))
    unmarked = places[~places["family"].isin([mark.family for mark in marks])]
    rest = ColumnDataSource(dict(unmarked.items()))
    others = drawn.scatter("x", "y", size=5, color=FAINT, level="underlay", source=rest)
    items.append(("others", [others]))
    legend = Legend(items=items, ncols=2, location="top_left", border_line_color=None, background_fill_alpha=0)
    drawn.add_layout(legend, "below")
    tips = [("model", "@model"), ("family", "@family"), ("capabilities", "@x{0.00}, @y{0.00}")]
    drawn.add_tools(HoverTool(renderers=[*scatters, others], tooltips=tips))
    factors = posterior.factors
    titles = [f"{factors.labels[k]}: {factors.suggested[k]}" for k in (0, 1)]
    drawn.xaxis.axis_label, drawn.yaxis.axis_label = titles
    return drawn
