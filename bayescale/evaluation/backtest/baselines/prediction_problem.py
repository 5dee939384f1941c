"""Prediction problems of a fold: one benchmark of one task, with its training and test models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.task import Task


@dataclass(frozen=True, eq=False)
class PredictionProblem:
    """One benchmark to forecast for some models.

    Attributes
    ----------
    task : Task
    benchmark : str
    observed : pandas.DataFrame (model, benchmark)
        All scores that are not hidden, NaN where there is none.
    models, benchmarks : pandas.DataFrame
        The tables of models and benchmarks, indexed by name.
    training_models : list of str
        Models that take part, are not hidden, and have a score on the benchmark.
    test_models : list of str
        Models to forecast.
    positions : ndarray of int
        Rows of the test models in `Fold.cells`.
    """

    task: Task
    benchmark: str
    observed: pd.DataFrame
    models: pd.DataFrame
    benchmarks: pd.DataFrame
    training_models: list[str]
    test_models: list[str]
    positions: np.ndarray

    @property
    def training_scores(self) -> np.ndarray:
        """Scores (model,) of the training models."""
        return self.observed.loc[self.training_models, self.benchmark].to_numpy(float)

    @property
    def chance_level(self) -> float:
        """Expected score of random guessing."""
        given = self.task.chance
        return self.benchmarks["floor"].to_dict()[self.benchmark] if given is None else given

    def covariate(self, column: str, models: list[str]) -> np.ndarray:
        """Return a numeric column (model,) of the table of models, NaN where unknown."""
        return self.models.loc[models, column].to_numpy(float)

    def families(self, models: list[str]) -> np.ndarray:
        """Return the family (model,) of each model."""
        return self.models.loc[models, "family"].to_numpy(str)


def prediction_problems(fold: Fold) -> Iterator[PredictionProblem]:
    """Split a fold into prediction problems, without its hidden scores."""
    matrix = fold.evals.matrix()
    observed = pd.DataFrame(matrix.to_numpy(), index=fold.evals.model_names, columns=fold.evals.benchmark_names)
    models = fold.evals.models.set_index("model")
    benchmarks = fold.evals.benchmarks.set_index("benchmark")
    shown = [m for m in fold.participants if m not in set(fold.test_models)]
    for task in fold.tasks:
        for benchmark in task.targets:
            rows = (fold.cells["task"] == task.name) & (fold.cells["benchmark"] == benchmark)
            if rows.any():
                has_score = observed[benchmark].notna()
                training_models = [m for m in shown if has_score[m]]
                test_models = fold.cells["model"][rows].tolist()
                positions = np.flatnonzero(rows)
                yield PredictionProblem(
                    task, benchmark, observed, models, benchmarks, training_models, test_models, positions
                )
