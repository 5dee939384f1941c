"""Pictures: one figure a file, ``ax=`` in, axes out; nothing here calls ``plt.show()``."""

from bayescale.plots.backtest_calibration import plot_backtest_calibration
from bayescale.plots.backtest_errors import plot_backtest_errors
from bayescale.plots.backtest_forecasts import plot_backtest_forecasts
from bayescale.plots.evals_overview import plot_evals
from bayescale.plots.forecast_fan import plot_fan, plot_forecast
from bayescale.plots.forecast_intervals import plot_intervals
from bayescale.plots.pit import plot_pit, plot_predictive_check
from bayescale.plots.prior_predictive import plot_prior_curves, plot_prior_predictive

__all__ = [
    "plot_backtest_calibration",
    "plot_backtest_errors",
    "plot_backtest_forecasts",
    "plot_evals",
    "plot_fan",
    "plot_forecast",
    "plot_intervals",
    "plot_pit",
    "plot_predictive_check",
    "plot_prior_curves",
    "plot_prior_predictive",
]
