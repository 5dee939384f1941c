"""Forecasts of a backtest beside the scores that were hidden from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import ColumnDataSource, HoverTool, Slope

from bayescale.report.figures.style import FAMILY, NEUTRAL, canvas, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from bokeh.plotting import figure


def hidden_scores(predictions: pd.DataFrame) -> figure:
    """Median and 90% interval of each forecast over the score that was measured; the dashed line is where both agree.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of one method, with the columns of ``predictions.csv``.

    Returns
    -------
    bokeh.plotting.figure
    """
    drawn = canvas(420, x_range=(-0.02, 1.02), y_range=(-0.02, 1.02))
    columns = ("task", "model", "benchmark", "score", "median", "q05", "q95")
    source = ColumnDataSource({name: predictions[name] for name in columns})
    drawn.add_layout(Slope(gradient=1, y_intercept=0, line_color=NEUTRAL, line_dash="dashed"))
    drawn.segment("score", "q05", "score", "q95", color=FAMILY, line_alpha=0.4, source=source)
    dots = drawn.scatter("score", "median", size=6, color=FAMILY, source=source)
    tips = [
        ("model", "@model"),
        ("benchmark", "@benchmark (@task)"),
        ("measured", "@score{0.000}"),
        ("forecast", "@median{0.000}, from @q05{0.000} to @q95{0.000}"),
    ]
    drawn.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    for axis in (*drawn.xaxis, *drawn.yaxis):
        score_axis(axis)
    drawn.xaxis.axis_label, drawn.yaxis.axis_label = "measured score", "forecast"
    return drawn
