"""Pictures of the report, drawn by Bokeh; the page's style colours text and axes, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    FactorRange,
    FixedTicker,
    HoverTool,
    Legend,
    NumeralTickFormatter,
    Slope,
    Span,
)
from bokeh.plotting import figure

from bayescale._intervals import PROB
from bayescale.plots.factors import capability_points
from bayescale.plots.families import mark_families
from bayescale.plots.style import COLOURS

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.analysis.efficiency import Efficiency
    from bayescale.methods import Posterior

# Distinct from white and from near-black alike: pictures have no background of their own.
NEUTRAL = "#808080"
FAINT = "#9A9A9A"
FORECAST = "#D55E00"
FAMILY = "#2A87C8"
_MOST_LOG10_MULTIPLIER = 30  # to either side, of a picture of compute multipliers
BOKEH_MARKERS = {"D": "diamond", "s": "square", "^": "triangle", "v": "inverted_triangle", "P": "plus", "X": "x"}


def fan(lowest: float, highest: float) -> figure:
    """Return an empty picture of a score over training compute, from `lowest` to `highest` log10 FLOP.

    The page fills the sources ``band`` (compute, lower, median, upper), ``own`` and ``others`` (compute, score, model:
    observed), and ``here`` (compute, lower, median, upper: the forecast model).
    """
    drawn = _canvas(360, x_axis_type="log", x_range=(10**lowest, 10**highest), y_range=(-0.02, 1.02))
    band, here = (_source(name, "compute", "lower", "median", "upper") for name in ("band", "here"))
    own, others = (_source(name, "compute", "score", "model") for name in ("own", "others"))
    grey = drawn.scatter("compute", "score", size=5, color=FAINT, source=others, legend_label="other families")
    drawn.varea("compute", "lower", "upper", fill_color=FAMILY, fill_alpha=0.25, source=band)
    drawn.line("compute", "median", color=FAMILY, line_width=2, source=band, legend_label="new model of the family")
    mine = drawn.scatter(
        "compute", "score", size=9, marker="diamond", color=FAMILY, source=own, legend_label="models of the family"
    )
    drawn.segment("compute", "lower", "compute", "upper", color=FORECAST, line_width=3, source=here)
    _medians(drawn, "compute", "median", source=here, size=11, legend_label="forecast")
    _hover(drawn, [grey, mine], model="@model", score="@score{0.000}", compute="@compute{0.0e+0} FLOP")
    drawn.legend.location = "top_left"
    drawn.legend.background_fill_alpha = 0
    drawn.legend.border_line_color = None
    _score_axis(drawn.yaxis[0])
    drawn.xaxis.axis_label, drawn.yaxis.axis_label = "training compute (FLOP)", "expected score"
    return drawn


def intervals(benchmarks: Sequence[str]) -> figure:
    """Return empty rows for the forecast on `benchmarks`, the first on top.

    The page fills the sources ``intervals`` (benchmark, lower, median, upper) and ``known`` (benchmark, score).
    """
    height = 60 + (36 if len(benchmarks) <= 15 else 20) * len(benchmarks)
    drawn = _canvas(height, y_range=FactorRange(*benchmarks[::-1]), x_range=(-0.01, 1.01))
    rows, known = _source("intervals", "benchmark", "lower", "median", "upper"), _source("known", "benchmark", "score")
    drawn.segment("lower", "benchmark", "upper", "benchmark", color=FORECAST, line_width=3, source=rows)
    dots = _medians(drawn, "median", "benchmark", source=rows, size=10)
    drawn.scatter("score", "benchmark", size=12, marker="diamond", color=COLOURS[2], source=known)
    _hover(drawn, [dots], benchmark="@benchmark", score="@median{0.000}, from @lower{0.000} to @upper{0.000}")
    _score_axis(drawn.xaxis[0])
    drawn.ygrid.visible = False
    return drawn


def efficiency_forest(efficiency: Efficiency, prob: float = PROB) -> figure:
    """Draw each family's compute multiplier: median, 50% (thick) and `prob` (thin) interval.

    The dashed line is the reference; a marker is open where the `prob` interval includes 1.
    """
    table = efficiency.summary(prob=prob)[::-1].reset_index(drop=True)
    table = table.merge(efficiency.summary(prob=0.5), on="family", suffixes=("", "_core"))
    marks = {mark.family: mark for mark in mark_families(efficiency.posterior.evals)}
    labels = [f"{r.family} ({r.models})" for r in table.itertuples()]
    lower, upper = "lower", "upper"
    low, high = table[lower], table[upper]
    filled = (low > 1) | (high < 1) | (table["family"] == efficiency.reference)
    looks: dict[str, Any] = {
        "label": labels,
        "colour": [marks[f].colour if f in marks else NEUTRAL for f in table["family"]],
        "fill": np.where(filled, 1.0, 0.0),
        "marker": [BOKEH_MARKERS[marks[f].marker] if f in marks else "circle" for f in table["family"]],
    }
    source = ColumnDataSource(dict(table.assign(**looks).items()))
    # Where too little is known for a bound it is no number, or astronomic; the reference is always in the picture.
    bounds = np.log10(np.concatenate([low, high, [1.0]]))
    bounds = bounds[np.isfinite(bounds)].clip(-_MOST_LOG10_MULTIPLIER, _MOST_LOG10_MULTIPLIER)
    ends = 10 ** bounds.min() / 1.2, 10 ** bounds.max() * 1.2
    drawn = _canvas(70 + 18 * len(table), x_axis_type="log", x_range=ends, y_range=FactorRange(*labels))
    drawn.add_layout(Span(location=1, dimension="height", line_color=NEUTRAL, line_dash="dashed"))
    drawn.segment(lower, "label", upper, "label", color="colour", line_width=1.4, source=source)
    drawn.segment(f"{lower}_core", "label", f"{upper}_core", "label", color="colour", line_width=4, source=source)
    dots = drawn.scatter(
        "multiplier", "label", marker="marker", size=9, line_color="colour", fill_color="colour", fill_alpha="fill",
        line_width=1.5, source=source,
    )  # fmt: skip
    multiplier = "x@multiplier{0.00}, from x@lower{0.00} to x@upper{0.00}"
    more = {f"P(more efficient than {efficiency.reference})": "@more_efficient{0%}"}
    _hover(drawn, [dots], family="@family", multiplier=multiplier, **more)
    _multiplier_axis(drawn.xaxis[0], *ends)
    drawn.xaxis.axis_label = "compute multiplier"
    drawn.ygrid.visible = False
    return drawn


def capability_map(posterior: Posterior, prob: float = PROB) -> figure:
    """Draw the models in the plane of the two largest capabilities, as `bayescale.plots.plot_capability_map`.

    Raises
    ------
    ForecastError
        When the posterior has one factor.
    """
    places = capability_points(posterior, (0, 1), prob)
    marks = mark_families(posterior.evals)
    drawn = _canvas(440)
    items, scatters = [], []
    for mark in marks:
        mine = places[places["family"] == mark.family]
        source = ColumnDataSource(dict(mine.items()))
        crosses: dict[str, Any] = {"color": mark.colour, "line_alpha": 0.35, "source": source}
        drawn.segment("x_lower", "y", "x_upper", "y", **crosses)
        drawn.segment("x", "y_lower", "x", "y_upper", **crosses)
        path = mine[mine["flops"].notna()].sort_values("flops")
        line = drawn.line(path["x"], path["y"], color=mark.colour, line_width=1.5)
        style: dict[str, Any] = {"marker": BOKEH_MARKERS[mark.marker], "color": mark.colour, "line_width": 1.5}
        scatters.append(drawn.scatter("x", "y", size=9, source=source, **style))
        items.append((mark.family, [line, scatters[-1]]))
    unmarked = places[~places["family"].isin([mark.family for mark in marks])]
    rest = ColumnDataSource(dict(unmarked.items()))
    scatters.append(drawn.scatter("x", "y", size=5, color=FAINT, level="underlay", source=rest))
    items.append(("other families", [scatters[-1]]))
    legend = Legend(items=items, ncols=2, location="top_left", border_line_color=None, background_fill_alpha=0)
    drawn.add_layout(legend, "below")
    _hover(drawn, scatters, model="@model", family="@family", capabilities="@x{0.00}, @y{0.00}")
    factors = posterior.factors
    titles = [f"{factors.labels[k]}: {factors.suggested[k]}" for k in (0, 1)]
    drawn.xaxis.axis_label, drawn.yaxis.axis_label = titles
    return drawn


def hidden_scores(predictions: pd.DataFrame) -> figure:
    """Draw median and 90% interval of each forecast of a backtest over the score that was hidden from it.

    `predictions` has the columns of ``predictions.csv``, of one method. On the dashed line, forecast and score agree.
    """
    drawn = _canvas(420, x_range=(-0.02, 1.02), y_range=(-0.02, 1.02))
    columns = ("task", "model", "benchmark", "score", "median", "q05", "q95")
    source = ColumnDataSource({name: predictions[name] for name in columns})
    drawn.add_layout(Slope(gradient=1, y_intercept=0, line_color=NEUTRAL, line_dash="dashed"))
    drawn.segment("score", "q05", "score", "q95", color=FAMILY, line_alpha=0.4, source=source)
    dots = drawn.scatter("score", "median", size=6, color=FAMILY, source=source)
    forecast = "@median{0.000}, from @q05{0.000} to @q95{0.000}"
    _hover(drawn, [dots], model="@model", benchmark="@benchmark (@task)", observed="@score{0.000}", forecast=forecast)
    for axis in (*drawn.xaxis, *drawn.yaxis):
        _score_axis(axis)
    drawn.xaxis.axis_label, drawn.yaxis.axis_label = "observed score", "forecast"
    return drawn


def _canvas(height: int, **options: Any) -> figure:
    """Return an empty figure as wide as the page, without tools: dragging and the wheel scroll the page."""
    made = figure(
        height=height, sizing_mode="stretch_width", toolbar_location=None, tools="", background_fill_color=None,
        border_fill_color=None, outline_line_color=None, min_border=4, **options,
    )  # fmt: skip
    made.xaxis.minor_tick_line_color = None
    made.yaxis.minor_tick_line_color = None
    made.axis.axis_label_text_font_style = "normal"
    return made


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=name)


def _medians(drawn: figure, x: str, y: str, **options: Any) -> Any:
    return drawn.scatter(x, y, fill_color="white", line_color=FORECAST, line_width=2.5, **options)


def _hover(drawn: figure, renderers: list[Any], **tips: str) -> None:
    drawn.add_tools(HoverTool(renderers=renderers, tooltips=list(tips.items())))


def _score_axis(axis: Any) -> None:
    """Show scores as percentages."""
    axis.formatter = NumeralTickFormatter(format="0%")


def _multiplier_axis(axis: Any, low: float, high: float) -> None:
    """Set ticks such as x0.1, x1, x10 from `low` to `high`, few enough for a phone."""
    step = max(1, round(np.log10(high / low) / 10))
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1, step)
    fine = (1,) if np.log10(high / low) > 3 else (1, 3)
    ticks = [float(f"{m * 10.0**p:.3g}") for p in powers for m in fine if low <= m * 10.0**p <= high]
    axis.ticker = FixedTicker(ticks=ticks)
    axis.major_label_overrides = {tick: f"x{tick:g}" for tick in ticks}
