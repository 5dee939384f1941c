"""Write figures to files, without a display."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

from bayescale._files import atomic_write
from bayescale.cli.files import file_names

# Commands open no window, and many machines have no display.
matplotlib.use("Agg")

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.evaluation.backtest import Backtest
    from bayescale.evaluation.compare import Comparison

DPI = 150


def save(plotted: Figure | Axes, path: Path) -> None:
    """Write one figure atomically, and close it."""
    import matplotlib.pyplot as plt

    figure = plotted.get_figure(root=True)
    assert figure is not None
    with atomic_write(path, keep_suffix=True) as temporary:
        figure.savefig(temporary, dpi=DPI)
    plt.close(figure)


def forecast_pictures(methods: Iterable[str]) -> dict[str, str]:
    """Return the name of the file with the forecasts of each method that is not a baseline."""
    from bayescale.evaluation.backtest.baselines import BASELINES

    specs = [method for method in dict.fromkeys(methods) if method not in BASELINES]
    return {specs[0]: "forecasts.png"} if len(specs) == 1 else file_names(specs, "forecasts-{}.png")


def draw_backtest(result: Backtest) -> dict[str, Figure | Axes]:
    """Draw calibration, forecasts of each spec, and errors relative to the paper's method, by name of the file."""
    from bayescale.evaluation.backtest.result import REFERENCE
    from bayescale.plots import plot_backtest_calibration, plot_backtest_errors, plot_backtest_forecasts

    methods = list(dict.fromkeys(result.cells["method"]))
    plotted: dict[str, Figure | Axes] = {"calibration.png": plot_backtest_calibration(result)}
    if REFERENCE in methods:
        plotted["errors.png"] = plot_backtest_errors(result)
    for spec, name in forecast_pictures(methods).items():
        plotted[name] = plot_backtest_forecasts(result, spec)
    return plotted


def draw_comparison(comparison: Comparison) -> dict[str, Figure | Axes]:
    """Draw differences in elpd, and the forecast under each spec if requested, by name of the file."""
    plotted: dict[str, Figure | Axes] = {"elpd.png": comparison.plot()}
    if comparison.question:
        plotted["forecasts.png"] = comparison.plot_forecasts()
    return plotted
