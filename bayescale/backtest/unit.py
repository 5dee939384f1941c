"""The unit of work: one method on one fold, with its seed, and a key that says whether it has been done before."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import bayescale
from bayescale.backtest.fold import Fold
from bayescale.backtest.predictive import Method
from bayescale.errors import BacktestError
from bayescale.spec import Spec

# Of the files that keep forecasts; a change of it makes all that is kept be done again.
FORMAT = 1

# Settings that change how fast a method is and not what it forecasts.
_SPEED = {"cores"}

# Rooms of this package that forecasts do not pass through: they may change, and what is kept stays good.
_PASSED_BY = (
    "cli",
    "plots",
    "demo.py",
    "errors.py",
    "checks",
    "compare",
    "factors",
    "sensitivity.py",
    *(f"backtest/{name}.py" for name in ("journal", "metrics", "result", "run", "unit", "workers")),
)


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
    units = []
    for method in methods:
        made_of = identity(method)
        mine = [
            Unit(method, fold, seed, _digest(FORMAT, made_of, data, rule, seed))
            for fold, data, rule, seed in zip(folds, identities, rules, seeds, strict=True)
        ]
        first = {c: i for i, c in reversed(list(enumerate(u.coordinates for u in mine)))}
        units += sorted(mine, key=lambda u: first[u.coordinates])
    return units


def identity(method: Method) -> str:
    """SHA-256 of what a method is: its ``identity`` if it has one, or the class, code and settings of a dataclass.

    Raises
    ------
    BacktestError
        When it has neither, so that work kept on disk could not be told from that of another method.
    """
    given: Any = getattr(method, "identity", None)
    if isinstance(given, str):
        return _digest(method.name, given)
    advice = (
        f"The method {method.name!r} does not say what it is made of. Make its class a frozen dataclass whose fields "
        "are numbers, texts or specs, or give it an attribute `identity` (a text that changes with its settings)."
    )
    if not dataclasses.is_dataclass(method):
        raise BacktestError(advice)
    fields = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name not in _SPEED}
    kind = type(method)
    code = forecasting_code() if kind.__module__.partition(".")[0] == bayescale.__name__ else _source(kind)
    try:
        return _digest(method.name, kind.__module__, kind.__qualname__, code, fields)
    except TypeError:
        raise BacktestError(advice) from None


@cache
def forecasting_code() -> str:
    """SHA-256 of this package's own code as far as forecasts depend on it: other code, other forecasts."""
    home = Path(bayescale.__file__).parent
    files = sorted(p.relative_to(home).as_posix() for p in home.rglob("*.py"))
    kept = [f for f in files if not any(f == room or f.startswith(f"{room}/") for room in _PASSED_BY)]
    return _digest([[f, hashlib.sha256((home / f).read_bytes()).hexdigest()] for f in kept])


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt
        return ""


def _seed(random_seed: int, fold: str) -> int:
    words = np.frombuffer(bytes.fromhex(fold), dtype="<u4").tolist()
    return int(np.random.SeedSequence([random_seed, *words]).generate_state(1)[0])


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.identity
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no plain form")
