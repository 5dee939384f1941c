"""The benchmarks and models that ship, as far as importers recognise them: by mapping, alias or exact name."""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bayescale._files import shipped
from bayescale.evals.columns import TABLES
from bayescale.evals.csvfile import read_table
from bayescale.evals.importers.mapping import Mapping, Target

ALIASES = "aliases"


@dataclass(frozen=True)
class Match:
    """A benchmark that a name of the tool stands for, and who says so: ``mapping``, ``alias`` or ``name``."""

    target: Target
    by: str


@dataclass(frozen=True)
class Names:
    """What the names of one tool stand for. Never the nearest name: either someone said so, or it is the same word.

    Attributes
    ----------
    tool : str
        Whose aliases count: ``lm-eval``, ``inspect``, ``epoch``.
    mapping : Mapping
        Comes before aliases and names.
    """

    tool: str
    mapping: Mapping = field(default_factory=Mapping)

    def match(self, *names: str) -> Match | None:
        """Find the benchmark that the first of some names stands for; None if nobody knows any of them."""
        for name in names:
            if (target := self.mapping.benchmarks.get(name)) is not None:
                return Match(target, "mapping")
        aliases = shipped_aliases(self.tool)
        for name in names:
            if name in aliases:
                return Match(Target(benchmark=aliases[name]), "alias")
        for name in names:
            if name in shipped_benchmarks():
                return Match(Target(benchmark=name), "name")
        return None

    def left_out(self, *names: str) -> bool:
        """Whether the mapping says to leave out what has the first of these names that it lists."""
        listed = [n for n in names if n in self.mapping.benchmarks]
        return bool(listed) and self.mapping.benchmarks[listed[0]] is None

    def near(self, name: str) -> list[str]:
        """Names that look alike, to ask about."""
        words = {w.lower(): b for b in shipped_benchmarks() for w in [b]} | {
            a.split("/")[0].lower(): b for a, b in shipped_aliases(self.tool).items()
        }
        return list(dict.fromkeys(words[w] for w in difflib.get_close_matches(name.lower(), words, n=2, cutoff=0.75)))


@functools.cache
def shipped_benchmarks() -> dict[str, dict[str, str]]:
    """The rows of ``data/benchmarks.csv`` by benchmark, cells as text."""
    return _rows("benchmarks", "benchmark")


@functools.cache
def shipped_models() -> dict[str, dict[str, str]]:
    """The rows of ``data/models.csv`` by model, cells as text; only the columns that all tables have."""
    known = [c.name for c in TABLES["models"]]
    return {name: {c: row[c] for c in known if row.get(c)} for name, row in _rows("models", "model").items()}


@functools.cache
def shipped_aliases(tool: str) -> dict[str, str]:
    """What the names of a tool stand for: the column ``aliases``, ``tool:task`` or ``tool:task/metric``, with ";"."""
    found: dict[str, str] = {}
    for benchmark, row in shipped_benchmarks().items():
        for alias in filter(None, map(str.strip, row[ALIASES].split(";"))):
            whose, _, name = alias.partition(":")
            if whose == tool:
                found[name] = benchmark
    return found


def _rows(table: str, key: str) -> dict[str, dict[Any, Any]]:
    frame, problems = read_table(shipped("data"), table)
    assert isinstance(frame, pd.DataFrame), problems
    return {row[key]: row for row in frame.to_dict("records")}
