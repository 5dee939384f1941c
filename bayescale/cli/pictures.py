"""Write figures to files, without a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

from bayescale._files import atomic_write
from bayescale._intervals import PROB
from bayescale.errors import FileError

# Commands open no window, and many machines have no display.
matplotlib.use("Agg")

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayescale.evaluation.backtest import Backtest
    from bayescale.evaluation.compare import Comparison
    from bayescale.forecast import Forecast

DPI = 150


def is_picture(path: Path) -> bool:
    """Return whether Matplotlib can write a figure with the ending of this name."""
    from matplotlib.figure import Figure

    return path.suffix.lstrip(".").lower() in Figure().canvas.get_supported_filetypes()


def check_picture(path: Path) -> None:
    """Check the format of a figure by the ending of its name, before the work starts.

    Raises
    ------
    FileError
        The ending is not a format for figures.
    """
    if not is_picture(path):
        raise FileError(f"Cannot draw {path.name!r}: its ending is not a format for figures. Use .png, .pdf or .svg.")


def draw_fans(forecast: Forecast, path: Path, prob: float = PROB) -> None:
    """Draw scores over compute, one panel per benchmark."""
    save(forecast.plot(prob=prob), path)


def draw_intervals(forecast: Forecast, path: Path, prob: float = PROB) -> None:
    """Draw one interval per benchmark and model."""
    figure = forecast.plot_intervals(prob=prob).get_figure(root=True)
    assert figure is not None
    save(figure, path)


def draw(forecast: Forecast, path: Path, prob: float = PROB) -> None:
    """Draw fans over compute, or intervals where compute is not what the spec predicts from."""
    (draw_fans if forecast.posterior.spec.compute_alone else draw_intervals)(forecast, path, prob)


def draw_backtest(found: Backtest, folder: Path) -> list[str]:
    """Draw calibration, the forecasts of each spec, and errors relative to the paper's method if it ran.

    Returns
    -------
    list of str
        Names of the files in `folder`.
    """
    from bayescale.evaluation.backtest.result import REFERENCE
    from bayescale.plots import plot_backtest_calibration, plot_backtest_errors, plot_backtest_forecasts

    served = list(dict.fromkeys(found.cells["method"]))
    ours = [method for method in served if method not in found.baselines]
    figures = {"calibration.png": plot_backtest_calibration(found).get_figure(root=True)}
    if REFERENCE in served:
        figures["errors.png"] = plot_backtest_errors(found).get_figure(root=True)
    for method in ours:
        name = "forecasts.png" if len(ours) == 1 else f"forecasts-{method}.png"
        figures[name] = plot_backtest_forecasts(found, method)
    for name, figure in figures.items():
        assert figure is not None
        save(figure, folder / name)
    return list(figures)


def draw_comparison(found: Comparison, folder: Path) -> list[str]:
    """Draw differences in elpd, and the forecast under each spec if requested; return the names of the files."""
    figures = {"elpd.png": found.plot().get_figure(root=True)}
    if found.question:
        figures["forecasts.png"] = found.plot_forecasts().get_figure(root=True)
    for name, figure in figures.items():
        assert figure is not None
        save(figure, folder / name)
    return list(figures)


def save(figure: Figure, path: Path) -> None:
    """Write one figure atomically, and close it."""
    import matplotlib.pyplot as plt

    with atomic_write(path, keep_suffix=True) as temporary:
        figure.savefig(temporary, dpi=DPI)
    plt.close(figure)
