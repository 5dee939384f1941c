"""Pictures of a forecast as files, without a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

from bayescale.cli.output import OutputError, write_whole
from bayescale.intervals import PROB

# No window is ever opened, and machines without a display are common.
matplotlib.use("Agg")

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayescale.forecast import Forecast

DPI = 150


def check_picture(path: Path) -> None:
    """Find out before the work whether the name of a picture tells its format.

    Raises
    ------
    OutputError
        It does not.
    """
    from matplotlib.figure import Figure

    if path.suffix.lstrip(".").lower() not in Figure().canvas.get_supported_filetypes():
        raise OutputError(f"Cannot draw {path.name!r}: its ending is no picture's. Use .png, .pdf or .svg.")


def draw_fans(forecast: Forecast, path: Path, prob: float = PROB) -> None:
    """Draw scores over compute, one panel per benchmark."""
    _save(forecast.plot(prob=prob), path)


def draw_intervals(forecast: Forecast, path: Path, prob: float = PROB) -> None:
    """Draw one interval per benchmark and model."""
    figure = forecast.plot_intervals(prob=prob).get_figure(root=True)
    assert figure is not None
    _save(figure, path)


def draw(forecast: Forecast, path: Path, prob: float = PROB) -> None:
    """Draw fans over compute, or intervals where compute is not what the spec predicts from."""
    over_compute = forecast.posterior.spec.covariates == ("log10_flops",)
    (draw_fans if over_compute else draw_intervals)(forecast, path, prob)


def _save(figure: Figure, path: Path) -> None:
    write_whole(path, lambda place: figure.savefig(place, dpi=DPI))
