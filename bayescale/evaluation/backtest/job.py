"""Jobs of a backtest: one method on one fold, with its seed and a cache key."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import bayescale
from bayescale._identity import identity
from bayescale.errors import EvaluationError
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.predictive import Method

# Version of the cached forecasts. Raise it with every change by which a method of this package forecasts other
# numbers from the same settings, scores and seed (the model, its sampler, a baseline), or by which the files hold
# something else. The version of the package is in the key as well, so that only changes between releases need it.
FORMAT = 2

# Settings that change how fast a method is and not what it forecasts.
_SPEED = {"cores"}


@dataclass(frozen=True, eq=False)
class Job:
    """One method on one fold.

    Attributes
    ----------
    method : Method
    fold : Fold
    random_seed : int
        Seed of the method, derived from the run's seed and the fold, so that order and workers do not matter.
    key : str
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
    """Make a job of every method and fold; folds over the same coordinates are adjacent.

    Raises
    ------
    EvaluationError
        When a method cannot be identified.
    """
    identities = [fold.identity for fold in folds]
    # The tasks belong to the key as well: a baseline reads its floor and the visible benchmarks from them.
    rules = [[t.model_dump(mode="json") for t in fold.tasks] for fold in folds]
    seeds = [_seed(random_seed, fold) for fold in identities]
    code = (FORMAT, bayescale.__version__)
    jobs = []
    for method in methods:
        settings = method_identity(method)
        own = [
            Job(method, fold, seed, identity(code, settings, data, rule, seed))
            for fold, data, rule, seed in zip(folds, identities, rules, seeds, strict=True)
        ]
        first = {c: i for i, c in reversed(list(enumerate(job.coordinates for job in own)))}
        jobs += sorted(own, key=lambda job: first[job.coordinates])
    return jobs


def method_identity(method: Method) -> str:
    """Hash a method: its ``identity`` if it has one, or the class and settings of a dataclass.

    A class of this package is identified by its name, since the keys of jobs hold `FORMAT` and the version; any other
    class by its source as well.

    Raises
    ------
    EvaluationError
        When it has neither, so that its cached forecasts could not be distinguished from those of another method.
    """
    given: Any = getattr(method, "identity", None)
    if isinstance(given, str):
        return identity(method.name, given)
    advice = (
        f"The method {method.name!r} cannot be identified. Make its class a frozen dataclass whose fields "
        "are numbers, texts or specs, or give it an attribute `identity` (a text that changes with its settings)."
    )
    if not dataclasses.is_dataclass(method):
        raise EvaluationError(advice)
    fields = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name not in _SPEED}
    kind = type(method)
    source = "" if kind.__module__.partition(".")[0] == bayescale.__name__ else _source(kind)
    try:
        return identity(method.name, kind.__module__, kind.__qualname__, source, fields)
    except TypeError:
        raise EvaluationError(advice) from None


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt
        return ""


def _seed(random_seed: int, fold: str) -> int:
    words = np.frombuffer(bytes.fromhex(fold), dtype="<u4").tolist()
    return int(np.random.SeedSequence([random_seed, *words]).generate_state(1)[0])
