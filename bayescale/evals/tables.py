"""The three tables: their columns and types, and the problems that a check may report."""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from bayescale._files import storable
from bayescale.errors import EvalsError, shown

KINDS = ("base", "instruct")

# FLOP. Less than any language model; more than any log10, or any number in units of 10^18 or 10^21.
SMALLEST_FLOPS = 1e15

# What forecasts call a family that is not in the data (`bayescale.NEW_FAMILY`).
NEW_FAMILY = "new family"

# Index name of a table that was read from a file: the index then contains the line numbers.
LINE = "line"

# A message longer than a screen hides the first lines, which matter most; the rest is on `TablesError.problems`.
MOST_SHOWN = 50
# Names that a note lists; the tables have them all.
MOST_NAMES = 10

FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "": False}


class Column(NamedTuple):
    """A column: its name, its type, and the value that replaces a blank (None: a blank is an error)."""

    name: str
    dtype: Literal["id", "text", "number", "flag"]
    default: Any = None


TABLES: dict[str, tuple[Column, ...]] = {
    "models": (
        Column("model", "id"),
        Column("family", "id"),
        Column("kind", "text", "base"),
        Column("code", "flag", False),
        Column("params_b", "number", math.nan),
        Column("tokens_t", "number", math.nan),
        Column("flops", "number", math.nan),
        Column("flops_log10_sd", "number", math.nan),
        Column("released", "text", ""),
    ),
    "benchmarks": (
        Column("benchmark", "id"),
        Column("title", "text", ""),
        Column("metric", "text", ""),
        Column("items", "number", math.nan),
        Column("floor", "number", 0.0),
        Column("ceiling", "number", 1.0),
        Column("testlet", "text", ""),
        Column("suite", "text", ""),
        Column("source", "text", ""),
    ),
    "scores": (
        Column("model", "id"),
        Column("benchmark", "id"),
        Column("score", "number"),
        Column("source", "text", ""),
    ),
}

# Optional columns of the scores that say how a score was measured. They are no part of `TABLES`: a table without them
# stays without them, and so does its identity.
MEASURED = ("source", "harness", "shots", "setting")
MEASURED_NUMBERS = ("stderr", "n")


def training_flops(params_b: Any, tokens_t: Any) -> Any:
    """Estimate the training compute of a dense transformer, in FLOP: six times parameters times tokens.

    Takes 10^9 parameters and 10^12 tokens, as numbers, arrays or Series (Kaplan et al. 2020, arXiv:2001.08361,
    section 2.1).

    Examples
    --------
    >>> f"{training_flops(70.0, 2.0):.1e}"
    '8.4e+23'
    """
    return 6 * (params_b * 1e9) * (tokens_t * 1e12)


# Problems


@dataclass(frozen=True)
class Problem:
    """An error or a note about one place in the tables.

    Attributes
    ----------
    table : str
        ``"models"``, ``"benchmarks"`` or ``"scores"``; empty for the directory itself.
    row : int or None
        Line in the CSV file, the header being line 1; row ``i`` of a DataFrame counts as line ``i + 2``. None for the
        table as a whole.
    column : str or None
        The column; None for the whole row.
    value : object
        The value of the cell.
    message, remedy : str
        What is wrong, and what to do.
    severity : {"error", "note"}
        A note leaves the tables usable.
    earlier : int or None
        For a duplicate: the row, counted as above, of the first occurrence.

    Examples
    --------
    >>> print(Problem("scores", 12, "score", 57.3, "looks like a percentage", "divide by 100"))
    scores.csv line 12, column score: 57.3 — looks like a percentage; divide by 100
    """

    table: str
    row: int | None
    column: str | None
    value: Any
    message: str
    remedy: str
    severity: Literal["error", "note"] = "error"
    earlier: int | None = None

    def __str__(self) -> str:
        return self.describe(files=True)

    def describe(self, files: bool) -> str:
        """Return one line of text; with `files` the place is a line of a CSV file, else a position in a DataFrame."""
        place = f"{self.table}.csv" if files and self.table else self.table or "directory"
        if self.row is not None:
            place += f" line {self.row}" if files else f".iloc[{self.row - 2}]" if self.row > 1 else ""
        if self.column is not None:
            place += f", column {self.column}"
        earlier = ""
        if self.earlier is not None:
            earlier = f" (line {self.earlier})" if files else f" (.iloc[{self.earlier - 2}])"
        return f"{place}: {_quoted(self.value)}{self.message}{earlier}; {self.remedy}"


def _quoted(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and not value:
        return "blank — "
    return f"{value:.15g} — " if isinstance(value, float) else f"{shown(text(value))} — "


class TablesError(EvalsError):
    """There are errors in the tables; `problems` lists all of them, also those that the message has no room for."""

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


def tables_error(problems: Sequence[Problem], files: bool, where: str = "the tables") -> TablesError:
    """Make one error that lists every problem on its own line, up to `MOST_SHOWN`."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{count} in {where}:"]
    lines += [f"  {p.describe(files)}" for p in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        lines.append(f"  ... and {len(problems) - MOST_SHOWN} more: see the attribute `problems` of this error")
    return TablesError("\n".join(lines), problems)


def first_names(names: Sequence[str], most: int = MOST_NAMES, separator: str = ", ") -> str:
    """Join the first names of a list, and say how many more there are.

    Examples
    --------
    >>> first_names(["a", "b", "c"], most=2)
    'a, b, and 1 more'
    """
    more = [f"and {len(names) - most} more"] * (len(names) > most)
    return separator.join([*names[:most], *more])


def errors_only(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems of severity ``"error"``, which make the tables unusable."""
    return [p for p in problems if p.severity == "error"]


# Types


@dataclass
class TypedTable:
    """A table whose columns have their types, with the line of every row and the problems of the conversion.

    A table that is missing, or lacks a required column, is not `complete`: it has no rows, and names nothing.
    """

    name: str
    frame: pd.DataFrame
    lines: np.ndarray
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True


def has_file_lines(table: Any) -> bool:
    """Return whether the index of the table contains the line numbers of a file."""
    index = getattr(table, "index", None)
    return isinstance(index, pd.Index) and index.name == LINE and pd.api.types.is_integer_dtype(index)


def incomplete(name: str, problems: Sequence[Problem]) -> TypedTable:
    """Return a table without rows, in place of one that cannot be used."""
    columns = [c.name for c in TABLES[name]]
    return replace(coerce(name, pd.DataFrame(columns=columns)), problems=list(problems), complete=False)


def not_a_table(name: str, given: object) -> Problem:
    """Return the problem of a value that should be a table."""
    return Problem(name, None, None, type(given).__name__, "not a table", "give a pandas DataFrame")


def coerce(name: str, raw: pd.DataFrame) -> TypedTable:
    """Convert a table to its types: columns of `TABLES` first, defaults filled in, other columns kept as text."""
    if not isinstance(raw, pd.DataFrame):
        return incomplete(name, [not_a_table(name, raw)])
    lines = np.asarray(raw.index, dtype=int) if has_file_lines(raw) else np.arange(len(raw)) + 2
    raw = raw.set_axis([str(c).strip() for c in raw.columns], axis=1).reset_index(drop=True)
    if problems := _header_problems(name, list(raw.columns)):
        return incomplete(name, problems)
    table = TypedTable(name, raw, lines)
    values: dict[str, pd.Series] = {}
    for column in TABLES[name]:
        given = raw[column.name] if column.name in raw else pd.Series([None] * len(raw), dtype=object)
        values[column.name] = _typed(column, given, table)
    for extra in raw.columns.drop(list(values), errors="ignore"):
        values[extra] = _texts(raw[extra], "")
    if name == "benchmarks":
        values["title"] = values["title"].where(values["title"] != "", values["benchmark"])
    table.frame = pd.DataFrame(values)
    return table


def _header_problems(name: str, columns: list[str]) -> list[Problem]:
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
        return [Problem(name, 1, None, columns[0], "cells are not separated by commas", "save the file with commas")]
    repeated = [
        Problem(name, 1, column, None, "the column is there twice", "remove or rename one of them")
        for column in sorted(c for c, count in Counter(columns).items() if count > 1)
    ]
    has = f"the columns are {', '.join(columns)}" if columns else "there are no columns"
    return repeated + [
        Problem(name, 1, c.name, None, "the column is missing", f"add or rename it: {has}")
        for c in TABLES[name]
        if c.default is None and c.name not in columns
    ]


def _typed(column: Column, given: pd.Series, table: TypedTable) -> pd.Series:
    if column.dtype in ("id", "text"):
        return _texts(given, column.default or "")
    if column.dtype == "flag":
        return _flags(column, given, table)
    numbers = _numbers(column, given, table)
    return numbers if column.default is None else numbers.fillna(column.default)


def text(value: Any) -> str:
    """Convert a cell to text; a missing value becomes a blank."""
    if value is None or value is pd.NA:
        return ""
    try:
        different = value != value
        # An array in a cell differs from itself in some places.
        if isinstance(different, bool | np.bool_) and different:
            return ""
        written = str(value)
    except ArithmeticError:  # a decimal that is not a number and says so when compared
        return ""
    except ValueError:  # Python writes no whole number of thousands of digits
        written = "a number of thousands of digits"
    # One kind of line end, because a CSV file does not distinguish them.
    content = written.replace("\r\n", "\n").replace("\r", "\n").strip()
    # Half of a pair, as JSON may have it, is in no file, nor in pandas' texts; validation tells of both.
    return content if storable(content) else re.sub("[\ud800-\udfff]", "\0", content)


def number(value: Any) -> float:
    """Convert a cell to a number; a blank becomes NaN, and what is not a number raises `ValueError`."""
    if isinstance(value, bool | np.bool_) or "_" in text(value):
        raise ValueError(f"{value!r} is not a number")
    return float(text(value)) if text(value) else math.nan


def json_value(value: Any) -> Any:
    """Return a cell as JSON has it: None for an unknown number, and one spelling of equal numbers."""
    if isinstance(value, float):
        return None if value != value else value + 0.0  # adding zero turns -0.0 into 0.0
    return value


def _texts(given: pd.Series, default: str) -> pd.Series:
    return pd.Series([text(v) or default for v in given.tolist()], dtype="str")


def _numbers(column: Column, given: pd.Series, table: TypedTable) -> pd.Series:
    if pd.api.types.is_float_dtype(given) or pd.api.types.is_integer_dtype(given):
        return pd.Series(given.to_numpy(dtype=np.float64, na_value=np.nan))
    remedy = "write a plain number, or leave the cell blank if it is unknown"
    if column.default is None:
        remedy = "write a plain number such as 0.573, or remove the row"
    # Cell by cell with Python's own parser: it is exact to the last bit, and every bad cell can be named.
    numbers = np.full(len(given), np.nan)
    for i, value in enumerate(given):
        with contextlib.suppress(ValueError):
            numbers[i] = number(value)
        if math.isnan(numbers[i]) and text(value):
            table.problems.append(Problem(table.name, int(table.lines[i]), column.name, value, "not a number", remedy))
    return pd.Series(numbers)


def _flags(column: Column, given: pd.Series, table: TypedTable) -> pd.Series:
    flags = np.zeros(len(given), dtype=bool)
    for i, value in enumerate(given):
        word = text(value).lower().removesuffix(".0")
        if word in FLAGS:
            flags[i] = FLAGS[word]
        else:
            message, remedy = "neither true nor false", "write true or false; blank means false"
            table.problems.append(Problem(table.name, int(table.lines[i]), column.name, value, message, remedy))
    return pd.Series(flags)


# Several scores of one cell


def counting(scores: pd.DataFrame) -> np.ndarray:
    """Return, as a boolean array, which rows count: the first of every model and benchmark."""
    return ~scores.duplicated(["model", "benchmark"]).to_numpy()


def measurements(scores: pd.DataFrame) -> pd.DataFrame:
    """Return how every score was measured: the columns `MEASURED` as text, `MEASURED_NUMBERS` as numbers."""
    table = scores[["model", "benchmark", "score"]].copy()
    for column in MEASURED:
        table[column] = scores.get(column, "")
    for column in MEASURED_NUMBERS:
        table[column] = [number(v) for v in scores[column]] if column in scores else math.nan
    return table.assign(how=_how(table), counts=counting(scores))


def _how(table: pd.DataFrame) -> list[str]:
    """Name how each score was measured: harness, examples in the prompt and setting, as far as they are stated."""
    shots = table["shots"].map(lambda count: count and f"{count}-shot")
    return ["; ".join(filter(None, part)) for part in zip(table["harness"], shots, table["setting"], strict=True)]
