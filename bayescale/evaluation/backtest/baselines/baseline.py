"""What the baselines share: question by question, and cells that cannot be served left out."""

from __future__ import annotations

import time
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from bayescale.evaluation.backtest.baselines.question import Question, questions
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.predictive import Predictive

Answer = tuple[np.ndarray, np.ndarray]
"""Point forecasts (asked,) and draws (draw, asked) of scores; NaN for models that cannot be served."""


@dataclass(frozen=True)
class Baseline(ABC):
    """A method that answers each question by itself, without the other targets.

    Parameters
    ----------
    name : str
    draws : int
        Draws from the predictive distribution.
    """

    name: str
    draws: int = 1000

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Forecast the cells of a fold.

        Parameters
        ----------
        fold : Fold
        random_seed : int
            The same seed gives the same draws, whatever other tasks are in the fold.

        Returns
        -------
        Predictive
            Without the cells that cannot be served: too little to learn from, or nothing known of the model.
        """
        started = time.perf_counter()
        mean = np.full(len(fold.cells), np.nan)
        draws = np.full((self.draws, len(fold.cells)), np.nan)
        for question in questions(fold):
            label = f"{self.name}/{question.task.name}/{question.benchmark}"
            rng = np.random.default_rng([random_seed, zlib.crc32(label.encode())])
            if (answer := self.answer(question, rng)) is not None:
                mean[question.positions], draws[:, question.positions] = answer
        served = np.isfinite(mean)
        cells = fold.cells[served].reset_index(drop=True)
        return Predictive(cells, mean[served], draws[:, served], time.perf_counter() - started)

    @abstractmethod
    def answer(self, question: Question, rng: np.random.Generator) -> Answer | None:
        """Answer one question; None when there is too little to learn from."""
