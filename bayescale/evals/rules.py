"""Rules for single cells: a table of rules, each applied to a whole column at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from bayescale.evals.problems import Problem
from bayescale.evals.tables import KINDS, SMALLEST_FLOPS, Arrived


class Rule(NamedTuple):
    """A cell of `column` for which `broken` is true has this problem."""

    table: str
    column: str
    broken: Callable[[pd.Series], pd.Series]
    message: str
    remedy: str


def _blank(s: pd.Series) -> pd.Series:
    return s == ""


def _unprintable(s: pd.Series) -> pd.Series:
    return pd.Series([not v.isprintable() for v in s], index=s.index, dtype=bool)


def _not_positive(s: pd.Series) -> pd.Series:
    return (s <= 0) | np.isinf(s)


def _count(s: pd.Series) -> pd.Series:
    # A million billions: a plain count was written where the unit is billions or trillions.
    return (s >= 1e6) & ~np.isinf(s)


_ODD_NAME = "the name holds a line break, tab or other invisible character"
_UNKNOWN = "leave the cell blank if it is unknown"

RULES = (
    Rule("models", "model", _blank, "a model needs a name", "fill it in"),
    Rule("models", "model", _unprintable, _ODD_NAME, "use letters, digits, spaces and signs"),
    Rule("models", "family", _blank, "a model needs a family", "name one; its own name if it stands alone"),
    Rule("models", "family", _unprintable, _ODD_NAME, "use letters, digits, spaces and signs"),
    Rule("models", "kind", lambda s: ~s.isin(KINDS), "no such kind of model", f"write {' or '.join(KINDS)}"),
    Rule("models", "params_b", _not_positive, "parameters must be positive and finite", _UNKNOWN),
    Rule("models", "params_b", _count, "too many: the unit is 10^9", "divide by 1e9"),
    Rule("models", "tokens_t", _not_positive, "training tokens must be positive and finite", _UNKNOWN),
    Rule("models", "tokens_t", _count, "too many: the unit is 10^12", "divide by 1e12"),
    Rule("models", "flops", _not_positive, "training compute must be positive and finite", _UNKNOWN),
    Rule(
        "models",
        "flops",
        lambda s: (s > 0) & (s < SMALLEST_FLOPS),
        "too little compute for a language model: it looks like a log10 or a figure in units of 10^21",
        "write plain FLOP, for example 8.4e22",
    ),
    Rule("models", "flops_log10_sd", lambda s: (s < 0) | np.isinf(s), "must be finite and not negative", _UNKNOWN),
    Rule("benchmarks", "benchmark", _blank, "a benchmark needs a name", "fill it in"),
    Rule("benchmarks", "benchmark", _unprintable, _ODD_NAME, "use letters, digits, spaces and signs"),
    Rule(
        "benchmarks",
        "items",
        lambda s: s.notna() & ((s < 1) | np.isinf(s) | (s != s.round())),
        "the number of test items must be a whole number, 1 or more",
        "leave the cell blank if the score is no proportion of items",
    ),
    Rule(
        "benchmarks",
        "floor",
        lambda s: ~s.between(0, 1),
        "the floor must lie in [0, 1]",
        "give the expected score of a guesser, 0 for open-ended tasks",
    ),
    Rule("benchmarks", "ceiling", lambda s: ~s.between(0, 1), "the ceiling must lie in [0, 1]", "blank means 1"),
    Rule("scores", "model", _blank, "a score needs a model", "fill it in, or remove the row"),
    Rule("scores", "benchmark", _blank, "a score needs a benchmark", "fill it in, or remove the row"),
    Rule("scores", "score", pd.isna, "a score is needed", "remove the row: a score not observed has no row"),
    Rule("scores", "score", np.isinf, "a score must be finite", "correct it, or remove the row"),
    Rule(
        "scores",
        "score",
        lambda s: (s > 1) & (s <= 100),
        "outside [0, 1], looks like a percentage",
        "divide by 100",
    ),
    Rule(
        "scores",
        "score",
        lambda s: (s < 0) | ((s > 100) & ~np.isinf(s)),
        "outside [0, 1]",
        "rescale it to a share of the best possible score, or remove the row",
    ),
)


def broken_cells(table: Arrived) -> Iterator[Problem]:
    """Yield a problem for every cell that breaks a rule, unless the cell has a problem already."""
    if table.frame is None:
        return
    reported = table.reported
    for rule in (r for r in RULES if r.table == table.name):
        column = table.frame[rule.column]
        broken = np.flatnonzero(rule.broken(column))
        for line, value in zip(table.lines[broken].tolist(), column.iloc[broken].tolist(), strict=True):
            if (line, rule.column) not in reported:
                # A blank is a blank in every column; NaN would not even equal itself.
                value = "" if value != value else value
                yield Problem(table.name, line, rule.column, value, rule.message, rule.remedy)
