"""Find what valid tables should hardly have: one model or family under two names, scores in the wrong unit.

Nothing here is an error: the notes name what to look at.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pandas as pd

# Answers at random have the floor as their expected score; a whole benchmark below this share of it has another unit.
FAR_BELOW = 0.5
# Fewer scores may be that low by accident.
FEW = 3
MOST_SHOWN = 5


class Implausible(NamedTuple):
    """What is implausible about a column, and what to do."""

    table: str
    column: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"


def find_implausible(models: pd.DataFrame, benchmarks: pd.DataFrame, scores: pd.DataFrame) -> list[Implausible]:
    """Find models and families under several names, and benchmarks whose scores all lie far below the floor.

    Examples
    --------
    >>> models = pd.DataFrame({"model": ["lab/Wren-1B", "wren-1b"], "family": ["Wren", "wren"]})
    >>> benchmarks = pd.DataFrame({"benchmark": ["MMLU"], "floor": [0.25]})
    >>> scores = pd.DataFrame({"model": ["wren-1b"], "benchmark": ["MMLU"], "score": [0.3]})
    >>> len(find_implausible(models, benchmarks, scores))
    2
    """
    notes = []
    for column, things in {"model": "models", "family": "families"}.items():
        if twice := same_names(models[column] if column in models else pd.Series(dtype="str")):
            shown = "; ".join(" = ".join(group) for group in twice[:MOST_SHOWN])
            more = f"; and {len(twice) - MOST_SHOWN} more" if len(twice) > MOST_SHOWN else ""
            count = f"1 {column}" if len(twice) == 1 else f"{len(twice)} {things}"
            message = f"{count} may be there under several names ({shown}{more})"
            remedy = "they differ only by case, separators or a maker's prefix: give them one name if they are the same"
            notes.append(Implausible("models", column, message, remedy))
    floor = pd.to_numeric(benchmarks["floor"], errors="coerce") if "floor" in benchmarks else pd.Series(dtype=float)
    for name, low in zip(benchmarks["benchmark"], floor, strict=False):
        values = scores.loc[scores["benchmark"] == name, "score"]
        if low > 0 and len(values) >= FEW and values.max() < FAR_BELOW * low:
            message = f"{name}: all {len(values)} scores lie far below its floor {low:g}, up to {values.max():.3g}"
            notes.append(Implausible("scores", "score", message, "was a scale applied to shares?"))
    return notes


def same_names(names: pd.Series) -> list[list[str]]:
    """Group the names that differ only by case, separators, a slash at the end or a maker's prefix before a slash.

    Examples
    --------
    >>> same_names(pd.Series(["tiiuae/falcon-7b", "Falcon 7B", "other"]))
    [['tiiuae/falcon-7b', 'Falcon 7B']]
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        key = re.sub(r"[-_\s]+", "-", str(name).rstrip("/").rpartition("/")[2].casefold())
        if key:
            groups.setdefault(key, []).append(str(name))
    return [group for group in groups.values() if len(group) > 1]
