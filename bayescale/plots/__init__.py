"""Plots, one subject a file: ``ax=`` in, axes out; nothing here calls ``plt.show()``.

A page of panels returns the figure; its docstring begins with the name of the plot that draws one panel.
Functions ``draw_...`` are for the `plot` method of a result alone.
"""

from bayescale.plots.backtest import plot_backtest_errors, plot_backtest_forecasts, plot_backtest_task
from bayescale.plots.calendar_time import draw_crossing as draw_crossing
from bayescale.plots.calendar_time import draw_progress as draw_progress
from bayescale.plots.calibration import plot_backtest_calibration, plot_pit, plot_predictive_check
from bayescale.plots.comparison import plot_elpd, plot_forecasts_by_spec
from bayescale.plots.efficiency import plot_capability_over_compute, plot_effect, plot_efficiency
from bayescale.plots.emergence import draw_required_compute as draw_required_compute
from bayescale.plots.emergence import draw_training_compute as draw_training_compute
from bayescale.plots.emergence import plot_emergence, plot_uplift
from bayescale.plots.evals import plot_evals, plot_scores
from bayescale.plots.factors import plot_capability_map, plot_loadings
from bayescale.plots.forecast import draw_compute_optimal as draw_compute_optimal
from bayescale.plots.forecast import plot_fan, plot_forecast, plot_intervals
from bayescale.plots.prior_predictive import plot_prior_curves, plot_prior_predictive
from bayescale.plots.style import literal_names
from bayescale.plots.variance import plot_explained_variance, plot_suggestion, plot_variance_shares

__all__ = [
    "plot_backtest_calibration",
    "plot_backtest_errors",
    "plot_backtest_forecasts",
    "plot_backtest_task",
    "plot_capability_map",
    "plot_capability_over_compute",
    "plot_effect",
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

globals().update({name: literal_names(globals()[name]) for name in __all__})
