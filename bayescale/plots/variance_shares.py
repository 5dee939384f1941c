"""How many dimensions carry the differences between models: share of variance by component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayescale._intervals import KIND, PROB, summarise
from bayescale.analysis.variance import Scale, variance_shares
from bayescale.plots.style import COLOURS, INK, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.methods import Posterior


def plot_variance_shares(
    posterior: Posterior, ax: Axes | None = None, *, prob: float = PROB, scale: Scale = "logit"
) -> Axes:
    """Draw the share of variance over models of each principal component, with its interval.

    Parameters
    ----------
    posterior : Posterior
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the equal-tailed intervals.
    scale : {"logit", "score"}
        Variance of abilities, or of expected scores; see `bayescale.analysis.variance.variance_shares`.

    Returns
    -------
    matplotlib.axes.Axes

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
    ax = plain(new_axes(ax, (1.8 + 0.85 * len(table), 3.8)))
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
    label_below(ax, f"principal component of {what}", f"median and {prob:.0%} {KIND} credible interval")
    return ax
