"""Stage 4: forecasts of new models, optionally conditioned on known scores, and predictions of those of the data."""

from bayescale.forecast.forecast import Forecast, make_forecast
from bayescale.forecast.query import NEW_FAMILY

__all__ = ["NEW_FAMILY", "Forecast", "make_forecast"]
