"""Plot a family's expected score over compute, with observed scores of all models and the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayescale._intervals import KIND, PROB
from bayescale.analysis.compute_equivalent import ALONG, Along
from bayescale.forecast.query import LARGEST
from bayescale.plots.families import mark_families
from bayescale.plots.over_compute import compute_grid, draw_bands, draw_models, mark_crossing
from bayescale.plots.style import INK, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bayescale.analysis.emergence import Emergence, Score
    from bayescale.evals import Evals


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
    `Emergence.observed`): scores of all families fall near one curve. The threshold is marked where the curve crosses
    it, with its interval.

    Parameters
    ----------
    emergence : Emergence
    score : float or "half way", optional
        The threshold; default half way from floor to ceiling.
    hidden : Evals or pandas.DataFrame, optional
        Scores that were not fitted (``model, benchmark, score``), drawn with a marker of their own.
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the wide band and of the interval of the threshold.
    along : {"capabilities", "benchmarks"}
        How equivalent compute is measured, see `Efficiency`.

    Returns
    -------
    matplotlib.axes.Axes

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
    seen = emergence.observed(along=along)
    unseen = None if hidden is None else emergence.observed(hidden, along)
    low, middle, high = emergence.quantiles(score, "typical", prob=prob)
    height = emergence.half_way if score is None or isinstance(score, str) else float(score)
    (mark,) = mark_families(emergence.posterior.evals, [emergence.family])

    ax = plain(new_axes(ax, (7.2, 4.8)))
    shown = [table["equivalent_flops"] for table in (seen, unseen) if table is not None]
    crossing = [middle * 3] if middle < LARGEST["flops"] else []
    curve = emergence.expected_scores(compute_grid(emergence.posterior.evals, *shown, *crossing))
    draw_bands(ax, curve, mark, f"typical {emergence.family} model", prob)
    draw_models(ax, seen, unseen, "score", mark)
    mark_crossing(ax, (low, middle, high), height, prob)
    ax.set_ylim(0, 1.03)
    score_axis(ax.yaxis)
    label_below(
        ax,
        f"{emergence.family}-equivalent training compute (FLOP)",
        f"bands: 50% and {prob:.0%} {KIND} credible intervals of "
        f"the typical model's expected score; bar: {prob:.0%} interval of where it crosses {height:.0%}",
    )
    ax.set_ylabel(f"{emergence.benchmark} score")
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    title = f"{emergence.benchmark} over compute, other families at their {emergence.family}-equivalent"
    ax.set_title(title, loc="left", fontsize=10.5, color=INK)
    return ax
