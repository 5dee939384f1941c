"""Plot the share of forecast variance that remains after each suggested model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayescale.plots.style import COLOURS, INK, OTHERS, label_below, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.analysis.model_selection import Suggestion

NAMED = 16


def plot_suggestion(suggestion: Suggestion, ax: Axes | None = None) -> Axes:
    """Plot the expected share of forecast variance that remains after each chosen model.

    The dashed line is the share that would remain if all candidates were evaluated. Models are
    named from the top; beyond sixteen models only numbers are shown.

    Parameters
    ----------
    suggestion : Suggestion
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.plots import plot_suggestion
    >>> plot_suggestion(posterior.suggest_models(4)).figure.savefig("suggestion.png")
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    table = suggestion.table
    ax = plain(new_axes(ax, (7.2, min(1.6 + 0.3 * len(table), 6.4))))
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
    shown = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    ax.set_xticks(shown)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(min(suggestion.least, left.min()) / 1.3, 1.15)
    names = [f"{row.model}  {row.order}" for row in table.itertuples()]
    if len(table) <= NAMED:
        ax.set_yticks([0, *y], ["nothing evaluated", *names], fontsize=9)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_ylabel("models evaluated")
    ax.set_ylim(len(table) + 0.6, -0.6)
    what = "a new benchmark" if suggestion.target is None else suggestion.target
    count = len(suggestion.forecast_models)
    of = f"expected variance of forecasts for {count} models, as a share of that before (log scale)"
    label_below(ax, of)
    ax.set_title(f"Which models to evaluate on {what}", loc="left", fontsize=10.5, color=INK)
    return ax
