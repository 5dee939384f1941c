"""The three tables: their columns and types, their CSV files, and the problems that a check may report."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bayescale._files import atomic_write, storable
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
        for column in sorted({c for c in columns if columns.count(c) > 1})
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
    return table.assign(counts=counting(scores))


# CSV files


def read_table(directory: Path, name: str) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read ``name.csv`` as text; the index, named ``"line"``, contains the line on which a row begins.

    The table is None when the file cannot be read as one. The problems are those of the file: missing, not UTF-8, rows
    of the wrong length.
    """
    path = directory / f"{name}.csv"
    try:
        # utf-8-sig reads plain UTF-8 as well, and removes the byte-order mark that spreadsheets write.
        content = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        needed = ", ".join(f"{t}.csv" for t in TABLES)
        return None, [Problem(name, None, None, None, f"there is no such file in {directory}", f"needed: {needed}")]
    except OSError as error:
        return None, [Problem(name, None, None, None, f"cannot be read: {error}", "make it a readable file")]
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        return None, [Problem(name, line, None, None, "this is not UTF-8 text", "save the file as UTF-8")]

    rows: list[list[str]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    # The standard library's reader counts lines, which pandas does not.
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header: list[str] = []
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = cells
            elif len(cells) != len(header):
                message = f"the row has {len(cells)} cells, the header {len(header)}"
                remedy = 'add the missing commas, or put "quotes" around a cell that contains a comma'
                problems.append(Problem(name, line, None, None, message, remedy))
            else:
                rows.append([cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell for cell in cells])
                lines.append(line)
    except csv.Error as error:
        remedy = 'look for an unbalanced " from there on'
        return None, [*problems, Problem(name, before + 1, None, None, f"cannot be read as CSV ({error})", remedy)]
    if not header:
        remedy = f"write a header: {','.join(c.name for c in TABLES[name])}"
        return None, [Problem(name, None, None, None, "the file is empty", remedy)]
    return pd.DataFrame(rows, columns=header, index=pd.Index(lines, name=LINE, dtype="int64"), dtype="str"), problems


def read_tables(directory: Path) -> tuple[dict[str, pd.DataFrame | None], list[Problem]]:
    """Read the three files of a directory; a table that cannot be read is None and has its problem in the list."""
    if not directory.is_dir():
        message = "it is a file" if directory.exists() else "there is no such directory"
        remedy = "name a directory with models.csv, benchmarks.csv and scores.csv"
        return dict.fromkeys(TABLES), [Problem("", None, None, str(directory), message, remedy)]
    results = {name: read_table(directory, name) for name in TABLES}
    return {name: table for name, (table, _) in results.items()}, [p for _, ps in results.values() for p in ps]


_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_table(directory: Path, name: str, table: pd.DataFrame) -> None:
    """Write ``name.csv`` atomically, so that `read_table` gives back every value to the last bit."""
    with (
        atomic_write(directory / f"{name}.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(zip(*([_no_formula(cell_text(v)) for v in table[c]] for c in table.columns), strict=True))


def export_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table of results atomically, compressed by the suffix of `path`; spreadsheets run nothing in it.

    Texts that a spreadsheet would take for a formula begin with an apostrophe, which it does not show, and which
    `read_table` removes.
    """
    texts = table.columns[[not (is_numeric_dtype(t) or is_bool_dtype(t)) for t in table.dtypes]]
    safe = table.assign(**{str(name): table[name].map(_no_formula) for name in texts}).rename(columns=_no_formula)
    with atomic_write(path, keep_suffix=True) as temporary:
        safe.to_csv(temporary, index=False)


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def cell_text(value: Any) -> str:
    """Format a value as a CSV cell: blank for an unknown number, floats exact to the last bit."""
    if isinstance(value, str):
        return value
    if not isinstance(value, float):
        return "true" if value else "false"
    if math.isnan(value):
        return ""
    # 14042 rather than 14042.0: it reads back as the same number.
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))
