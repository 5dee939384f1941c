"""Forecasts: the model's equations read forwards, on the draws of a posterior."""

from bayescale.forecast.forecast import Forecast, make_forecast
from bayescale.forecast.query import NEW_FAMILY

__all__ = ["NEW_FAMILY", "Forecast", "make_forecast"]
