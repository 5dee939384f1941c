"""Pictures: one figure a file, ``ax=`` in, axes out; nothing here calls ``plt.show()``."""

from bayescale.plots.evals_overview import plot_evals
from bayescale.plots.forecast_fan import plot_fan, plot_forecast
from bayescale.plots.forecast_intervals import plot_intervals

__all__ = ["plot_evals", "plot_fan", "plot_forecast", "plot_intervals"]
