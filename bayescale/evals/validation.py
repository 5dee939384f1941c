"""Validate the three tables: rules for the cells of each column, and checks of several rows or tables.

Nothing here raises: problems are returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bayescale.errors import suggest
from bayescale.evals.csv_files import read_tables
from bayescale.evals.tables import (
    KINDS,
    MEASURED,
    MEASURED_NUMBERS,
    NEW_FAMILY,
    SMALLEST_FLOPS,
    TABLES,
    Problem,
    TypedTable,
    coerce,
    counting,
    errors_only,
    first_names,
    incomplete,
    measurements,
    number,
    training_flops,
)

# An offset of a family or a slope of a benchmark that rests on fewer values than this is mostly its prior.
FEW_SCORES = 3
# Counts below are whole in floating point, and so are their binomial coefficients.
MOST_ITEMS = 1e9
# A missing name has the likely ones beside it in so many cases; each takes a look at all names.
MOST_SUGGESTED = 10
# Mixtures of experts and continued training lie within this factor of the estimate; a slip of a unit does not.
FAR_FROM_ESTIMATE = 30
# Answers at random have the floor as their expected score; a whole benchmark below this share of it has another unit.
FAR_BELOW = 0.5


# Single cells


class Rule(NamedTuple):
    """A rule for the cells of a column: `broken` gets the whole column, and is true where a cell has this problem."""

    table: str
    column: str
    broken: Callable[[pd.Series], pd.Series]
    message: str
    remedy: str


def _blank(s: pd.Series) -> pd.Series:
    return s == ""


def _unprintable(s: pd.Series) -> pd.Series:
    return pd.Series([not v.isprintable() for v in s.tolist()], index=s.index, dtype=bool)


def _not_positive(s: pd.Series) -> pd.Series:
    return (s <= 0) | np.isinf(s)


def _count(s: pd.Series) -> pd.Series:
    # A million billions: a plain count was written where the unit is billions or trillions.
    return (s >= 1e6) & ~np.isinf(s)


_ODD_NAME = "the name contains a line break, tab or other invisible character", "use letters, digits, spaces and signs"
_UNKNOWN = "leave the cell blank if it is unknown"

RULES = (
    Rule("models", "model", _blank, "a model needs a name", "fill it in"),
    Rule("models", "model", _unprintable, *_ODD_NAME),
    Rule("models", "family", _blank, "a model needs a family", "fill it in; a model on its own is its own family"),
    Rule("models", "family", _unprintable, *_ODD_NAME),
    Rule(
        "models",
        "family",
        lambda s: s == NEW_FAMILY,
        "forecasts call a family that is not in the data so",
        "give the family another name",
    ),
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
        "too little compute for a language model: it looks like a log10 or a number in units of 10^21",
        "write plain FLOP, for example 8.4e22",
    ),
    Rule("models", "flops_log10_sd", lambda s: (s < 0) | np.isinf(s), "must be finite and not negative", _UNKNOWN),
    Rule("benchmarks", "benchmark", _blank, "a benchmark needs a name", "fill it in"),
    Rule("benchmarks", "benchmark", _unprintable, *_ODD_NAME),
    Rule(
        "benchmarks",
        "items",
        lambda s: s.notna() & ((s < 1) | np.isinf(s) | (s != s.round())),
        "the number of test items must be a whole number, 1 or more",
        "leave the cell blank if the score is no proportion of items",
    ),
    Rule(
        "benchmarks",
        "items",
        lambda s: (s > MOST_ITEMS) & ~np.isinf(s),
        f"more than {MOST_ITEMS:.0e} test items",
        "correct it, or leave the cell blank",
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
    Rule("scores", "score", lambda s: (s > 1) & (s <= 100), "outside [0, 1], looks like a percentage", "divide by 100"),
    Rule(
        "scores",
        "score",
        lambda s: (s < 0) | ((s > 100) & ~np.isinf(s)),
        "outside [0, 1]",
        "rescale it to a share of the best possible score, or remove the row",
    ),
)


def broken_cells(table: TypedTable) -> Iterator[Problem]:
    """Yield a problem for every cell that breaks a rule, unless the cell has a problem already."""
    reported = {(p.row, p.column) for p in table.problems}
    for rule in (r for r in RULES if r.table == table.name):
        column = table.frame[rule.column]
        broken = np.flatnonzero(rule.broken(column))
        if not len(broken):
            continue
        for line, value in zip(table.lines[broken].tolist(), column.iloc[broken].tolist(), strict=True):
            if (line, rule.column) not in reported:
                # A blank is a blank in every column; NaN would not even equal itself.
                value = "" if value != value else value
                yield Problem(table.name, line, rule.column, value, rule.message, rule.remedy)
    for name in table.frame.select_dtypes(exclude=["number", "bool"]):
        for i, value in enumerate(table.frame[name].tolist()):
            if "\0" in value and name not in ("model", "family", "benchmark"):  # which have a rule for such characters
                message = "it holds a character that no file does (NUL, or half of a pair)"
                yield Problem(table.name, int(table.lines[i]), str(name), value, message, "remove the character")


# Several rows or tables


def _repeated_names(table: TypedTable, column: str) -> Iterator[Problem]:
    names = table.frame[column]
    for i in np.flatnonzero(names.duplicated() & (names != "")):
        first = int(table.lines[np.flatnonzero(names == names.iloc[i])[0]])
        message, remedy = f"this {column} is in the table already", "remove or rename one of the two"
        yield Problem(table.name, int(table.lines[i]), column, names.iloc[i], message, remedy, earlier=first)


def _floors_over_ceilings(benchmarks: TypedTable) -> Iterator[Problem]:
    floor, ceiling = benchmarks.frame["floor"], benchmarks.frame["ceiling"]
    for i in np.flatnonzero((floor >= ceiling) & floor.between(0, 1) & ceiling.between(0, 1)):
        message = f"the floor is not below the ceiling ({ceiling.iloc[i]:g})"
        yield Problem("benchmarks", int(benchmarks.lines[i]), "floor", floor.iloc[i], message, "correct one of the two")


def _unknown_names(scores: TypedTable, names: TypedTable, column: str) -> Iterator[Problem]:
    if not names.complete:
        return
    names_in_table = set(names.frame[column])
    given = scores.frame[column]

    by_key = {_key(name): name for name in names_in_table}
    searched: dict[str, str] = {}

    def nearest(name: str) -> str:
        """Return the likely name: one that differs by case or a maker's prefix, else by a search, which is slow."""
        if (alike := by_key.get(_key(name))) is not None:
            return f" Did you mean {alike!r}?"
        if name not in searched and len(searched) < MOST_SUGGESTED:
            searched[name] = suggest(name, names_in_table, column).removeprefix(f"There is no {column} {name!r}.")
        return searched.get(name, "")

    for i in np.flatnonzero(~given.isin(names_in_table) & (given != "")):
        message = f"not in the table of {names.name}.{nearest(given.iloc[i])}"
        remedy = f"correct the name, or add it to the {names.name}"
        yield Problem("scores", int(scores.lines[i]), column, given.iloc[i], message.removesuffix("."), remedy)


def _repeated_scores(scores: TypedTable) -> Iterator[Problem]:
    """Yield a problem for every row that differs from an earlier one in nothing but its score.

    It is an error if the scores differ, else a note: the row is dropped. Rows that differ in another column are several
    measurements.
    """
    frame = scores.frame.assign(line=scores.lines)
    frame = frame[frame["score"].notna() & (frame["model"] != "") & (frame["benchmark"] != "")]
    told = [c for c in scores.frame if c != "score"]
    repeated = frame[frame.duplicated(told, keep=False)]
    for _, rows in repeated.groupby(told, sort=False):
        model, benchmark = rows[["model", "benchmark"]].iloc[0]
        first, line = float(rows["score"].iloc[0]), int(rows["line"].iloc[0])
        for row, score in zip(rows["line"].tolist()[1:], rows["score"].tolist()[1:], strict=True):
            if score == first:
                message = f"{model} on {benchmark} has this score already"
                remedy = "the first is kept; remove one of the two rows"
                yield Problem("scores", row, "score", score, message, remedy, "note", earlier=line)
            else:
                message = f"{model} on {benchmark} has another score, {first:.15g}, already"
                remedy = f"keep one, or say in the columns {', '.join(MEASURED)} how the two were measured"
                yield Problem("scores", row, "score", score, message, remedy, earlier=line)


def _measured_numbers(scores: TypedTable) -> Iterator[Problem]:
    for column in (c for c in MEASURED_NUMBERS if c in scores.frame):
        for line, value in zip(scores.lines.tolist(), scores.frame[column], strict=True):
            try:
                wrong = number(value) < 0
            except ValueError:
                wrong = True
            if wrong:
                message, remedy = "no number of 0 or more", "write a plain number, or leave the cell blank"
                yield Problem("scores", line, column, value, message, remedy)


def find_notes(models: pd.DataFrame, benchmarks: pd.DataFrame, scores: pd.DataFrame) -> list[Problem]:
    """Find what is unusual but allowed in valid tables: one note of each kind, with the names that it concerns."""
    name, family, benchmark = models["model"], models["family"], benchmarks["benchmark"]
    ratio = models["flops"] / training_flops(models["params_b"], models["tokens_t"])
    far = (ratio > FAR_FROM_ESTIMATE) | (ratio < 1 / FAR_FROM_ESTIMATE)
    few = benchmark.map(scores["benchmark"].value_counts()).fillna(0) < FEW_SCORES
    factors = [f"{m}: {r:.2g} times" for m, r in zip(name[far], ratio[far], strict=True)]
    if scores.empty:
        return [Problem("scores", None, None, None, "there are no scores", "a fit needs some", "note")]
    how = measurements(scores)[["benchmark", "how"]].replace("", None).dropna().groupby("benchmark")["how"].nunique()
    mixed = [f"{b}: {how[b]}" for b in benchmark if how.get(b, 0) > 1]
    kinds: list[tuple[Any, ...]] = [
        ("models", "family", family[~family.duplicated(keep=False)], "family has one model", "families have one model",
         "their efficiency is shrunk towards the average"),
        ("models", "flops", factors, "model has compute far from 6 x parameters x tokens",
         "models have compute far from 6 x parameters x tokens", "check flops, params_b and tokens_t"),
        ("models", "model", name[~name.isin(scores["model"])], "model has no scores", "models have no scores",
         "the fit learns nothing from them"),
        ("benchmarks", "benchmark", benchmark[few], f"benchmark has fewer than {FEW_SCORES} scores",
         f"benchmarks have fewer than {FEW_SCORES} scores", "forecasts of them will be wide"),
        ("scores", "setting", mixed, "benchmark was measured in several ways, among the scores that count",
         "benchmarks were measured in several ways, among the scores that count",
         "a spec with repeated_measurements tells them apart"),
    ]  # fmt: skip
    notes = [note(table, column, list(names), *words) for table, column, names, *words in kinds if len(names)]
    return notes + find_implausible(models, benchmarks, scores)


def find_implausible(models: pd.DataFrame, benchmarks: pd.DataFrame, scores: pd.DataFrame) -> list[Problem]:
    """Find models and families under several names, and benchmarks whose scores all lie far below the floor.

    Examples
    --------
    >>> models = pd.DataFrame({"model": ["lab/Wren-1B", "wren-1b"], "family": ["Wren", "wren"]})
    >>> benchmarks = pd.DataFrame({"benchmark": ["MMLU"], "floor": [0.25]})
    >>> scores = pd.DataFrame({"model": ["wren-1b"], "benchmark": ["MMLU"], "score": [0.3]})
    >>> find_implausible(models, benchmarks, scores)[0].message
    '1 model may be there under several names (lab/Wren-1B = wren-1b)'
    """
    twice = "may be there under several names"
    remedy = "they differ only by case, separators or a maker's prefix: give them one name if they are the same"
    best = scores.groupby("benchmark")["score"].agg(["max", "size"])
    low = [
        f"{name}: up to {best['max'][name]:.3g}, floor {floor:g}"
        for name, floor in zip(benchmarks["benchmark"], benchmarks["floor"], strict=True)
        if name in best.index and best["size"][name] >= FEW_SCORES and best["max"][name] < FAR_BELOW * floor
    ]
    kinds: list[tuple[Any, ...]] = [
        ("models", "model", _same_names(models["model"]), f"model {twice}", f"models {twice}", remedy),
        ("models", "family", _same_names(models["family"]), f"family {twice}", f"families {twice}", remedy),
        ("scores", "score", low, "benchmark has all its scores far below the floor",
         "benchmarks have all their scores far below the floor", "was a scale applied to shares?"),
    ]  # fmt: skip
    return [note(table, column, names, *words) for table, column, names, *words in kinds if names]


def _same_names(names: pd.Series) -> list[str]:
    """Group the names that differ only by case, separators, a slash at the end or a maker's prefix before a slash."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        if key := _key(str(name)):
            groups.setdefault(key, []).append(str(name))
    return [" = ".join(group) for group in groups.values() if len(group) > 1]


def _key(name: str) -> str:
    return re.sub(r"[-_\s]+", "-", name.rstrip("/").rpartition("/")[2].casefold())


def note(table: str, column: str, names: Sequence[str], one: str, several: str, remedy: str) -> Problem:
    """Make one note of all rows of a kind, with their number and the first of their names."""
    message = f"{len(names)} {one if len(names) == 1 else several} ({first_names(names)})"
    return Problem(table, None, column, None, message, remedy, "note")


def validate_tables(raw: Mapping[str, pd.DataFrame | None]) -> tuple[dict[str, TypedTable], list[Problem]]:
    """Convert the tables to their types and find all errors; a table given as None is skipped.

    Rows repeated in full are dropped from the tables returned, each with a note; several measurements of one model and
    benchmark are kept.
    """
    tables = {n: incomplete(n, []) if (t := raw[n]) is None else coerce(n, t) for n in TABLES}
    models, benchmarks, scores = tables["models"], tables["benchmarks"], tables["scores"]
    problems = [p for t in tables.values() for p in t.problems]
    for table in tables.values():
        problems += broken_cells(table)
    problems += _repeated_names(models, "model")
    problems += _repeated_names(benchmarks, "benchmark")
    problems += _floors_over_ceilings(benchmarks)
    problems += _unknown_names(scores, models, "model")
    problems += _unknown_names(scores, benchmarks, "benchmark")
    problems += _repeated_scores(scores)
    problems += _measured_numbers(scores)
    order = list(TABLES)
    problems.sort(key=lambda p: (p.severity, order.index(p.table), p.row or 0))
    kept = ~scores.frame.duplicated().to_numpy()
    scores.frame, scores.lines = scores.frame[kept].reset_index(drop=True), scores.lines[kept]
    return tables, problems


def check_directory(path: str | Path) -> list[Problem]:
    """Find all errors in the tables of a directory, and what is unusual but allowed; never raise.

    Parameters
    ----------
    path : str or pathlib.Path
        Directory with ``models.csv``, ``benchmarks.csv`` and ``scores.csv``.

    Returns
    -------
    list of Problem
        Errors first, then notes; also when the directory or a file is missing.

    Examples
    --------
    >>> check_directory("no/such/place")[0].message
    'there is no such directory'
    """
    raw, problems = read_tables(Path(path))
    tables, in_tables = validate_tables(raw)
    problems += in_tables
    if errors_only(problems):
        # Notes would only repeat the errors.
        return problems
    models, benchmarks, scores = (t.frame for t in tables.values())
    return problems + find_notes(models, benchmarks, scores[counting(scores)])
