"""Plots of shares of variance: by principal component, by explaining score, and after each suggested model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale._intervals import PROB, named, summarise
from bayescale.analysis.variance import Scale, variance_shares
from bayescale.plots.style import COLOURS, INK, OTHERS, label_below, legend_above, new_axes, score_axis, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.analysis.explained_variance import ExplainedVariance
    from bayescale.analysis.suggestion import DesignChoice
    from bayescale.methods import Posterior

PALE = "#A9CDE5"
# Models of a suggestion that are named.
NAMED = 16


def plot_variance_shares(
    posterior: Posterior, ax: Axes | None = None, *, prob: float = PROB, scale: Scale = "logit"
) -> Axes:
    """Plot the share of variance over models of each principal component, with its interval.

    Parameters
    ----------
    posterior : Posterior
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the equal-tailed intervals.
    scale : {"logit", "score"}
        Variance of abilities, or of expected scores; see `bayescale.analysis.variance.variance_shares`.

    Raises
    ------
    ForecastError
        For an unknown `scale`, or `prob` not between 0 and 1.

    Examples
    --------
    >>> from bayescale.plots import plot_variance_shares
    >>> plot_variance_shares(posterior, scale="score").figure.savefig("shares.png")
    """
    table = summarise(variance_shares(posterior, scale), prob=prob)
    ax = new_axes(ax, (1.8 + 0.85 * len(table), 3.8))
    ax.grid(False, axis="x")
    ax.bar(table["component"], table["median"], width=0.62, color=COLOURS[0], zorder=2)
    ax.vlines(table["component"], table["lower"], table["upper"], color=INK, linewidth=1.6, zorder=3)
    for place, row in enumerate(table.itertuples()):
        text = f"{row.median:.1%}\n[{row.lower:.1%}, {row.upper:.1%}]"
        ax.annotate(
            text, (place, row.upper), xytext=(0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=7.5
        )
    ax.set_ylim(0, 1.12)
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    score_axis(ax.yaxis)
    what = "abilities (logits)" if scale == "logit" else "expected scores"
    ax.set_ylabel("share of variance over models")
    label_below(ax, f"principal component of {what}", f"median and {named(prob)} credible interval")
    return ax


def plot_explained_variance(explained: ExplainedVariance, ax: Axes | None = None) -> Axes:
    """Plot one bar per score: pale, the share of variance it explains alone; dark, the share lost without it.

    The line is the share that all scores explain together. Where a dark bar is much shorter than its pale one, the
    score is redundant given the others. Whiskers are two Monte Carlo standard errors.

    Examples
    --------
    >>> from bayescale.plots import plot_explained_variance
    >>> plot_explained_variance(posterior.explained_variance("GSM8K", ["MMLU"])).figure.savefig("explained.png")
    """
    table = explained.summary()[::-1].reset_index(drop=True)
    y = np.arange(len(table))
    ax = new_axes(ax, (7.2, 1.5 + 0.3 * len(table)))
    whisker = {"ecolor": INK, "elinewidth": 0.8}
    for column, colour, height, label in (
        ("alone", PALE, 0.72, "explained by it alone"),
        ("lost", COLOURS[0], 0.36, "lost without it"),
    ):
        error = 2 * table[f"{column}_error"]
        ax.barh(y, table[column], height, color=colour, xerr=error, error_kw=whisker, label=label, zorder=2)
    every = f"explained by all {len(table)}: {explained.together:.0%}"
    ax.axvline(explained.together, color=INK, linewidth=1.4, linestyle="--", zorder=3, label=every)
    ax.set_yticks(y, table["benchmark"], fontsize=9)
    ax.grid(False, axis="y")
    ax.set_xlim(min(0.0, float(table[["alone", "lost"]].to_numpy().min())), 1)
    score_axis(ax.xaxis)
    label_below(
        ax,
        f"share of the forecast's variance (sd {explained.sd:.2f}; {explained.sd_left:.2f} once all scores are known)",
        "whiskers: two Monte Carlo standard errors",
    )
    legend_above(ax, f"Explained variance of {explained.target}: {explained.model}")
    return ax


def plot_suggestion(suggestion: DesignChoice, ax: Axes | None = None) -> Axes:
    """Plot the expected share of forecast variance that remains after each suggested model or benchmark.

    The dashed line is the share that would remain if all candidates were evaluated. Up to sixteen are named,
    the first on top; of more, only the number is shown.

    Examples
    --------
    >>> from bayescale.plots import plot_suggestion
    >>> plot_suggestion(posterior.suggest_models(4)).figure.savefig("suggestion.png")
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    table = suggestion.table
    ax = new_axes(ax, (7.2, min(1.6 + 0.3 * len(table), 6.4)))
    y, left = table["order"].to_numpy(), table["variance_left"].to_numpy()
    ax.plot([1.0, *left], [0, *y], color=OTHERS, linewidth=1.2, zorder=2)
    ax.plot(left, y, "o", color=COLOURS[0], markersize=7, zorder=3)
    ax.plot(1.0, 0, "o", color=COLOURS[0], markerfacecolor="white", markersize=7, zorder=3)
    ax.axvline(suggestion.least, color=INK, linestyle="--", linewidth=1)
    ax.annotate(
        f"all {len(suggestion.candidates)} candidates: {suggestion.least:.1%}", (suggestion.least, 0),
        xytext=(5, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK,
    )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(min(suggestion.least, left.min()) / 1.3, 1.15)
    if len(table) <= NAMED:
        names = [f"{name}  {order}" for order, name in table.iloc[:, :2].to_numpy()]
        ax.set_yticks([0, *y], ["nothing evaluated", *names], fontsize=9)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_ylabel("number evaluated")
    ax.set_ylim(len(table) + 0.6, -0.6)
    what, of = suggestion.titles
    label_below(ax, f"expected share of forecast variance left, for {of} (log scale)")
    title(ax, what)
    return ax
