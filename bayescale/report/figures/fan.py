"""A score over training compute: the picture that the page fills in and moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import ColumnDataSource, HoverTool

from bayescale.report.figures.style import FAINT, FAMILY, FORECAST, canvas, score_axis

if TYPE_CHECKING:
    from bokeh.plotting import figure


def fan(lowest: float, highest: float) -> figure:
    """An empty fan from `lowest` to `highest` log10 FLOP; the page fills the sources by their names.

    Parameters
    ----------
    lowest, highest : float
        log10 FLOP.

    Returns
    -------
    bokeh.plotting.figure
        Sources ``band`` (compute, lower, median, upper), ``own`` and ``others`` (compute, score, model: observed), and
        ``here`` (compute, lower, median, upper: the model that is forecast).
    """
    drawn = canvas(360, x_axis_type="log", x_range=(10**lowest, 10**highest), y_range=(-0.02, 1.02))
    band = _source("band", "compute", "lower", "median", "upper")
    here = _source("here", "compute", "lower", "median", "upper")
    own, others = (_source(name, "compute", "score", "model") for name in ("own", "others"))
    grey = drawn.scatter("compute", "score", size=5, color=FAINT, source=others, legend_label="other families")
    drawn.varea("compute", "lower", "upper", fill_color=FAMILY, fill_alpha=0.25, source=band)
    drawn.line("compute", "median", color=FAMILY, line_width=2, source=band, legend_label="a model of the family")
    mine = drawn.scatter(
        "compute", "score", size=9, marker="diamond", color=FAMILY, source=own, legend_label="its models"
    )
    drawn.segment("compute", "lower", "compute", "upper", color=FORECAST, line_width=3, source=here)
    drawn.scatter(
        "compute", "median", size=11, fill_color="white", line_color=FORECAST, line_width=2.5, source=here,
        legend_label="forecast",
    )  # fmt: skip
    tips = [("model", "@model"), ("score", "@score{0.000}"), ("compute", "@compute{0.0e+0} FLOP")]
    drawn.add_tools(HoverTool(renderers=[grey, mine], tooltips=tips))
    drawn.legend.location = "top_left"
    drawn.legend.background_fill_alpha = 0
    drawn.legend.border_line_color = None
    score_axis(drawn.yaxis[0])
    drawn.xaxis.axis_label = "training compute (FLOP)"
    return drawn


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=name)
