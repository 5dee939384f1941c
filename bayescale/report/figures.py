"""Pictures of the report, drawn by Bokeh; the page's style colours text and axes, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    FactorRange,
    FixedTicker,
    HoverTool,
    Label,
    Legend,
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
FIRST, SECOND = "#2A87C8", "#D55E00"  # the families that a reader compares
_MOST_LOG10_MULTIPLIER = 30  # to either side, of a picture of compute multipliers
BOKEH_MARKERS = {
    "D": "diamond", "s": "square", "^": "triangle", "v": "inverted_triangle", "P": "plus", "X": "x", "<": "square_pin",
    ">": "triangle_pin", "p": "hex", "d": "diamond_cross", "h": "star", "8": "circle_cross",
}  # fmt: skip


def fan(name: str, lowest: float, highest: float, seen: float, date: bool) -> figure:
    """Return an empty picture of a score over training compute (log10 FLOP) or release date (decimal years).

    It is hatched beyond `seen`, the largest value of the data. The page fills the sources ``{name}-first`` and
    ``{name}-second`` (bands of two families: at, lower, median, upper), ``{name}-here`` (forecasts: also colour),
    ``{name}-seen`` (observed: at, score, model, colour, marker, size) and ``{name}-named`` (at, score, label, align,
    offset), and moves the line ``{name}-target``.
    """
    left, right, edge = (value if date else 10**value for value in (lowest, highest, min(seen, highest)))
    kind: dict[str, Any] = {} if date else {"x_axis_type": "log"}
    drawn = _canvas(380, x_range=(left, right), y_range=(-0.02, 1.02), **kind)
    sources = {end: _source(f"{name}-{end}", "at", "lower", "median", "upper") for end in ("first", "second")}
    here = _source(f"{name}-here", "at", "lower", "median", "upper", "colour")
    observed = _source(f"{name}-seen", "at", "score", "model", "colour", "marker", "size")
    named = _source(f"{name}-named", "at", "score", "label", "align", "offset")
    hatch: dict[str, Any] = {"hatch_pattern": "/", "hatch_color": NEUTRAL, "hatch_alpha": 0.35, "hatch_weight": 0.5}
    drawn.add_layout(BoxAnnotation(left=edge, fill_color=NEUTRAL, fill_alpha=0.08, level="underlay", **hatch))
    drawn.add_layout(Label(x=edge, y=4, y_units="screen", x_offset=2, text="beyond data", text_font_size="11px"))
    drawn.add_layout(Span(name=f"{name}-target", dimension="width", line_color=NEUTRAL, line_dash="dashed"))
    style: dict[str, Any] = {"color": "colour", "marker": "marker", "size": "size"}
    dots = drawn.scatter("at", "score", fill_alpha=0.6, source=observed, **style)
    for source, colour in zip(sources.values(), (FIRST, SECOND), strict=True):
        drawn.varea("at", "lower", "upper", fill_color=colour, fill_alpha=0.2, source=source)
        drawn.line("at", "median", color=colour, line_width=2, source=source)
    drawn.text("at", "score", "label", text_align="align", x_offset="offset", text_baseline="middle", source=named)
    drawn.segment("at", "lower", "at", "upper", color="colour", line_width=3, source=here)
    _medians(drawn, "at", "median", "colour", source=here, size=11)
    where = "@at{0.0}" if date else "@at{0.0e+0} FLOP"
    _hover(drawn, [dots], model="@model", score="@score{0.00}", at=where)
    drawn.xaxis.axis_label = "release date" if date else "training compute (FLOP)"
    drawn.yaxis.axis_label = "expected score"
    return drawn


def intervals(benchmarks: Sequence[str]) -> figure:
    """Return empty rows for the forecasts on `benchmarks`, the first on top.

    The page fills the sources ``intervals`` (benchmark and place in its row, lower, median, upper, colour) and
    ``known`` (benchmark, score).
    """
    height = 60 + (36 if len(benchmarks) <= 15 else 20) * len(benchmarks)
    drawn = _canvas(height, y_range=FactorRange(*benchmarks[::-1]), x_range=(-0.01, 1.01))
    rows = _source("intervals", "benchmark", "lower", "median", "upper", "colour")
    known = _source("known", "benchmark", "score")
    drawn.segment("lower", "benchmark", "upper", "benchmark", color="colour", line_width=3, source=rows)
    dots = _medians(drawn, "median", "benchmark", "colour", source=rows, size=10)
    drawn.scatter("score", "benchmark", size=12, marker="diamond", color=COLOURS[2], source=known)
    _hover(drawn, [dots], benchmark="@benchmark", score="@median{0.00}, from @lower{0.00} to @upper{0.00}")
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
    drawn.segment("score", "q05", "score", "q95", color=FIRST, line_alpha=0.4, source=source)
    dots = drawn.scatter("score", "median", size=6, color=FIRST, source=source)
    forecast = "@median{0.00}, from @q05{0.00} to @q95{0.00}"
    _hover(drawn, [dots], model="@model", benchmark="@benchmark (@task)", observed="@score{0.00}", forecast=forecast)
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


def _medians(drawn: figure, x: str, y: str, colour: str, **options: Any) -> Any:
    return drawn.scatter(x, y, fill_color="white", line_color=colour, line_width=2.5, **options)


def _hover(drawn: figure, renderers: list[Any], **tips: str) -> None:
    drawn.add_tools(HoverTool(renderers=renderers, tooltips=list(tips.items())))


def _multiplier_axis(axis: Any, low: float, high: float) -> None:
    """Set ticks such as x0.1, x1, x10 from `low` to `high`, few enough for a phone."""
    step = max(1, round(np.log10(high / low) / 10))
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1, step)
    fine = (1,) if np.log10(high / low) > 3 else (1, 3)
    ticks = [float(f"{m * 10.0**p:.3g}") for p in powers for m in fine if low <= m * 10.0**p <= high]
    axis.ticker = FixedTicker(ticks=ticks)
    axis.major_label_overrides = {tick: f"x{tick:g}" for tick in ticks}
