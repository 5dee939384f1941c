"""General capability over training compute: one line for each family, as far apart as their efficiencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND, PROB, tails
from bayescale.analysis.compute_equivalent import (
    ALONG,
    Along,
    compute_direction,
    require_compute,
    to_compute_equivalent,
)
from bayescale.plots.families import label_paths, mark_families
from bayescale.plots.style import OTHERS, flop_axis, label_below, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.methods import Posterior

POINTS = 30


def plot_capability_over_compute(
    posterior: Posterior,
    ax: Axes | None = None,
    families: Sequence[str] | None = None,
    *,
    prob: float = PROB,
    along: Along = ALONG,
) -> Axes:
    """Draw the general capability of each model over its training compute, and the lines of the families.

    General capability is the projection on the effect of compute, ``theta . beta / |beta|``. All families share the
    slope; the horizontal distance of two lines is the log10 multiplier between the two families (`Efficiency`).
    Bands are equal-tailed intervals of a family's line, drawn over its own range of compute. Models of unknown compute
    are open, at the posterior median of their latent compute.

    Parameters
    ----------
    posterior : Posterior
    ax : matplotlib.axes.Axes, optional
    families : sequence of str, optional
        Families to mark; default the six with most models. The others are grey.
    prob : float
        Probability content of the bands.
    along : {"capabilities", "benchmarks"}
        Unit and direction: the sd of models of one family and compute, or logits of all benchmarks
        (``W theta . W beta / |W beta|``).

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ForecastError
        For a spec with other covariates than compute.
    ForecastError
        For an unknown family, or `prob` not between 0 and 1.

    Examples
    --------
    >>> from bayescale.plots import plot_capability_over_compute
    >>> plot_capability_over_compute(posterior, families=["Llama-2", "Pythia"]).get_xscale()
    'log'
    """
    draws, models = posterior.draws, posterior.evals.models
    require_compute(posterior.spec, "capability over compute")
    marks = mark_families(posterior.evals, families)
    lower, upper = tails(prob)
    rise = np.linalg.norm(compute_direction(draws, along)[1], axis=1)  # capability per factor of ten of compute
    y = np.median(rise[:, None] * to_compute_equivalent(draws, draws.capability, along), axis=0)
    offsets = to_compute_equivalent(draws, draws.family_offset, along)
    centre, x = draws.data.centre[0], np.median(draws.covariate[..., 0], axis=0)
    known = models["flops"].notna().to_numpy()
    compute, family_of = 10 ** (centre + x), models["family"].to_numpy()

    ax = plain(new_axes(ax, (7.6, 5.4)))
    rest = ~np.isin(family_of, [mark.family for mark in marks])
    _dots(ax, compute, y, rest & known, rest & ~known, {"s": 14, "zorder": 2}, OTHERS)
    paths = []
    for mark in marks:
        mine, family = family_of == mark.family, draws.data.coords["family"].index(mark.family)
        grid = np.linspace(x[mine].min() - 0.15, x[mine].max() + 0.15, POINTS)
        line = rise[:, None] * (grid + offsets[:, [family]])
        low, middle, high = np.quantile(line, [lower, 0.5, upper], axis=0)
        flops = 10 ** (centre + grid)
        ax.fill_between(flops, low, high, color=mark.colour, alpha=0.12, linewidth=0, zorder=1)
        ax.plot(flops, middle, color=mark.colour, linewidth=1.8, zorder=3, label=mark.family)
        dots = {"marker": mark.marker, "s": 46, "zorder": 4}
        _dots(ax, compute, y, mine & known, mine & ~known, dots, mark.colour)
        paths.append((np.column_stack([flops, middle]), mark.family, mark.colour))
    flop_axis(ax)
    ax.autoscale_view()
    label_paths(ax, paths)
    unit = "sd of models of one family and compute" if along == "capabilities" else "logits, norm over benchmarks"
    ax.set_ylabel(f"general capability ({unit})")
    label_below(
        ax,
        "training compute (FLOP)",
        f"lines: families, with {prob:.0%} {KIND} credible bands; "
        "markers: posterior medians of models; grey: other families; "
        "open: compute not known, drawn at its posterior median",
    )
    ax.set_title("Further left at the same height: more capability from less compute", loc="left", fontsize=11)
    return ax


def _dots(
    ax: Axes, x: np.ndarray, y: np.ndarray, filled: np.ndarray, open_: np.ndarray, style: dict[str, Any], colour: str
) -> None:
    """Draw models, those of unknown compute open."""
    ax.scatter(x[filled], y[filled], facecolor=colour, edgecolor="white", linewidth=0.4, **style)
    ax.scatter(x[open_], y[open_], facecolor="white", edgecolor=colour, linewidth=1.0, **style)
