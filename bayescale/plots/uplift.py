"""Plot the uplift of a family's score over compute, with observed uplifts and where it exceeds a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayescale._intervals import KIND, PROB, flops_quantiles
from bayescale.analysis.compute_equivalent import ALONG, Along
from bayescale.analysis.uplift import THRESHOLD
from bayescale.plots.families import mark_families
from bayescale.plots.over_compute import compute_grid, draw_bands, draw_models, mark_crossing
from bayescale.plots.style import INK, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bayescale.analysis.uplift import Uplift
    from bayescale.evals import Evals


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

    Every observed uplift is drawn at the compute equivalent of its model's own capability (posterior median,
    `Uplift.observed`). The compute from which the uplift exceeds `threshold` is marked, with its interval.

    Parameters
    ----------
    uplift : Uplift
    threshold : float, optional
        Difference of scores to mark; None to mark nothing.
    hidden : Evals or pandas.DataFrame, optional
        Scores that were not fitted (``model, benchmark, score``); uplifts that need one are drawn with their own
        marker.
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the wide band and of the interval of the start.
    along : {"capabilities", "benchmarks"}
        How equivalent compute is measured, see `Efficiency`.

    Returns
    -------
    matplotlib.axes.Axes

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
    seen = uplift.observed(along=along)
    unseen = None if hidden is None else uplift.observed(hidden, along)
    evals = uplift.baseline_curve.posterior.evals
    (mark,) = mark_families(evals, [uplift.family])
    ax = plain(new_axes(ax, (7.2, 4.8)))
    shown = [table["equivalent_flops"] for table in (seen, unseen) if table is not None]
    # The curve goes on for a decade beyond the models: that is where it is a forecast.
    curve = uplift.expected_uplift(compute_grid(evals, *shown, *(5 * part.max() for part in shown if len(part))))
    draw_bands(ax, curve, mark, f"typical {uplift.family} model", prob)
    draw_models(ax, seen, unseen, "uplift", mark)
    ax.axhline(0, color=INK, linewidth=0.8, linestyle="--", zorder=1)
    said = ""
    if threshold is not None:
        mark_crossing(ax, flops_quantiles(uplift.log10_start(threshold), prob=prob), float(threshold), prob=prob)
        said = f"; bar: {prob:.0%} interval of where it first exceeds {float(threshold):.0%}"
    score_axis(ax.yaxis)
    label_below(
        ax,
        f"{uplift.family}-equivalent training compute (FLOP)",
        f"bands: 50% and {prob:.0%} {KIND} credible intervals of the typical model's expected uplift{said}",
    )
    ax.set_ylabel("uplift in score")
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    ax.set_title(f"Uplift of {uplift.benchmark} over {uplift.baseline}", loc="left", fontsize=10.5, color=INK)
    return ax
