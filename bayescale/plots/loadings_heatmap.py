"""Which benchmarks speak of which factor: one cell for each pair."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND, PROB, tails
from bayescale.plots.style import INK, label_below, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.analysis.factors import Factors
    from bayescale.methods import Posterior

# Blue to red through white: told apart with any colour vision.
COLOUR_MAP = "RdBu_r"
# Opacity of a cell whose interval includes zero, and the share of the colour scale from which text is white.
UNSURE = 0.3
DARK = 0.62


def plot_loadings(
    posterior: Posterior | Factors, ax: Axes | None = None, *, prob: float = PROB, standardised: bool = False
) -> Axes:
    """Draw the aligned loadings, benchmarks by factors: the median as colour and number, the interval below it.

    Cells whose interval includes zero are pale and in grey. Above each factor stand its suggested name and its share of
    the variance over models.

    Parameters
    ----------
    posterior : Posterior or Factors
    ax : matplotlib.axes.Axes, optional
    prob : float
        Probability content of the equal-tailed intervals.
    standardised : bool
        Whether to draw `Factors.correlations` between benchmarks and capabilities over models, instead of the loadings
        themselves (`Posterior.loadings`), in logits per unit of capability.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ForecastError
        When `prob` is not between 0 and 1.

    Examples
    --------
    >>> from bayescale.plots import plot_loadings
    >>> plot_loadings(posterior).figure.savefig("loadings.png")
    """
    import matplotlib
    from matplotlib.colors import Normalize

    factors: Any = getattr(posterior, "factors", posterior)
    draws = factors.correlations if standardised else factors.loadings
    low, high = tails(prob)
    values = draws.transpose("chain", "draw", "benchmark", "factor").to_numpy()
    lower, middle, upper = np.quantile(values, [low, 0.5, high], axis=(0, 1))
    rows, columns = middle.shape

    ax = new_axes(ax, (2.6 + 1.25 * columns, 1.9 + 0.52 * rows))
    largest = 1.0 if standardised else max(float(np.abs(middle).max()), 1e-12)
    sure = (lower > 0) | (upper < 0)
    cells = matplotlib.colormaps[COLOUR_MAP](Normalize(-largest, largest)(middle))
    cells[..., 3] = np.where(sure, 1.0, UNSURE)
    ax.imshow(cells, aspect="auto")
    for row in range(rows):
        for column in range(columns):
            strong = bool(sure[row, column] and abs(middle[row, column]) > DARK * largest)
            ink = "white" if strong else INK if sure[row, column] else "#999999"
            at: dict[str, Any] = {"ha": "center", "color": ink}
            ax.text(column, row - 0.02, _number(middle[row, column]), va="bottom", fontsize=10, **at)
            interval = f"[{_number(lower[row, column])}, {_number(upper[row, column])}]"
            ax.text(column, row + 0.06, interval, va="top", fontsize=7, **at)

    shares = factors.shares.median(("chain", "draw")).to_numpy()
    heads = [
        "\n".join([label, *re.split(r"(?<= \+) | (?=\()", name), f"{_percent(share)} of variance"])
        for label, name, share in zip(factors.labels, factors.suggested, shares, strict=True)
    ]
    ax.set_xticks(np.arange(columns), heads, fontsize=8.5)
    ax.xaxis.tick_top()
    ax.set_yticks(np.arange(rows), draws["benchmark"].to_numpy())
    ax.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    ax.grid(True, which="minor", color="white", linewidth=2.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    what = "correlation over models with capability" if standardised else "loading (logits per unit of capability)"
    label_below(ax, what, f"median and {prob:.0%} {KIND} credible interval; pale where it includes zero")
    return ax


def _number(value: float) -> str:
    """Two digits, and no minus before zero."""
    return f"{round(float(value), 2) + 0.0:.2f}"


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"
