"""A fold taken apart into questions: one benchmark of one task, who is learnt from, and who is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.task import Task


@dataclass(frozen=True, eq=False)
class Question:
    """One benchmark to be forecast for some models.

    Attributes
    ----------
    task : Task
    benchmark : str
    seen : pandas.DataFrame (model, benchmark)
        All scores that may be seen, NaN where there is none.
    models, benchmarks : pandas.DataFrame
        What is known of them, indexed by name.
    learnt_from : list of str
        Models that take part, are not hidden, and have a score on the benchmark.
    asked : list of str
        Models to forecast.
    positions : ndarray of int
        Where those stand in `Fold.cells`.
    """

    task: Task
    benchmark: str
    seen: pd.DataFrame
    models: pd.DataFrame
    benchmarks: pd.DataFrame
    learnt_from: list[str]
    asked: list[str]
    positions: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """Scores (model,) of the models learnt from."""
        return self.seen.loc[self.learnt_from, self.benchmark].to_numpy(float)

    @property
    def chance(self) -> float:
        """Score of a guesser."""
        given = self.task.chance
        return self.benchmarks["floor"].to_dict()[self.benchmark] if given is None else given

    def known(self, column: str, models: list[str]) -> np.ndarray:
        """Figures (model,) from a column of the table of models, NaN where unknown."""
        return self.models.loc[models, column].to_numpy(float)

    def families(self, models: list[str]) -> np.ndarray:
        """Family (model,) of each."""
        return self.models.loc[models, "family"].to_numpy(str)


def questions(fold: Fold) -> Iterator[Question]:
    """Take a fold apart; its hidden scores stay behind."""
    matrix = fold.evals.matrix()
    seen = pd.DataFrame(matrix.to_numpy(), index=fold.evals.model_names, columns=fold.evals.benchmark_names)
    models = fold.evals.models.set_index("model")
    benchmarks = fold.evals.benchmarks.set_index("benchmark")
    shown = [m for m in fold.participants if m not in set(fold.test_models)]
    for task in fold.tasks:
        for benchmark in task.targets:
            asked = (fold.cells["task"] == task.name) & (fold.cells["benchmark"] == benchmark)
            if asked.any():
                scored = seen[benchmark].notna()
                learnt_from = [m for m in shown if scored[m]]
                names = fold.cells["model"][asked].tolist()
                positions = np.flatnonzero(asked)
                yield Question(task, benchmark, seen, models, benchmarks, learnt_from, names, positions)
