"""Pictures of the report, drawn by Bokeh: one figure a file; colours of text and axes are the page's, light or dark."""

from bayescale.report.figures.backtest import hidden_scores
from bayescale.report.figures.capability_map import capability_map
from bayescale.report.figures.efficiency_forest import efficiency_forest
from bayescale.report.figures.fan import fan
from bayescale.report.figures.intervals import intervals

__all__ = ["capability_map", "efficiency_forest", "fan", "hidden_scores", "intervals"]
