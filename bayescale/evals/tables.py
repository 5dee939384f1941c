"""The columns of the three tables, and how the values of any DataFrame or CSV file are brought into their types."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from bayescale.evals.problems import Problem

KINDS = ("base", "instruct")

# FLOP. Less than any language model worth the name; more than any log10, or any figure in units of 10^18 or 10^21.
SMALLEST_FLOPS = 1e15

# Index name of a table that was read from a file: the index then holds the line numbers.
LINE = "line"

_FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "": False}


class Column(NamedTuple):
    """One column: its name, what it holds, and what stands for a blank (None: a blank is an error)."""

    name: str
    holds: Literal["id", "text", "number", "flag"]
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


@dataclass
class Arrived:
    """A table in its types, with the line of every row and what went wrong on the way.

    `frame` is None when a needed column is missing, so that nothing more can be said about the table.
    """

    name: str
    frame: pd.DataFrame | None
    lines: np.ndarray
    problems: list[Problem] = field(default_factory=list)

    @property
    def reported(self) -> set[tuple[int | None, str | None]]:
        """The cells that already have a problem, and need no second one."""
        return {(p.row, p.column) for p in self.problems}


def read_from_file(table: Any) -> bool:
    """Whether the index of the table holds the lines of a file."""
    index = getattr(table, "index", None)
    return isinstance(index, pd.Index) and index.name == LINE and pd.api.types.is_integer_dtype(index)


def arrive(name: str, raw: pd.DataFrame) -> Arrived:
    """Bring a table into its types: known columns first, defaults filled in, other columns kept as text."""
    if not isinstance(raw, pd.DataFrame):
        problem = Problem(name, None, None, type(raw).__name__, "not a table", "give a pandas DataFrame")
        return Arrived(name, None, np.array([], dtype=int), [problem])
    lines = np.asarray(raw.index, dtype=int) if read_from_file(raw) else np.arange(len(raw)) + 2
    raw = raw.set_axis([str(c).strip() for c in raw.columns], axis=1).reset_index(drop=True)
    arrived = Arrived(name, None, lines, _header_problems(name, list(raw.columns)))
    if arrived.problems:
        return arrived
    known = TABLES[name]
    values: dict[str, pd.Series] = {}
    for column in known:
        given = raw[column.name] if column.name in raw else pd.Series([None] * len(raw), dtype=object)
        values[column.name] = _typed(column, given, arrived)
    for extra in raw.columns.drop([c.name for c in known], errors="ignore"):
        values[extra] = _texts(raw[extra], "")
    if name == "benchmarks":
        values["title"] = values["title"].where(values["title"] != "", values["benchmark"])
    arrived.frame = pd.DataFrame(values)
    return arrived


def _header_problems(name: str, columns: list[str]) -> list[Problem]:
    found = [
        Problem(name, 1, column, None, "the column is there twice", "remove or rename one of them")
        for column in sorted({c for c in columns if columns.count(c) > 1})
    ]
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
        return [Problem(name, 1, None, columns[0], "cells are not separated by commas", "save the file with commas")]
    has = f"the columns are {', '.join(columns)}" if columns else "there are no columns"
    return found + [
        Problem(name, 1, c.name, None, "the column is missing", f"add or rename it: {has}")
        for c in TABLES[name]
        if c.default is None and c.name not in columns
    ]


def _typed(column: Column, given: pd.Series, arrived: Arrived) -> pd.Series:
    if column.holds in ("id", "text"):
        return _texts(given, column.default or "")
    if column.holds == "flag":
        return _flags(column, given, arrived)
    numbers = _numbers(column, given, arrived)
    return numbers if column.default is None else numbers.fillna(column.default)


def _text(value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    # One kind of line end, as a CSV file cannot keep them apart.
    return str(value).replace("\r\n", "\n").replace("\r", "\n").strip()


def _texts(given: pd.Series, default: str) -> pd.Series:
    return pd.Series([_text(v) or default for v in given], dtype="str")


def _numbers(column: Column, given: pd.Series, arrived: Arrived) -> pd.Series:
    if pd.api.types.is_float_dtype(given) or pd.api.types.is_integer_dtype(given):
        return pd.Series(given.to_numpy(dtype=np.float64, na_value=np.nan))
    # Cell by cell with Python's own parser: it is exact to the last bit, and every bad cell can be named.
    numbers = np.full(len(given), np.nan)
    for i, value in enumerate(given):
        text = _text(value)
        if not text:
            continue
        try:
            if "_" in text or isinstance(value, (bool, np.bool_)):
                raise ValueError
            numbers[i] = float(text)
        except ValueError:
            numbers[i] = np.nan
        if math.isnan(numbers[i]):
            arrived.problems.append(
                Problem(arrived.name, int(arrived.lines[i]), column.name, value, "not a number", _remedy(column))
            )
    return pd.Series(numbers)


def _remedy(column: Column) -> str:
    if column.default is None:
        return "write a plain number such as 0.573, or remove the row"
    return "write a plain number, or leave the cell blank if it is unknown"


def _flags(column: Column, given: pd.Series, arrived: Arrived) -> pd.Series:
    flags = np.zeros(len(given), dtype=bool)
    for i, value in enumerate(given):
        text = _text(value).lower().removesuffix(".0")
        if text in _FLAGS:
            flags[i] = _FLAGS[text]
        else:
            remedy = "write true or false; blank means false"
            arrived.problems.append(
                Problem(arrived.name, int(arrived.lines[i]), column.name, value, "neither true nor false", remedy)
            )
    return pd.Series(flags)
