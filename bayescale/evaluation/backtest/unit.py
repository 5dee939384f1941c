"""The unit of work: one method on one fold, with its seed, and a key that says whether it has been done before."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import bayescale
from bayescale._identity import identity
from bayescale.errors import BacktestError
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.predictive import Method

# Version of the forecasts that are kept. Raise it with every change by which a method of this package forecasts other
# numbers from the same settings, scores and seed (the model, its sampler, a baseline), or by which the files hold
# something else. The version of the package is in the key as well, so that only changes between releases need it.
FORMAT = 2

# Settings that change how fast a method is and not what it forecasts.
_SPEED = {"cores"}


@dataclass(frozen=True, eq=False)
class Unit:
    """One method on one fold.

    Attributes
    ----------
    method : Method
    fold : Fold
    random_seed : int
        What the method is given; derived from the run's seed and the fold, so that order and workers do not matter.
    key : str
        SHA-256 of all that goes into the forecasts.
    """

    method: Method
    fold: Fold
    random_seed: int
    key: str

    @property
    def name(self) -> str:
        """What to call it in print."""
        tasks = self.fold.tasks
        return f"{self.method.name} on {tasks[0].name}" + (f" and {len(tasks) - 1} more" if len(tasks) > 1 else "")

    @property
    def coordinates(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Models and benchmarks of the fold: units that share them share a compiled model."""
        return tuple(self.fold.evals.model_names), tuple(self.fold.evals.benchmark_names)


def make_units(methods: Sequence[Method], folds: Sequence[Fold], random_seed: int) -> list[Unit]:
    """Pair every method with every fold; folds over the same coordinates follow one another.

    Raises
    ------
    BacktestError
        When a method does not say what it is made of.
    """
    identities = [fold.identity for fold in folds]
    # The rules of the tasks besides: a baseline reads its floor and the benchmarks it may see from them.
    rules = [[t.model_dump(mode="json") for t in fold.tasks] for fold in folds]
    seeds = [_seed(random_seed, fold) for fold in identities]
    code = (FORMAT, bayescale.__version__)
    units = []
    for method in methods:
        made_of = method_identity(method)
        mine = [
            Unit(method, fold, seed, identity(code, made_of, data, rule, seed))
            for fold, data, rule, seed in zip(folds, identities, rules, seeds, strict=True)
        ]
        first = {c: i for i, c in reversed(list(enumerate(u.coordinates for u in mine)))}
        units += sorted(mine, key=lambda u: first[u.coordinates])
    return units


def method_identity(method: Method) -> str:
    """Hash what a method is: its ``identity`` if it has one, or the class and settings of a dataclass.

    A class of this package is known by its name, since the keys of units hold `FORMAT` and the version; one of
    somebody else by its source as well.

    Raises
    ------
    BacktestError
        When it has neither, so that work kept on disk could not be told from that of another method.
    """
    given: Any = getattr(method, "identity", None)
    if isinstance(given, str):
        return identity(method.name, given)
    advice = (
        f"The method {method.name!r} does not say what it is made of. Make its class a frozen dataclass whose fields "
        "are numbers, texts or specs, or give it an attribute `identity` (a text that changes with its settings)."
    )
    if not dataclasses.is_dataclass(method):
        raise BacktestError(advice)
    fields = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name not in _SPEED}
    kind = type(method)
    source = "" if kind.__module__.partition(".")[0] == bayescale.__name__ else _source(kind)
    try:
        return identity(method.name, kind.__module__, kind.__qualname__, source, fields)
    except TypeError:
        raise BacktestError(advice) from None


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt
        return ""


def _seed(random_seed: int, fold: str) -> int:
    words = np.frombuffer(bytes.fromhex(fold), dtype="<u4").tolist()
    return int(np.random.SeedSequence([random_seed, *words]).generate_state(1)[0])
