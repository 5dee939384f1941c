"""Interface of the methods of a backtest: from a fold to predictive draws, and the hash of a method's settings."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

import bayescale
from bayescale._identity import identity
from bayescale.errors import EvaluationError
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.store import SPEED


@dataclass(frozen=True, eq=False)
class Predictive:
    """Forecasts of hidden scores.

    Attributes
    ----------
    cells : pandas.DataFrame
        ``task, model, benchmark, score``: rows of `Fold.cells`; a method leaves out cells that it cannot forecast.
    mean : ndarray (cell,)
        Point forecast of each score, in [0, 1]: the predictive mean of a model, the prediction of a regression.
    draws : ndarray (draw, cell)
        Draws from the predictive distribution of the score, observation noise included.
    seconds : float
        Wall-clock time of fitting and forecasting.
    rhat, ess : float
        Worst R-hat and bulk effective sample size of a posterior's forecasts; NaN for a method that does not sample.
    divergences : int
    """

    cells: pd.DataFrame
    mean: np.ndarray
    draws: np.ndarray
    seconds: float
    rhat: float = float("nan")
    ess: float = float("nan")
    divergences: int = 0

    def __post_init__(self) -> None:
        n = len(self.cells)
        if self.mean.shape != (n,) or self.draws.ndim != 2 or self.draws.shape[1] != n:
            raise ValueError(f"{n} cells, but means {self.mean.shape} and draws {self.draws.shape}")


class Method(Protocol):
    """Interface of a forecasting method: the Bayesian model, a baseline, or an object of your own."""

    @property
    def name(self) -> str:
        """Name in tables and plots."""
        ...

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Fit to the visible scores of `fold` and forecast its cells."""
        ...


def method_identity(method: Method) -> str:
    """Hash a method: its ``identity`` if it has one, or the class and settings of a dataclass.

    A class of this package is identified by its name, since the keys of jobs contain a format and the version of the
    package; any other class by its module and source as well. Raises `EvaluationError` for a method that has neither.
    """
    given: Any = getattr(method, "identity", None)
    if isinstance(given, str):
        return identity(method.name, given)
    try:
        if not dataclasses.is_dataclass(method):
            raise TypeError
        fields = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name not in SPEED}
        return identity(method.name, *_code(type(method)), fields)
    except TypeError:
        raise EvaluationError(
            f"The method {method.name!r} cannot be identified. Make its class a frozen dataclass whose fields "
            "are numbers, texts or specs, or give it an attribute `identity` (a text that changes with its settings)."
        ) from None


def _code(kind: type) -> tuple[str, ...]:
    if kind.__module__.partition(".")[0] == bayescale.__name__:
        return (kind.__qualname__,)
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt
        source = ""
    return kind.__module__, kind.__qualname__, source
