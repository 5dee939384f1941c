"""Backtests: forecasts of what is hidden, scored against what came true."""

from bayescale.backtest.fold import Fold, make_folds
from bayescale.backtest.predictive import Method, Predictive
from bayescale.backtest.task import Task, load_tasks

__all__ = ["Fold", "Method", "Predictive", "Task", "load_tasks", "make_folds"]
