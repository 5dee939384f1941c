"""Tasks over a simulation, and methods that are cheap or that die: in a module, for workers to import."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from bayescale.evals import Evals
from bayescale.evaluation.backtest import Fold, Predictive, Task, load_tasks


def make_tasks(evals: Evals, folder: Path) -> list[Task]:
    """Tasks over the tables of `simulate`: two groups by compute, and one fold for each family."""
    tables = evals.to_directory(folder / "tables")
    common = {"title": "", "evals": str(tables), "benchmarks": evals.benchmark_names}
    groups = [
        {"group": "large", "seen": ["bench-1"], "hide": {"flops_above": 3e23}, "targets": {"two": "bench-2"}},
        {"group": "huge", "seen": [], "hide": {"flops_above": 1e24}, "targets": {"four": "bench-4", "five": "bench-5"}},
        {"group": "out", "seen": [], "hide": {"siblings_larger_than_smallest": 2}, "targets": "all", "averaged": False},
    ]
    file = folder / "tasks.yaml"
    file.write_text(yaml.safe_dump({"groups": [common | group for group in groups]}, sort_keys=False))
    return load_tasks(file=file)


@dataclass(frozen=True)
class Guess:
    """Normal scatter around the mean of the scores seen on a benchmark; says in a file what it was asked.

    It takes as long as it says, so that times can be compared.
    """

    name: str
    width: float = 0.15
    log: str = ""

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Forecast by the mean."""
        if self.log:
            with Path(self.log).open("a") as handle:
                handle.write(f"{self.name} {fold.tasks[0].name} {os.getpid()} {random_seed}\n")
        means = fold.evals.scores.groupby("benchmark")["score"].mean()
        mean = fold.cells["benchmark"].map(means).to_numpy(float)
        noise = np.random.default_rng(random_seed).normal(size=(200, len(mean)))
        return Predictive(fold.cells, mean, np.clip(mean + self.width * noise, 0, 1), 1.5, 1.01, 400.0, 1)


@dataclass(frozen=True)
class Partial(Guess):
    """A guess that leaves the first model of each fold out, and the whole group `out`."""

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Forecast some cells."""
        actual = super().predict(fold, random_seed)
        kept = (actual.cells["model"] != actual.cells["model"].iloc[0]) & (fold.tasks[0].group != "out")
        return Predictive(actual.cells[kept], actual.mean[kept], actual.draws[:, kept], 0.5)


@dataclass(frozen=True)
class Mishap(Guess):
    """A guess to which something happens on one task: always, or once if a file is named that marks it."""

    task: str = ""
    what: str = "error"
    mark: str = ""

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Forecast, unless it happens."""
        actual = super().predict(fold, random_seed)
        if self.task not in [t.name for t in fold.tasks] or (self.mark and Path(self.mark).exists()):
            return actual
        if self.mark:
            Path(self.mark).touch()
        if self.what == "error":
            raise FloatingPointError("the matrix is singular")
        if self.what == "nan":
            return Predictive(actual.cells, actual.mean * np.nan, actual.draws, 1.0)
        if self.what == "sleep":
            time.sleep(600)
        os._exit(3)


def stopping(where: str, log: str, mark: str) -> list[Guess]:
    """Three methods, of which the second stops once if that is where."""
    task = "out/Family-B" if where == "fit" else ""
    return [Guess("a", log=log), Mishap("b", log=log, task=task, what="sleep", mark=mark), Guess("c", log=log)]
