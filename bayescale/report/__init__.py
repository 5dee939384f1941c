"""The report: one HTML file that answers questions about a posterior without a server."""

from bayescale.report.live import LiveForecast, live_forecast
from bayescale.report.page import make_report

__all__ = ["LiveForecast", "live_forecast", "make_report"]
