"""Gain: what an intervention adds to a family's score over compute, models' observed gains, and where it pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayescale._intervals import KIND, PROB
from bayescale.analysis.compute_equivalent import ALONG, Along
from bayescale.analysis.emergence import flops_quantiles
from bayescale.analysis.uplift import PAYS
from bayescale.plots.families import mark_families
from bayescale.plots.over_compute import compute_grid, draw_bands, draw_models, mark_crossing
from bayescale.plots.style import INK, label_below, new_axes, plain, score_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bayescale.analysis.uplift import Gain
    from bayescale.evals import Evals


def plot_gain(
    gain: Gain,
    amount: float | None = PAYS,
    hidden: Evals | pd.DataFrame | None = None,
    ax: Axes | None = None,
    prob: float = PROB,
    along: Along = ALONG,
) -> Axes:
    """Draw the expected gain of the family's typical model over compute, with 50% and `prob` equal-tailed bands.

    Every observed gain stands at the compute with which the family gets as far as its model, by the model's own
    capability (posterior median, `Gain.observed`). The compute from which on the gain exceeds `amount` is marked, with
    its interval.

    Parameters
    ----------
    gain : Gain
    amount : float, optional
        Difference of scores from which the intervention pays; None to mark nothing.
    hidden : Evals or pandas.DataFrame, optional
        Scores that were not fitted (``model, benchmark, score``); gains that need one are drawn with a marker of their
        own.
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
    EmergenceError
        For an amount that is no difference of scores, or hidden scores of models that are not in the fitted data.

    Examples
    --------
    >>> from bayescale.plots import plot_gain
    >>> plot_gain(posterior.gain("GSM8K CoT + SC", over="GSM8K direct"), amount=0.1).get_xscale()
    'log'
    """
    seen = gain.observed(along=along)
    unseen = None if hidden is None else gain.observed(hidden, along)
    evals = gain.baseline.posterior.evals
    (mark,) = mark_families(evals, [gain.family])
    ax = plain(new_axes(ax, (7.2, 4.8)))
    shown = [table["equivalent_flops"] for table in (seen, unseen) if table is not None]
    # The curve goes on for a decade beyond the models: that is where it is a forecast.
    curve = gain.expected_gain(compute_grid(evals, *shown, *(5 * part.max() for part in shown if len(part))))
    draw_bands(ax, curve, mark, f"typical {gain.family} model", prob)
    draw_models(ax, seen, unseen, "gain", mark)
    ax.axhline(0, color=INK, linewidth=0.8, linestyle="--", zorder=1)
    said = ""
    if amount is not None:
        mark_crossing(ax, flops_quantiles(gain.log10_start(amount), prob), float(amount), prob)
        said = f"; bar: {prob:.0%} interval of where it first exceeds {float(amount):.0%}"
    score_axis(ax.yaxis)
    label_below(
        ax,
        f"{gain.family}-equivalent training compute (FLOP)",
        f"bands: 50% and {prob:.0%} {KIND} credible intervals of the typical model's expected gain{said}",
    )
    ax.set_ylabel("gain in score")
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    ax.set_title(f"What {gain.benchmark} adds to {gain.over}", loc="left", fontsize=10.5, color=INK)
    return ax
