"""The fan: a score over training compute, with interval, the family's own models, and the models that are forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale.errors import ForecastError, suggest
from bayescale.forecast.request import NEW_FAMILY
from bayescale.intervals import KIND, PROB, tails
from bayescale.plots.style import COLOURS, INK, MARKERS, OTHERS, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.forecast import Forecast

POINTS = 25


def plot_fan(forecast: Forecast, benchmark: str, ax: Axes | None = None, prob: float = PROB, legend: bool = True) -> Axes:
    """Draw predicted scores over training compute for each family of the forecast.

    Bands and bars are equal-tailed intervals of the score that would be measured. With known scores (`given`) the
    band is still the family's, from compute alone; the bar of the forecast model is conditioned on them.

    Parameters
    ----------
    forecast : Forecast
    benchmark : str
    ax : matplotlib.axes.Axes, optional
    prob : float
    legend : bool

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ForecastError
        For an unknown benchmark, or a spec without training compute as its covariate.
    """
    posterior, draws = forecast.posterior, forecast.draws
    benchmarks = [str(b) for b in draws["benchmark"].to_numpy()]
    if benchmark not in benchmarks:
        raise ForecastError(suggest(benchmark, benchmarks, "benchmark in the forecast"))
    if posterior.spec.covariates != ("log10_flops",):
        raise ForecastError("A fan needs training compute as the one covariate; use plot_intervals instead.")
    ax = plain(new_axes(ax, (6.4, 4.2)))
    lower, upper = tails(prob)
    observed = posterior.evals.matrix().sel(benchmark=benchmark).to_numpy()
    models = posterior.evals.models
    compute, family_of = models["flops"].to_numpy(float), models["family"].to_numpy()
    seen = ~np.isnan(observed) & ~np.isnan(compute)
    targets = draws["flops"].to_numpy()
    families = list(dict.fromkeys(map(str, draws["family"].to_numpy())))
    own = np.isin(family_of, families) & seen
    ax.scatter(compute[seen & ~own], observed[seen & ~own], s=10, color=OTHERS, label="other models", zorder=1)

    all_targets = draws["predicted_score"].sel(benchmark=benchmark)
    for i, family in enumerate(families):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        mine = seen & (family_of == family)
        wanted = targets[draws["family"].to_numpy() == family]
        start = compute[mine].min() if mine.any() else np.nanquantile(compute[seen], 0.5)
        grid = np.geomspace(min(start, wanted.min() / 10), wanted.max() * 1.5, POINTS)
        known = "" if family == NEW_FAMILY else f" ({mine.sum()} models)"
        band = posterior.forecast(family=family, flops=grid).draws["predicted_score"].sel(benchmark=benchmark)
        low, middle, high = band.quantile([lower, 0.5, upper], dim=("chain", "draw")).to_numpy()
        ax.fill_between(grid, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
        ax.plot(grid, middle, color=colour, linewidth=1.8, label=f"{family}{known}", zorder=3)
        ax.scatter(compute[mine], observed[mine], s=34, color=colour, marker=marker, edgecolor="white", linewidth=0.6, zorder=5)
        chosen = all_targets.isel(model=np.flatnonzero(draws["family"].to_numpy() == family))
        low, middle, high = chosen.quantile([lower, 0.5, upper], dim=("chain", "draw")).to_numpy()
        ax.errorbar(
            wanted, middle, yerr=[middle - low, high - middle], fmt=marker, markersize=7, markerfacecolor="white",
            markeredgecolor=colour, markeredgewidth=1.6, ecolor=colour, elinewidth=1.6, capsize=3, zorder=6,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(left=max(np.nanmin(compute[seen]) / 2, 1e19))
    ax.set_ylim(0, 1)
    score_axis(ax.yaxis)
    ax.set_xlabel("training compute (FLOP)")
    ax.set_ylabel(f"{benchmark} score")
    title = f"{benchmark}" + (" (open marker: given other scores)" if forecast.given else "")
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    if legend:
        ax.legend(frameon=False, fontsize=8, loc="upper left")
        ax.text(1, -0.16, caption(prob), transform=ax.transAxes, fontsize=7.5, ha="right", color="#666666")
    return ax


def caption(prob: float) -> str:
    """What the bands and bars are."""
    return f"bands and bars: {prob:.0%} {KIND} credible intervals of the measured score; open markers: forecasts"


def plot_forecast(forecast: Forecast, benchmarks: list[str] | None = None, prob: float = PROB) -> Figure:
    """Draw one fan per benchmark on a page; at most twelve unless `benchmarks` names them."""
    import matplotlib.pyplot as plt

    names = benchmarks or [str(b) for b in forecast.draws["benchmark"].to_numpy()][:12]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.5 * columns, 2.9 * rows + 0.6), layout="constrained", squeeze=False, sharex=True
    )
    for ax, name in zip(axes.flat, names, strict=False):
        plot_fan(forecast, name, ax=ax, prob=prob, legend=False)
        ax.set_title(name, loc="left", fontsize=11, color=INK)
        ax.set_ylabel("")
        ax.set_xlabel("")
    for ax in list(axes.flat)[len(names) :]:
        ax.remove()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=9)
    figure.supxlabel(f"training compute (FLOP)\n{caption(prob)}", fontsize=9)
    return figure
