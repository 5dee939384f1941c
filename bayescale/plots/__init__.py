"""Pictures: one figure a file, ``ax=`` in, axes out; nothing here calls ``plt.show()``.

Those that draw a page of panels return the figure, and name in their first line what draws one panel on given axes.
"""

from bayescale.plots.backtest_calibration import plot_backtest_calibration
from bayescale.plots.backtest_errors import plot_backtest_errors
from bayescale.plots.backtest_forecasts import plot_backtest_forecasts, plot_backtest_task
from bayescale.plots.capability_map import plot_capability_map
from bayescale.plots.capability_over_compute import plot_capability_over_compute
from bayescale.plots.efficiency_forest import plot_efficiency
from bayescale.plots.elpd import plot_elpd
from bayescale.plots.emergence import plot_emergence
from bayescale.plots.evals_overview import plot_evals, plot_scores
from bayescale.plots.explained_variance import plot_explained_variance
from bayescale.plots.forecast_fan import plot_fan, plot_forecast
from bayescale.plots.forecast_intervals import plot_intervals
from bayescale.plots.forecasts_by_spec import plot_forecasts_by_spec
from bayescale.plots.loadings_heatmap import plot_loadings
from bayescale.plots.pit import plot_pit, plot_predictive_check
from bayescale.plots.prior_predictive import plot_prior_curves, plot_prior_predictive
from bayescale.plots.suggestion import plot_suggestion
from bayescale.plots.uplift import plot_uplift
from bayescale.plots.variance_shares import plot_variance_shares

__all__ = [
    "plot_backtest_calibration",
    "plot_backtest_errors",
    "plot_backtest_forecasts",
    "plot_backtest_task",
    "plot_capability_map",
    "plot_capability_over_compute",
    "plot_efficiency",
    "plot_elpd",
    "plot_emergence",
    "plot_evals",
    "plot_explained_variance",
    "plot_fan",
    "plot_forecast",
    "plot_forecasts_by_spec",
    "plot_intervals",
    "plot_loadings",
    "plot_pit",
    "plot_predictive_check",
    "plot_prior_curves",
    "plot_prior_predictive",
    "plot_scores",
    "plot_suggestion",
    "plot_uplift",
    "plot_variance_shares",
]
