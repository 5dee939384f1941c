"""Plots of a prior predictive check: scores over compute that the priors alone imply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND, PROB, tails
from bayescale.errors import EvalsError, suggest
from bayescale.plots.panels import first, panels
from bayescale.plots.style import COLOURS, INK, flop_axis, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.checks import PriorPredictive

PANELS = 12
CORE = 0.5

# Number of single curves per panel.
CURVES = 20


def plot_prior_predictive(
    prior: PriorPredictive, benchmarks: Sequence[str] | None = None, *, prob: float = PROB
) -> Figure:
    """Draw `plot_prior_curves` for several benchmarks on a page; the first twelve unless `benchmarks` names them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EvalsError
        For an unknown benchmark.
    ForecastError
        When `prob` is not a probability.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_prior_predictive
    >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
    >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
    >>> plot_prior_predictive(prior, benchmarks=["MMLU", "GSM8K"]).savefig("prior.png")
    """
    names, more = first(prior.evals.benchmark_names, benchmarks, PANELS)
    rows = dict(zip(names, _rows(prior, names, prob), strict=True))
    return panels(
        names,
        lambda name, ax: _draw(prior, rows[name], ax),
        (f"training compute (FLOP)\nspec {prior.spec.name!r}, scores not used{more}", "score"),
        sharex=True,
    )


def plot_prior_curves(prior: PriorPredictive, benchmark: str, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
    """Plot expected scores over training compute under the priors alone, with the observed scores for scale.

    Bands are equal-tailed intervals of the expected score of a model; lines are single curves, dashed if they fall with
    compute.

    Parameters
    ----------
    prior : PriorPredictive
    benchmark : str
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the wide band; the narrow one has 50%.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    EvalsError
        For an unknown benchmark.
    ForecastError
        When `prob` is not a probability.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_prior_curves
    >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
    >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
    >>> plot_prior_curves(prior, "MMLU").get_xscale()
    'log'
    """
    (row,) = _rows(prior, [benchmark], prob)
    ax = _draw(prior, row, new_axes(ax, (6.4, 4.6)))
    ax.set_xlabel(f"training compute (FLOP); spec {prior.spec.name!r}, scores not used")
    ax.set_ylabel(f"{benchmark} score")
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1.1))
    return ax


def _rows(prior: PriorPredictive, benchmarks: Sequence[str], prob: float) -> list[Any]:
    """Return the rows of the summary for some benchmarks."""
    names = prior.evals.benchmark_names
    for name in benchmarks:
        if name not in names:
            raise EvalsError(suggest(name, names, "benchmark in the evals"))
    table = prior.summary(prob=prob).set_index("benchmark", drop=False)
    return [table.loc[name] for name in benchmarks]


def _draw(prior: PriorPredictive, row: Any, ax: Axes) -> Axes:
    from bayescale.checks.prior_predictive import falling

    benchmark = row["benchmark"]
    plain(ax)
    flops = prior.curves["flops"].to_numpy()
    curves = prior.plain_curves[:, :, prior.evals.benchmark_names.index(benchmark)]
    for content, shade in ((row["prob"], "#E9E9E9"), (CORE, "#D6D6D6")):
        low, high = np.quantile(curves, tails(content), axis=1)
        label = f"{content:.0%} {KIND} prior interval"
        ax.fill_between(flops, low, high, color=shade, linewidth=0, zorder=1, label=label)
    falls = falling(curves)
    for name, colour, style, these in (
        ("single curves", COLOURS[0], "-", ~falls),
        ("falling curves", COLOURS[1], (0, (4, 1.5)), falls),
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
        label="observed scores, for scale",
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
