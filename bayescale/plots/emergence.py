"""Plots of one family's curve over compute: expected score (emergence) and uplift, with observed models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import PROB, named, percent, tails
from bayescale.analysis.compute_equivalent import ALONG, Along
from bayescale.analysis.emergence import say_flops
from bayescale.analysis.uplift import THRESHOLD
from bayescale.forecast.query import LARGEST
from bayescale.plots.families import Mark, mark_families
from bayescale.plots.forest import draw_intervals
from bayescale.plots.style import INK, OTHERS, flop_axis, label_below, legend_inside, new_axes, score_axis, title

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.analysis.emergence import Emergence, Score
    from bayescale.analysis.required_compute import RequiredCompute
    from bayescale.analysis.training_compute import TrainingCompute
    from bayescale.analysis.uplift import Uplift
    from bayescale.evals import Evals

POINTS = 60
MOST_MODELS = 40


def plot_emergence(
    emergence: Emergence,
    score: Score = None,
    hidden: Evals | pd.DataFrame | None = None,
    ax: Axes | None = None,
    *,
    prob: float = PROB,
    along: Along = ALONG,
) -> Axes:
    """Plot the expected score of the family's typical model over compute, with 50% and `prob` equal-tailed bands.

    Every observed score is drawn at the compute equivalent of its model's own capability (posterior median,
    `Emergence.observed`): scores of all families lie near one curve. The compute at which the curve crosses the
    threshold is marked, with its interval.

    Parameters
    ----------
    emergence : Emergence
    score : float or "half way", optional
        The threshold; default half way from floor to ceiling.
    hidden : Evals or pandas.DataFrame, optional
        Scores that were not fitted (``model, benchmark, score``), drawn as hollow markers.
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the wide band and of the interval of the threshold.
    along : {"capabilities", "benchmarks"}
        How equivalent compute is measured, see `Efficiency`.

    Raises
    ------
    ForecastError
        For a score that is no threshold, or hidden scores of models that are not in the fitted data.

    Examples
    --------
    >>> from bayescale.plots import plot_emergence
    >>> plot_emergence(posterior.emergence("GSM8K", "Llama-2"), score=0.5).get_xscale()
    'log'
    """
    tables = _observed(emergence, hidden, along)
    low, middle, high = emergence.quantiles(score, prob=prob)
    height = emergence.half_way if score is None or isinstance(score, str) else float(score)
    beyond = [3 * middle] if middle < LARGEST["flops"] else []
    evals = emergence.posterior.evals
    (mark,) = mark_families(evals, [emergence.family])
    curve = emergence.expected_scores(_compute_grid(evals, tables, beyond))
    ax = new_axes(ax, (7.2, 4.8))
    bar = f"; bar: {percent(prob)} interval of where it crosses {height:.0%}"
    _draw_curve(ax, curve, mark, tables, "score", prob, bar)
    _mark_crossing(ax, (low, middle, high), height, prob)
    ax.set_ylim(0, 1.03)
    ax.set_ylabel(f"{emergence.benchmark} score")
    title(ax, f"{emergence.benchmark} score of all models over {mark.family}-equivalent compute")
    return ax


def draw_required_compute(required: RequiredCompute, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Draw the compute at which the expected score crosses the threshold, a row per family, with a cross at `flops`."""
    wide, core = required.summary(prob=prob), required.summary(prob=0.5)
    marks = mark_families(required.posterior.evals, wide["family"].tolist())
    ax = new_axes(ax, (7.2, 1.5 + 0.45 * len(wide)))
    ends = ["median", "lower", "upper"]
    # Beyond plausible compute a bar runs to the edge.
    wide[ends], core[ends] = (table[ends].clip(1e18, 10 * LARGEST["flops"]) for table in (wide, core))
    for place, mark in enumerate(marks):
        draw_intervals(ax, [place], wide[place:][:1], core[place:][:1], mark.colour, marker=mark.marker, markersize=7)
        if 0 < (flops := wide["flops"].iloc[place]) < LARGEST["flops"]:
            ax.plot(flops, place, "x", color=INK, markersize=8, zorder=5)
    ax.axvline(required.largest, color=OTHERS, linewidth=1)
    flop_axis(ax)
    ax.grid(False, axis="y")
    ax.set_yticks(range(len(marks)), [mark.family for mark in marks])
    ax.set_ylim(len(marks) - 0.5, -0.5)
    below = f"median, 50% and {named(prob)} interval of where the expected score of one model crosses it; cross: a "
    below += f"measured score exceeds it with probability {required.probability:g}; line: largest compute in the data"
    label_below(ax, "training compute (FLOP)", below)
    title(ax, f"Compute for {required.benchmark} above {required.above:.0%}")
    return ax


def draw_training_compute(compute: TrainingCompute, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Draw the compute of models that do not state it exactly, a row each, with a cross at what is stated."""
    wide, core = compute.summary(prob=prob), compute.summary(prob=0.5)
    models = compute.posterior.evals.models
    rows = np.flatnonzero(models["flops"].isna() | (models["flops_log10_sd"] > 0))
    if "released" in models:
        rows = rows[np.argsort(models["released"].to_numpy(str)[rows], kind="stable")]
    rows = rows[-MOST_MODELS:]
    ax = new_axes(ax, (7.2, 1.5 + 0.24 * max(len(rows), 1)))
    marks = {mark.family: mark for mark in mark_families(compute.posterior.evals, wide["family"].iloc[rows].tolist())}
    for place, row in enumerate(rows):
        mark = marks[wide["family"].iloc[row]]
        draw_intervals(ax, [place], wide[row:][:1], core[row:][:1], mark.colour, marker=mark.marker, markersize=5)
        ax.plot(wide["stated"].iloc[row], place, "x", color=INK, markersize=6, zorder=5)
    flop_axis(ax)
    ax.grid(False, axis="y")
    ax.set_yticks(range(len(rows)), wide["model"].iloc[rows].tolist())
    ax.set_ylim(len(rows) - 0.5, -0.5)
    order = ", by release date" if "released" in models else ""
    label_below(
        ax,
        "training compute (FLOP)",
        f"median, 50% and {named(prob)} interval{order}; cross: what is stated, with an error",
    )
    title(ax, "Compute that is not stated, or not exactly")
    return ax


def plot_uplift(
    uplift: Uplift,
    threshold: float | None = THRESHOLD,
    hidden: Evals | pd.DataFrame | None = None,
    ax: Axes | None = None,
    *,
    prob: float = PROB,
    along: Along = ALONG,
) -> Axes:
    """Plot the expected uplift of the family's typical model over compute, with 50% and `prob` equal-tailed bands.

    Observed uplifts are drawn as scores in `plot_emergence`. The compute from which the uplift exceeds `threshold` is
    marked, with its interval.

    Parameters
    ----------
    uplift : Uplift
    threshold : float, optional
        Difference of scores to mark; None to mark nothing.
    hidden, ax, prob, along
        As in `plot_emergence`; an uplift is hollow if one of its scores was not fitted.

    Raises
    ------
    ForecastError
        For a threshold that is no difference of scores, or hidden scores of models that are not in the fitted data.

    Examples
    --------
    >>> from bayescale.plots import plot_uplift
    >>> plot_uplift(posterior.uplift("GSM8K CoT + SC", "GSM8K direct"), threshold=0.1).get_xscale()
    'log'
    """
    tables = _observed(uplift, hidden, along)
    evals = uplift.baseline_curve.posterior.evals
    (mark,) = mark_families(evals, [uplift.family])
    # The curve continues beyond the models, where it is a forecast.
    beyond = [5 * table["equivalent_flops"].max() for table in tables if len(table)]
    curve = uplift.expected_uplift(_compute_grid(evals, tables, beyond))
    start = None if threshold is None else uplift.starts_to_pay(threshold, prob=prob).iloc[0]
    bar = "" if start is None else f"; bar: {percent(prob)} interval of where it first exceeds {start['threshold']:.0%}"
    ax = new_axes(ax, (7.2, 4.8))
    _draw_curve(ax, curve, mark, tables, "uplift", prob, bar)
    ax.axhline(0, color=INK, linewidth=0.8, linestyle="--", zorder=1)
    if start is not None:
        _mark_crossing(ax, (start["lower"], start["median"], start["upper"]), start["threshold"], prob)
    ax.set_ylabel("uplift in score")
    title(ax, f"Uplift of {uplift.benchmark} over {uplift.baseline}")
    return ax


def _observed(curve: Emergence | Uplift, hidden: Evals | pd.DataFrame | None, along: Along) -> list[pd.DataFrame]:
    """Return the table of fitted models and, if `hidden`, that of models whose scores were not fitted."""
    return [curve.observed(along=along), *([] if hidden is None else [curve.observed(hidden, along)])]


def _compute_grid(evals: Evals, tables: list[pd.DataFrame], beyond: list[float]) -> np.ndarray:
    """Return compute (FLOP) from half of the least in `tables` and `beyond` to twice the most; else of all models."""
    values = np.concatenate([*(table["equivalent_flops"].to_numpy(float) for table in tables), beyond])
    values = values if len(values) else evals.models["flops"].dropna().to_numpy(float)
    return np.geomspace(max(values.min() / 2, 1.0), values.max() * 2, POINTS)


def _draw_curve(
    ax: Axes, curve: xr.DataArray, mark: Mark, tables: list[pd.DataFrame], column: str, prob: float, bar: str
) -> None:
    """Draw the median and bands of a curve (chain, draw, flops), and models at their equivalent compute.

    `tables` have the columns ``family, equivalent_flops`` and `column`: first the fitted models, then others. The
    caption ends in `bar`.
    """
    grid = curve["flops"].to_numpy()
    for content, alpha in ((prob, 0.13), (0.5, 0.25)):
        edges = np.quantile(curve.to_numpy(), tails(content), axis=(0, 1))
        ax.fill_between(grid, *edges, color=mark.colour, alpha=alpha, linewidth=0, zorder=1)
    ax.plot(
        grid, np.median(curve, axis=(0, 1)), color=mark.colour, linewidth=2, zorder=3,
        label=f"typical {mark.family} model",
    )  # fmt: skip
    flop_axis(ax)
    ax.set_xlim(grid[0], grid[-1])
    score_axis(ax.yaxis)
    dots: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.5}
    own = tables[0]["family"] == mark.family
    rest, mine = tables[0][~own], tables[0][own]
    ax.scatter(rest["equivalent_flops"], rest[column], s=18, color=OTHERS, label="other families", zorder=2, **dots)
    style: dict[str, Any] = {"color": mark.colour, "marker": mark.marker, "label": mark.family, "zorder": 5}
    ax.scatter(mine["equivalent_flops"], mine[column], s=44, **style, **dots)
    hollow: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 1.2, "label": "not fitted"}
    for table in tables[1:]:
        ax.scatter(table["equivalent_flops"], table[column], s=36, zorder=4, **hollow)
    bands = f"bands: 50% and {named(prob)} credible intervals of the typical model's expected {column}{bar}"
    label_below(ax, f"{mark.family}-equivalent training compute (FLOP)", bands)
    legend_inside(ax)


def _mark_crossing(ax: Axes, crossing: tuple[float, float, float], height: float, prob: float) -> None:
    """Mark where the curve crosses `height`, with a bar for the interval, cut off at the edge of the axes."""
    left, right = ax.get_xlim()
    low, middle, high = crossing
    ax.axhline(height, color=INK, linewidth=0.8, linestyle=":", zorder=1)
    start = min(max(low, left), right)
    ax.hlines(height, start, min(high, right), color=INK, linewidth=2.2, zorder=6, label="_threshold")
    if left <= middle <= right:
        ax.plot(middle, height, "|", color=INK, markersize=16, markeredgewidth=2.2, zorder=7, label="_crossing")
    ax.annotate(
        f"{height:.0%} at {say_flops(middle)} FLOP\n{percent(prob)}: {say_flops(low)} to {say_flops(high)}",
        (start, height),
        xytext=(-6, 4), textcoords="offset points", ha="right", va="bottom", fontsize=9, color=INK, weight="bold",
        zorder=7, bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.6, "linewidth": 0},
    )  # fmt: skip
