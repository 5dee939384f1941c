"""Plots of a forecast: scores over training compute, and one interval per benchmark and model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import PROB, named, tails
from bayescale.analysis.compute_equivalent import require_compute
from bayescale.errors import ConvergenceWarning, ExtrapolationWarning, require_names
from bayescale.forecast.forecast import make_forecast
from bayescale.plots.evals import draw_scores
from bayescale.plots.families import Mark, label_paths, mark_families
from bayescale.plots.forest import draw_forest, interval_caption
from bayescale.plots.panels import first, panels
from bayescale.plots.style import COLOURS, INK, label_below, legend_inside, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.analysis.compute_optimal import ComputeOptimal
    from bayescale.evals import Evals
    from bayescale.forecast import Forecast

POINTS = 25
# Observed models within this factor of the compute of a forecast are named, the nearest of a panel.
NEAR, MOST_NAMED = 3.0, 3
# Models of one family share its colour and marker, and differ in how far the marker is filled.
FILLS: tuple[dict[str, Any], ...] = (
    {"markerfacecolor": "white"},
    {},
    *({"fillstyle": side, "markerfacecoloralt": "white"} for side in ("left", "bottom", "right", "top")),
)


def _bands(forecast: Forecast, prob: float) -> dict[Mark, tuple[np.ndarray, np.ndarray]]:
    """Return, by family, a grid of compute (point,) and lower end, median and upper end (3, point, benchmark)."""
    posterior, draws = forecast.posterior, forecast.draws
    require_compute(posterior.spec, "a picture over compute (draw plot_intervals instead)")
    lower, upper = tails(prob)
    models = posterior.evals.models
    bands = {}
    for mark in mark_families(posterior.evals, draws["family"].to_numpy().tolist()):
        asked = draws["flops"].to_numpy()[draws["family"].to_numpy() == mark.family]
        # Of other columns what was said of the family's first model.
        first_one = draws.isel(model=int(np.argmax(draws["family"].to_numpy() == mark.family)))
        said = {c.name: first_one[c.name].item() for c in posterior.draws.data.columns if c.kind != "size"}
        own = models["flops"][models["family"] == mark.family]
        start = own.min() if own.notna().any() else models["flops"].median()
        grid = np.geomspace(min(start, asked.min() / 10), asked.max() * 1.5, POINTS)
        with warnings.catch_warnings():
            # The forecast has warned of its posterior: do not repeat that for each family.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", ExtrapolationWarning)
            said["setting"] = draws["setting"].to_series().to_dict() if "setting" in draws.coords else None
            again = make_forecast(posterior, family=mark.family, flops=grid, random_seed=forecast.random_seed, **said)
        scores = again.draws["predicted_score"].transpose("chain", "draw", "model", "benchmark").to_numpy()
        bands[mark] = grid, np.quantile(scores, [lower, 0.5, upper], axis=(0, 1))
    return bands


def plot_fan(
    forecast: Forecast, benchmark: str, ax: Axes | None = None, *, observed: Evals | None = None, prob: float = PROB
) -> Axes:
    """Plot predicted scores over training compute for each family of the forecast.

    Bands and bars are equal-tailed intervals of the measured score. Known scores (`Forecast.given`) narrow the bar of
    the forecast model; the band is that of the family from compute alone. Observed models whose compute is within a
    factor of three of a forecast are named.

    Parameters
    ----------
    forecast : Forecast
    benchmark : str
    ax : matplotlib.axes.Axes, optional
    observed : Evals, optional
        Scores to draw; default those of the fit. Models that the fit did not see get a star and their name.
    prob : float
        Probability content of bands and bars.

    Raises
    ------
    ForecastError
        For an unknown benchmark, or a spec with other measures of size than compute.

    Examples
    --------
    >>> from bayescale.plots import plot_fan
    >>> plot_fan(posterior.forecast(family="Llama-3", flops=4e25), "MMLU").get_xscale()
    'log'
    """
    ax = _draw_fan(forecast, benchmark, _bands(forecast, prob), new_axes(ax, (6.4, 4.8)), observed, prob, named=True)
    label_below(ax, "training compute (FLOP)", _caption(prob, forecast))
    ax.set_ylabel(f"{benchmark} score")
    legend_inside(ax)
    return ax


def plot_forecast(
    forecast: Forecast, benchmarks: list[str] | None = None, *, observed: Evals | None = None, prob: float = PROB
) -> Figure:
    """Draw `plot_fan` for several benchmarks on a page; the first twelve unless `benchmarks` names them.

    Raises
    ------
    ForecastError
        As `plot_fan`.

    Examples
    --------
    >>> from bayescale.plots import plot_forecast
    >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
    >>> plot_forecast(forecast, benchmarks=["MMLU", "GSM8K"]).savefig("forecast.png")
    """
    names, more = first([str(b) for b in forecast.draws["benchmark"].to_numpy()], benchmarks)
    bands = _bands(forecast, prob)
    below = f"training compute (FLOP)\n{_caption(prob, forecast)}{more}"
    draw = lambda name, ax: _draw_fan(forecast, name, bands, ax, observed, prob)  # noqa: E731
    return panels(names, draw, (below, "score"), sharex=True)


def _draw_fan(
    forecast: Forecast, benchmark: str, bands: dict[Mark, tuple[np.ndarray, np.ndarray]], ax: Axes,
    observed: Evals | None, prob: float, named: bool = False,
) -> Axes:  # fmt: skip
    fitted, draws = forecast.posterior.evals, forecast.draws
    evals = observed or fitted
    benchmarks = [str(b) for b in draws["benchmark"].to_numpy()]
    require_names([benchmark], benchmarks, "benchmark in the forecast")
    column, table = benchmarks.index(benchmark), forecast.summary(prob=prob)
    draw_scores(benchmark, ax, evals, list(bands), size=34, named=False)
    largest = fitted.models["flops"].max()
    for mark, (compute, scores) in bands.items():
        colour = mark.colour
        low, middle, high = scores[..., column]
        # Beyond the data the band is pale and its lines dashed.
        last = max(int((compute <= largest).sum()) - 1, 0)
        for here, style, alpha in ((slice(last + 1), "-", 0.13), (slice(last, None), "--", 0.06)):
            ax.fill_between(compute[here], low[here], high[here], color=colour, alpha=alpha, linewidth=0, zorder=2)
            for edge in (low, high):
                ax.plot(compute[here], edge[here], color=colour, linewidth=0.7, alpha=0.6, linestyle=style, zorder=3)
            # The legend shows the marker of the family, of which the line has none.
            entry: dict[str, Any] = (
                {"label": mark.family, "marker": mark.marker, "markevery": []} if style == "-" else {}
            )
            ax.plot(compute[here], middle[here], color=colour, linewidth=1.8, linestyle=style, zorder=4, **entry)
        mine = draws["family"].to_numpy() == mark.family
        rows = table[table["benchmark"] == benchmark][mine]
        flops = draws["flops"].to_numpy()[mine]
        middle = rows["median"]
        ax.errorbar(
            flops, middle, yerr=[middle - rows["lower"], rows["upper"] - middle], fmt=mark.marker, markersize=7,
            markerfacecolor="white", markeredgecolor=colour, markeredgewidth=1.6, ecolor=colour, elinewidth=1.6,
            capsize=3, zorder=6, clip_on=False,
        )  # fmt: skip
    smallest = min(evals.models["flops"].min(), *(compute[0] for compute, _ in bands.values()))
    ax.set_xlim(left=max(smallest / 2, 1e19))
    ax.set_ylim(0, 1.01)
    _mark_models(ax, benchmark, evals, forecast, {mark.family: mark for mark in bands}, named)
    return ax


def _mark_models(
    ax: Axes, benchmark: str, evals: Evals, forecast: Forecast, marks: dict[str, Mark], named: bool
) -> None:
    """Draw on top what the fit did not see; where there is room for names, also models near the forecast compute."""
    asked, fitted = forecast.draws["flops"].to_numpy(), forecast.posterior.evals.model_names
    models = evals.models.assign(score=evals.matrix().sel(benchmark=benchmark).to_numpy())
    models = models.dropna(subset=["flops", "score"])
    models["distance"] = np.abs(np.log10(models["flops"].to_numpy(float)[:, None] / asked)).min(axis=1)
    models["unseen"] = ~models["model"].isin(fitted)
    models["name"] = models["model"].str.split("/").str[-1].str.removeprefix("Meta-")
    near = models[models["unseen"] | (named & (models["distance"] <= np.log10(NEAR)))]
    near = near.sort_values(["unseen", "distance"], ascending=[False, True])[:MOST_NAMED]
    hidden = near["name"][near["unseen"]].tolist()
    labels: list[tuple[np.ndarray, Mark]] = []
    for row in near.itertuples():
        mark = marks.get(row.family, Mark(row.family, INK, "o"))
        legend = f"{hidden[0]}, not in the fit" if len(hidden) == 1 else "not in the fit"
        star: dict[str, Any] = {"marker": "*", "s": 130, "color": INK, "label": "_nolegend_" if labels else legend}
        look = star if row.unseen else {"marker": mark.marker, "s": 30, "color": mark.colour}
        ax.scatter(row.flops, row.score, edgecolor="white", linewidth=0.5, zorder=7, **look)
        labels.append((np.array([[row.flops, row.score]]), Mark(str(row.name), str(look["color"]), mark.marker)))
    if not named:
        return
    middles = forecast.summary().query("benchmark == @benchmark")["median"].to_numpy()
    label_paths(ax, labels, np.column_stack([np.r_[models["flops"], asked], np.r_[models["score"], middles]]))


def _caption(prob: float, forecast: Forecast) -> str:
    given = ", ".join(f"{name} = {value:.0%}" for name, value in forecast.given.items())
    return (
        f"bands and bars: {named(prob)} credible intervals of the measured score"
        f"{f', bars given {given}' if given else ''}; filled: observed, open: forecast; "
        "dashed: beyond the compute of the data; models of unknown compute are not shown"
    )


def plot_intervals(forecast: Forecast, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Plot the predicted score of each benchmark: median, 50% (thick) and `prob` (thin) equal-tailed interval.

    Examples
    --------
    >>> from bayescale.plots import plot_intervals
    >>> forecast = posterior.forecast(family=["Llama-3", "Qwen1.5"], flops=[4e25, 1e25])
    >>> plot_intervals(forecast).figure.savefig("intervals.png")
    """
    wide, core = forecast.summary(prob=prob), forecast.summary(prob=0.5)
    models, benchmarks = list(dict.fromkeys(wide["model"])), list(dict.fromkeys(wide["benchmark"]))
    families = forecast.draws["family"].to_numpy().tolist()
    marks = {mark.family: mark for mark in mark_families(forecast.posterior.evals, families)}
    styles = {}
    for i, (model, family) in enumerate(zip(models, families, strict=True)):
        mark, fill = marks[family], FILLS[families[:i].count(family) % len(FILLS)]
        styles[model] = {"colour": mark.colour, "marker": mark.marker, "markersize": 6, "label": model} | fill
    ax = new_axes(ax, (6.8, 0.6 + 0.42 * len(benchmarks) * max(1.0, 0.45 * len(models))))
    draw_forest(ax, wide, core, "model", styles, benchmarks)
    ax.set_xlim(0, 1.01)
    label_below(ax, "score", f"{interval_caption(prob)} of the measured score")
    return ax


def draw_compute_optimal(split: ComputeOptimal, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Draw the expected score over tokens per parameter, one line per benchmark, with a mark at the optimum."""
    ax = new_axes(ax, (6.8, 4.8))
    lower, upper = tails(prob)
    scores = split.draws["expected_score"].quantile([lower, 0.5, upper], ("chain", "draw"))
    ratio = scores["tokens_per_param"].to_numpy()
    for name, colour in zip(scores["benchmark"].to_numpy(), COLOURS, strict=False):
        low, middle, high = scores.sel(benchmark=name).transpose("quantile", ...).to_numpy()
        ax.fill_between(ratio, low, high, color=colour, alpha=0.13, linewidth=0)
        ax.plot(ratio, middle, color=colour, label=str(name))
    ax.axvline(split.optimum, color=INK, linewidth=1, linestyle="--")
    ax.set_xscale("log")
    ax.set_ylim(0, 1.01)
    ax.set_ylabel("score")
    below = f"bands: {named(prob)} credible intervals of the expected score of one model; dashed: the optimum"
    label_below(ax, f"training tokens per parameter, with {split.flops:.3g} FLOP", below)
    legend_inside(ax)
    return ax
