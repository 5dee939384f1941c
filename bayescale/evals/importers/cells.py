"""Columns of tables: find them by name, read their numbers, choose rows, and learn facts about models.

The unit and the spelling of numbers belong to a column, never to a cell: a column is read as a whole or not at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from bayescale.errors import EvalsError, suggest
from bayescale.evals.importers.base import NameMapping, Reading
from bayescale.evals.tables import KINDS, TABLES, number, text

# Columns of the models that a table may have, and whether they are numbers.
FACTS = {c.name: c.dtype == "number" for c in TABLES["models"] if c.name not in ("model", "code")}
FACTS["organization"] = False

_ERROR_SIGN = re.compile(r"\s*(?:±|\+/-|\+-)\s*")
_WITH_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+")


@dataclass
class NumberColumn:
    """The numbers of a column: values, standard errors behind a ``±``, and what could not be read.

    `percent` is true if the cells have percent signs; the values are then percentages. `bad` has the message for each
    row that is no number, `problem` the reason why the column as a whole cannot be read.
    """

    values: list[float]
    stderrs: list[float]
    percent: bool = False
    bad: dict[int, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def with_errors(self) -> bool:
        """Whether any cell has a standard error behind its value."""
        return any(not math.isnan(e) for e in self.stderrs)


def parse_numbers(cells: Iterable[object]) -> NumberColumn:
    """Read the numbers of a column: plain ones, with percent signs, decimal commas, or ``value ± standard error``.

    Examples
    --------
    >>> parse_numbers(["0,5", "0,75"]).values
    [0.5, 0.75]
    >>> column = parse_numbers(["96 ± 2%", ""])
    >>> column.percent, column.values, column.stderrs
    (True, [96.0, nan], [2.0, nan])
    """
    raw = list(cells)
    texts = [text(cell).replace("−", "-").replace("\u00a0", " ").strip() for cell in raw]
    marked = [t.endswith("%") or "%" in _ERROR_SIGN.split(t)[0] for t in texts]
    column = NumberColumn([math.nan] * len(texts), [math.nan] * len(texts), any(marked))
    filled = [m for m, t in zip(marked, texts, strict=True) if any(map(str.isdigit, t))]
    if any(filled) and not all(filled):
        column.problem = "some cells have a percent sign and others do not: write all of them in one unit"
        return column
    parts = [_ERROR_SIGN.split(t.replace("%", "").strip()) for t in texts]
    commas = [p for ps in parts for p in ps if "," in p]
    if commas:
        plain = [p for ps in parts for p in ps if "." in p]
        if plain or not all(map(_WITH_COMMA.fullmatch, commas)):
            column.problem = f"cells such as {commas[0]!r} mix commas and points: write numbers with decimal points"
            return column
        if all(map(_THOUSANDS.fullmatch, commas)):
            column.problem = f"is {commas[0]!r} a decimal comma or thousands? Write numbers with decimal points"
            return column
    for i, (cell, ps) in enumerate(zip(raw, parts, strict=True)):
        try:
            if isinstance(cell, bool) or len(ps) > 2:
                raise ValueError
            column.values[i], *errors = (number(p.replace(",", ".")) for p in ps)
            column.stderrs[i] = errors[0] if errors else math.nan
        except ValueError:
            column.bad[i] = f"not a number: {text(cell)!r}"
    return column


def find_column(table: pd.DataFrame, names: Iterable[str]) -> str | None:
    """Return the first column of these names, or else the first that differs from one of them by case only."""
    names = list(names)
    for name in names:
        if name in table.columns:
            return name
    by_case = {str(c).lower(): str(c) for c in reversed(table.columns)}
    return next((by_case[n.lower()] for n in names if n.lower() in by_case), None)


def choose_rows(table: pd.DataFrame, mapping: NameMapping, reading: Reading, where: str) -> pd.DataFrame:
    """Return the rows that `mapping.where` asks for; the others are recorded as skipped, by the condition they fail."""
    for column, wanted in mapping.where.items():
        if column not in table:
            raise EvalsError(f"{where}: {suggest(column, table.columns, 'column')} The mapping names it under `where`.")
        texts = table[column].map(text)
        meets = texts.isin(wanted)
        for value, count in texts[~meets].value_counts(sort=False).items():
            what = f"{count} row{'s' * (count != 1)}"
            reading.skip(where, what, f"{column} is {value or 'blank'!r}, which `where` does not list")
        table = table[meets]
    return table.reset_index(drop=True)


def model_names(table: pd.DataFrame, column: str, reading: Reading, where: str) -> list[str]:
    """Return the model of each row; rows without one are recorded as skipped."""
    names = [text(cell) for cell in table[column]]
    for _ in range(names.count("")):
        reading.skip(where, "a row", "names no model")
    return names


def read_facts(
    table: pd.DataFrame, models: list[str], columns: Mapping[str, str], mapping: NameMapping, reading: Reading
) -> None:
    """Read the facts about models; an impossible value is left blank, with a note."""
    for fact, is_number in FACTS.items():
        column = columns.get(fact)
        if column is None or column not in table:
            continue
        words = mapping.values.get(column, {})
        cells = [words.get(text(cell), text(cell)) for cell in table[column]]
        numbers = parse_numbers(cells) if is_number else None
        if numbers and numbers.problem:
            reading.note(f"{fact} is left blank: in the column {column}, {numbers.problem}")
            continue
        for i, (model, cell) in enumerate(zip(models, cells, strict=True)):
            if not model or not cell:
                continue
            problem = ""
            if numbers:
                positive = numbers.values[i] > 0 or (fact == "flops_log10_sd" and numbers.values[i] == 0)
                problem = "it is not a number" if i in numbers.bad else "" if positive else "it is not positive"
            elif fact == "kind" and cell not in KINDS:
                problem = f"it is neither {' nor '.join(KINDS)}; `values` in a mapping can say which"
            if problem:
                reading.note(f"{fact} is left blank where {column} is {cell}: {problem}")
            else:
                reading.learn(model, fact, numbers.values[i] if numbers else cell)
