"""Jobs of a backtest, one method on one fold each, and the on-disk cache that lets an interrupted run resume."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.evaluation.backtest.fold import CELL, Fold
from bayescale.evaluation.backtest.method import Method, Predictive, method_identity
from bayescale.evaluation.store import FitStore, key_of

_DIAGNOSTICS = ("seconds", "rhat", "ess", "divergences")


@dataclass(frozen=True, eq=False)
class Job:
    """One method on one fold.

    Its seed is derived from the run's seed and the fold, so that order and workers do not matter. Its key is the
    SHA-256 of everything that determines the forecasts.
    """

    method: Method
    fold: Fold
    random_seed: int
    key: str

    @property
    def name(self) -> str:
        """Method and tasks, for messages."""
        tasks = self.fold.tasks
        return f"{self.method.name} on {tasks[0].name}" + (f" and {len(tasks) - 1} more" if len(tasks) > 1 else "")

    @property
    def coordinates(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Models and benchmarks of the fold: jobs that share them share a compiled model."""
        return tuple(self.fold.evals.model_names), tuple(self.fold.evals.benchmark_names)


def make_jobs(methods: Sequence[Method], folds: Sequence[Fold], random_seed: int) -> list[Job]:
    """Make a job of every method and fold; folds over the same coordinates are adjacent."""
    # The tasks belong to the key as well: a baseline reads its floor and the visible benchmarks from them.
    parts = [(fold, fold.identity, [t.model_dump(mode="json") for t in fold.tasks]) for fold in folds]
    jobs = []
    for method in methods:
        code = method_identity(method)
        own = []
        for fold, scores, rules in parts:
            words = np.frombuffer(bytes.fromhex(scores), dtype="<u4").tolist()
            seed = int(np.random.SeedSequence([random_seed, *words]).generate_state(1)[0])
            own.append(Job(method, fold, seed, key_of(code, scores, rules, seed)))
        first = {c: i for i, c in reversed(list(enumerate(job.coordinates for job in own)))}
        jobs += sorted(own, key=lambda job: first[job.coordinates])
    return jobs


@dataclass(frozen=True)
class ResultCache(FitStore):
    """The store of a backtest: one file per finished job."""

    def path(self, job: Job) -> Path:
        """Return the path of the forecasts of `job`, whether or not they exist yet."""
        return self.file(f"{job.method.name}-{job.fold.tasks[0].name}", job.key)

    def write(self, job: Job, predictive: Predictive) -> None:
        """Write forecasts with their draws, atomically; raise `EvaluationError` if that is not possible."""
        arrays = {
            "names": np.array(json.dumps(predictive.cells[CELL].to_numpy(dtype=object).tolist())),
            "score": predictive.cells["score"].to_numpy(float),
            "mean": predictive.mean,
            "draws": predictive.draws,
            "diagnostics": np.array([getattr(predictive, name) for name in _DIAGNOSTICS], dtype=float),
        }
        self.write_arrays(self.path(job), job.key, arrays, f"the forecasts of {job.name}")

    def read(self, job: Job) -> Predictive | None:
        """Read the forecasts of `job`; None without a file, and for a damaged one, with a warning."""
        return self.read_arrays(self.path(job), job.key, _predictive)


def _predictive(parts: dict[str, np.ndarray]) -> Predictive:
    cells = pd.DataFrame(json.loads(parts["names"].item()), columns=CELL).assign(score=parts["score"])
    seconds, rhat, ess, divergences = parts["diagnostics"].tolist()
    return Predictive(cells, parts["mean"], parts["draws"], seconds, rhat, ess, int(divergences))
