"""Backtests: forecasts of what is hidden, scored against what came true."""

from bayescale.backtest.fold import Fold, make_folds
from bayescale.backtest.metrics import score
from bayescale.backtest.predictive import Method, Predictive
from bayescale.backtest.result import Backtest
from bayescale.backtest.run import backtest
from bayescale.backtest.task import Task, load_tasks

__all__ = ["Backtest", "Fold", "Method", "Predictive", "Task", "backtest", "load_tasks", "make_folds", "score"]
