"""The fan: a score over training compute, with interval, the family's own models, and the models that are forecast."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND, PROB, tails
from bayescale.analysis.compute_equivalent import require_compute
from bayescale.errors import ConvergenceWarning, ForecastError, suggest
from bayescale.forecast.forecast import make_forecast
from bayescale.plots.families import Mark, mark_families
from bayescale.plots.panels import first, panels
from bayescale.plots.style import INK, OTHERS, flop_axis, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.forecast import Forecast

POINTS = 25
PANELS = 12


@dataclass(frozen=True)
class _Band:
    """Quantiles (lower, median, upper) of one family's predicted scores over compute, for all benchmarks."""

    mark: Mark
    compute: np.ndarray  # (point,)
    scores: np.ndarray  # (3, point, benchmark)


def _bands(forecast: Forecast, prob: float) -> list[_Band]:
    posterior, draws = forecast.posterior, forecast.draws
    require_compute(posterior.spec, "a picture over compute (draw plot_intervals instead)")
    lower, upper = tails(prob)
    models = posterior.evals.models
    compute, family_of = models["flops"].to_numpy(float), models["family"].to_numpy()
    bands = []
    for mark in mark_families(posterior.evals, draws["family"].to_numpy().tolist()):
        family = mark.family
        wanted = draws["flops"].to_numpy()[draws["family"].to_numpy() == family]
        own = compute[(family_of == family) & ~np.isnan(compute)]
        start = own.min() if own.size else np.nanmedian(compute)
        grid = np.geomspace(min(start, wanted.min() / 10), wanted.max() * 1.5, POINTS)
        with warnings.catch_warnings():
            # Whoever holds the forecast has been warned of its posterior; a picture need not repeat it per family.
            warnings.simplefilter("ignore", ConvergenceWarning)
            again = make_forecast(posterior, family=family, flops=grid, random_seed=forecast.random_seed)
        scores = again.draws["predicted_score"].transpose("chain", "draw", "model", "benchmark").to_numpy()
        quantiles = np.quantile(scores.reshape((-1, *scores.shape[2:])), [lower, 0.5, upper], axis=0)
        bands.append(_Band(mark, grid, quantiles))
    return bands


def plot_fan(forecast: Forecast, benchmark: str, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Draw predicted scores over training compute for each family of the forecast.

    Bands and bars are equal-tailed intervals of the score that would be measured. With known scores (`given`) the
    band is still the family's, from compute alone; the bar of the forecast model is conditioned on them.

    Parameters
    ----------
    forecast : Forecast
    benchmark : str
    ax : matplotlib.axes.Axes, optional
    prob : float

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ForecastError
        For an unknown benchmark, or a spec without training compute as its covariate.

    Examples
    --------
    >>> from bayescale.plots import plot_fan
    >>> plot_fan(posterior.forecast(family="Llama-3", flops=4e25), "MMLU").get_xscale()
    'log'
    """
    ax = _draw_fan(forecast, benchmark, _bands(forecast, prob), new_axes(ax, (6.4, 4.8)), prob)
    label_below(ax, "training compute (FLOP)", caption(prob, forecast))
    ax.set_ylabel(f"{benchmark} score")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    return ax


def _draw_fan(forecast: Forecast, benchmark: str, bands: list[_Band], ax: Axes, prob: float) -> Axes:
    posterior, draws = forecast.posterior, forecast.draws
    benchmarks = [str(b) for b in draws["benchmark"].to_numpy()]
    if benchmark not in benchmarks:
        raise ForecastError(suggest(benchmark, benchmarks, "benchmark in the forecast"))
    column = benchmarks.index(benchmark)
    plain(ax)
    lower, upper = tails(prob)
    observed = posterior.evals.matrix().sel(benchmark=benchmark).to_numpy()
    models = posterior.evals.models
    compute, family_of = models["flops"].to_numpy(float), models["family"].to_numpy()
    seen = ~np.isnan(observed) & ~np.isnan(compute)
    own = np.isin(family_of, [band.mark.family for band in bands]) & seen
    ax.scatter(
        compute[seen & ~own], observed[seen & ~own], s=10, color=OTHERS, label="models of other families", zorder=1
    )
    for band in bands:
        family, colour, marker = band.mark.family, band.mark.colour, band.mark.marker
        low, middle, high = band.scores[:, :, column]
        ax.fill_between(band.compute, low, high, color=colour, alpha=0.13, linewidth=0, zorder=2)
        for edge in (low, high):
            ax.plot(band.compute, edge, color=colour, linewidth=0.7, alpha=0.6, zorder=3)
        ax.plot(band.compute, middle, color=colour, linewidth=1.8, label=family, zorder=4)
        mine = seen & (family_of == family)
        ax.scatter(
            compute[mine], observed[mine], s=34, color=colour, marker=marker, edgecolor="white", linewidth=0.6, zorder=5
        )
        here = np.flatnonzero(draws["family"].to_numpy() == family)
        chosen = draws["predicted_score"].isel(model=here, benchmark=column)
        low, middle, high = chosen.quantile([lower, 0.5, upper], dim=("chain", "draw")).to_numpy()
        ax.errorbar(
            draws["flops"].to_numpy()[here], middle, yerr=[middle - low, high - middle], fmt=marker, markersize=7,
            markerfacecolor="white", markeredgecolor=colour, markeredgewidth=1.6, ecolor=colour, elinewidth=1.6,
            capsize=3, zorder=6,
        )  # fmt: skip
    floor = posterior.evals.benchmarks.set_index("benchmark")["floor"][benchmark]
    ax.axhline(floor, color=INK, linewidth=0.8, linestyle=":", zorder=1, label="guessing floor")
    flop_axis(ax)
    smallest = min(np.nanmin(compute), min(band.compute[0] for band in bands))
    ax.set_xlim(left=max(smallest / 2, 1e19))
    ax.set_ylim(0, 1.01)
    score_axis(ax.yaxis)
    ax.set_title(benchmark, loc="left", fontsize=11, color=INK)
    return ax


def caption(prob: float, forecast: Forecast) -> str:
    """What the bands and bars are."""
    given = ", ".join(f"{name} = {value:.0%}" for name, value in forecast.given.items())
    known = f", bars given {given}" if given else ""
    return (
        f"bands and bars: {prob:.0%} {KIND} credible intervals "
        f"of the measured score{known}; filled: observed, open: forecast; models of unknown compute are not drawn"
    )


def plot_forecast(forecast: Forecast, benchmarks: list[str] | None = None, *, prob: float = PROB) -> Figure:
    """Draw `plot_fan` for several benchmarks on a page; the first twelve unless `benchmarks` names them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ForecastError
        For an unknown benchmark, or a spec without training compute as its covariate.

    Examples
    --------
    >>> from bayescale.plots import plot_forecast
    >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
    >>> plot_forecast(forecast, benchmarks=["MMLU", "GSM8K"]).savefig("forecast.png")
    """
    names, more = first([str(b) for b in forecast.draws["benchmark"].to_numpy()], benchmarks, PANELS)
    bands = _bands(forecast, prob)
    return panels(
        names,
        lambda name, ax: _draw_fan(forecast, name, bands, ax, prob),
        (f"training compute (FLOP)\n{caption(prob, forecast)}{more}", "score"),
        sharex=True,
    )
