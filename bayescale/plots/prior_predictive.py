"""Plots of a prior predictive check: scores over compute that the priors alone imply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import KIND, PROB, tails
from bayescale.errors import EvalsError, require_names
from bayescale.plots.panels import first, panels
from bayescale.plots.style import COLOURS, INK, flop_axis, legend_above, new_axes, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.checks import PriorPredictive

CORE = 0.5
# Number of single curves per panel.
CURVES = 20


def plot_prior_predictive(
    prior: PriorPredictive, benchmarks: Sequence[str] | None = None, *, prob: float = PROB
) -> Figure:
    """Draw `plot_prior_curves` for several benchmarks on a page; the first twelve unless `benchmarks` names them.

    Raises
    ------
    EvalsError, ForecastError
        As `plot_prior_curves`.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_prior_predictive
    >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
    >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
    >>> plot_prior_predictive(prior, benchmarks=["MMLU", "GSM8K"]).savefig("prior.png")
    """
    names, more = first(prior.evals.benchmark_names, benchmarks)
    table = prior.summary(prob=prob)
    labels = f"training compute (FLOP)\nspec {prior.spec.name!r}, before any score is used{more}", "score"
    return panels(names, lambda name, ax: _draw(prior, table, name, ax), labels, sharex=True)


def plot_prior_curves(prior: PriorPredictive, benchmark: str, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Plot expected scores over training compute under the priors alone, with the observed scores for scale.

    Bands are equal-tailed intervals of the expected score of a model; lines are single prior draws, dashed if they fall
    with compute.

    Parameters
    ----------
    prior : PriorPredictive
    benchmark : str
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the wide band; the narrow one has 50%.

    Raises
    ------
    EvalsError
        For an unknown benchmark.
    ForecastError
        When `prob` is not between 0 and 1.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_prior_curves
    >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
    >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
    >>> plot_prior_curves(prior, "MMLU").get_xscale()
    'log'
    """
    ax = _draw(prior, prior.summary(prob=prob), benchmark, new_axes(ax, (6.4, 4.6)))
    ax.set_xlabel(f"training compute (FLOP); spec {prior.spec.name!r}, before any score is used")
    ax.set_ylabel(f"{benchmark} score")
    legend_above(ax, lift=0.1)
    return ax


def _draw(prior: PriorPredictive, table: pd.DataFrame, benchmark: str, ax: Axes) -> Axes:
    from bayescale.checks.prior_predictive import falling

    require_names([benchmark], prior.evals.benchmark_names, "benchmark in the evals", EvalsError)
    row = table.set_index("benchmark").loc[benchmark]
    flops = prior.curves["flops"].to_numpy()
    curves = prior.plain_curves[:, :, prior.evals.benchmark_names.index(benchmark)]
    for content, shade in ((table.attrs["prob"], "#E9E9E9"), (CORE, "#D6D6D6")):
        low, high = np.quantile(curves, tails(content), axis=1)
        label = f"{content:.0%} {KIND} prior interval"
        ax.fill_between(flops, low, high, color=shade, linewidth=0, zorder=1, label=label)
    falls = falling(curves)
    for name, colour, style, these in (
        ("prior draws", COLOURS[0], "-", ~falls),
        ("prior draws that fall", COLOURS[1], (0, (4, 1.5)), falls),
    ):
        # Curves of both kinds in the proportion of the first draws.
        lines = curves[:, :CURVES][:, these[:CURVES]]
        ax.plot(flops, lines, color=colour, linestyle=style, linewidth=0.9, alpha=0.8, zorder=2)
        ax.plot([], [], color=colour, linestyle=style, linewidth=1.2, label=name)
    observed = prior.evals.matrix().sel(benchmark=benchmark).to_numpy()
    compute = prior.evals.models["flops"].to_numpy(float)
    seen = ~np.isnan(observed) & ~np.isnan(compute)
    ax.scatter(
        compute[seen], observed[seen], s=11, color=INK, edgecolor="white", linewidth=0.4, zorder=4,
        label="observed scores (not used)",
    )  # fmt: skip
    ax.set_title(benchmark, loc="left", fontsize=11, color=INK, pad=16)
    ax.text(
        0, 1.015, f"{row['falling']:.0%} fall · {row['flat']:.0%} flat · {row['saturated']:.0%} reach the ceiling",
        transform=ax.transAxes, fontsize=8.5, color="#555555", va="bottom",
    )  # fmt: skip
    flop_axis(ax)
    ax.set_xlim(flops[0] / 1.6, flops[-1] * 1.6)
    ax.set_ylim(-0.01, 1.01)
    score_axis(ax.yaxis)
    return ax
