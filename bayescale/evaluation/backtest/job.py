"""Jobs of a backtest, one method on one fold each, and the on-disk cache that lets an interrupted run resume."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import bayescale
from bayescale._files import atomic_write
from bayescale._identity import identity
from bayescale.errors import BacktestWarning, EvaluationError, FileError
from bayescale.evaluation.backtest.fold import CELL, Fold
from bayescale.evaluation.backtest.method import Method, Predictive, method_identity

# Version of the cached forecasts. Raise it with every change by which a method of this package forecasts other
# numbers from the same settings, scores and seed (the model, its sampler, a baseline), or by which the files contain
# something else. The version of the package is in the key as well, so that only changes between releases need it.
FORMAT = 3

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
        code = (FORMAT, bayescale.__version__, method_identity(method))
        own = []
        for fold, scores, rules in parts:
            words = np.frombuffer(bytes.fromhex(scores), dtype="<u4").tolist()
            seed = int(np.random.SeedSequence([random_seed, *words]).generate_state(1)[0])
            own.append(Job(method, fold, seed, identity(*code, scores, rules, seed)))
        first = {c: i for i, c in reversed(list(enumerate(job.coordinates for job in own)))}
        jobs += sorted(own, key=lambda job: first[job.coordinates])
    return jobs


@dataclass(frozen=True)
class ResultCache:
    """A folder with one file per finished job, named after its method, task and key."""

    directory: Path

    def path(self, job: Job) -> Path:
        """Return the path of the forecasts of `job`, whether or not they exist yet."""
        label = re.sub(r"[^A-Za-z0-9.+-]+", "_", f"{job.method.name}-{job.fold.tasks[0].name}")[:80]
        return self.directory / f"{label}-{job.key[:16]}.npz"

    def write(self, job: Job, predictive: Predictive) -> None:
        """Write forecasts with their draws, atomically; raise `EvaluationError` if that is not possible."""
        path = self.path(job)
        try:
            with atomic_write(path) as temporary, temporary.open("wb") as handle:
                np.savez_compressed(
                    handle,
                    key=np.array(job.key),
                    names=np.array(json.dumps(predictive.cells[CELL].to_numpy(dtype=object).tolist())),
                    score=predictive.cells["score"].to_numpy(float),
                    mean=predictive.mean,
                    draws=predictive.draws,
                    diagnostics=np.array([getattr(predictive, name) for name in _DIAGNOSTICS], dtype=float),
                )
        except FileError as error:
            raise EvaluationError(
                f"Cannot write the forecasts of {job.name}. {error} Earlier results are kept; free some space, or give "
                "another folder."
            ) from error

    def read(self, job: Job) -> Predictive | None:
        """Read the forecasts of `job`; None without a file, and for a damaged one, with a warning."""
        path = self.path(job)
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
                parts = {name: content[name] for name in content.files}
            if parts["key"].item() != job.key:
                raise ValueError("it belongs to another job")
            cells = pd.DataFrame(json.loads(parts["names"].item()), columns=CELL).assign(score=parts["score"])
            seconds, rhat, ess, divergences = parts["diagnostics"].tolist()
            return Predictive(cells, parts["mean"], parts["draws"], seconds, rhat, ess, int(divergences))
        except FileNotFoundError:
            return None
        except Exception as error:  # NumPy, zipfile and zlib raise many kinds for a damaged file
            message = f"{path.name} is damaged ({type(error).__name__}: {error}); its job runs again."
            warnings.warn(BacktestWarning(message), stacklevel=2)
            return None
