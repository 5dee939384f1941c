"""Backtests: forecasts of hidden scores, evaluated against the observed ones."""

from bayescale.evaluation.backtest.fold import Fold, make_folds
from bayescale.evaluation.backtest.method import Method, Predictive
from bayescale.evaluation.backtest.metrics import score
from bayescale.evaluation.backtest.result import Backtest
from bayescale.evaluation.backtest.run import backtest
from bayescale.evaluation.backtest.task import Task, load_tasks

__all__ = ["Backtest", "Fold", "Method", "Predictive", "Task", "backtest", "load_tasks", "make_folds", "score"]
