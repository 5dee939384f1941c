"""Read wide tables, with one row per model and one column per benchmark, such as exports of the Open LLM Leaderboard.

What the reader of long tables shares with this one is here too: CSV and Parquet files with columns of any name.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import EvalsError, MissingDependencyError, suggest
from bayescale.evals.importers.base import NameMapping, Names, ParsedScore, Reading
from bayescale.evals.tables import KINDS

TOOL = "wide"

SUFFIXES = (".csv", ".parquet")

# Columns of the models that a table may hold, and whether they are numbers.
FACTS = {
    "family": False, "kind": False, "released": False, "params_b": True, "tokens_t": True, "flops": True,
    "flops_log10_sd": True,
}  # fmt: skip


def read_wide(source: Path, names: Names) -> Reading:
    """Read one table, or all tables of a folder.

    Scores are the columns that the mapping names, and those with the name of a shipped benchmark; every other column
    is recorded as skipped.

    Raises
    ------
    EvalsError
        A column that the mapping names is missing, or there is no column of models; all missing ones are listed.
    """
    reading = Reading(TOOL)
    files = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES) if source.is_dir() else [source]
    problems: list[str] = []
    for path in files:
        try:
            _read_table(reading, names, path)
        except EvalsError as error:
            problems.append(str(error))
    if problems:
        raise EvalsError("\n".join(problems))
    return reading


def _read_table(reading: Reading, names: Names, path: Path) -> None:
    table = read_file(path)
    table.columns = table.columns.map(str)
    mapping = names.mapping
    columns = {k: k for k in ("model", *FACTS) if k in table} | mapping.columns
    errors = {name: target.stderr for name, target in mapping.benchmarks.items() if target and target.stderr}
    needed = {"model": "model"} | columns
    wanted = [*needed.values(), *(n for n in mapping.benchmarks), *errors.values()]
    if missing := [c for c in dict.fromkeys(wanted) if c not in table]:
        lines = [f"  {suggest(c, table.columns, 'column')}" for c in missing]
        raise EvalsError("\n".join([f"{len(missing)} problem(s) in {path.name}:", *lines]))
    about = {*columns.values(), *errors.values(), *mapping.where}
    scores = []
    for column in table.columns:
        if names.left_out(column):
            reading.skip(path.name, column, "the mapping leaves it out")
        elif column not in about and names.match(column):
            scores.append(column)
        elif column not in about:
            reading.skip(path.name, column, "a column that no mapping names, and no benchmark that ships is called so")
    for row in chosen_rows(table, mapping, reading, path.name).to_dict("records"):
        model = text(row[columns["model"]])
        if not model:
            reading.skip(path.name, "a row", "names no model")
            continue
        read_facts(row, columns, mapping, reading, model)
        for column in scores:
            try:
                score = number(row[column])
                stderr = number(row[errors[column]]) if column in errors else math.nan
            except ValueError:
                reading.skip(path.name, column, f"not a number: {text(row[column])!r}", model)
                continue
            if not math.isnan(score):
                reading.parsed.append(ParsedScore(model, column, score, path.name, stderr=stderr))


# Table files


def read_file(path: Path) -> pd.DataFrame:
    """Read a CSV file, cells as text, or a Parquet file.

    Raises
    ------
    EvalsError
        The file is damaged or of another format.
    MissingDependencyError
        Parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise EvalsError(f"{path.name} is neither CSV nor Parquet: its name ends in {path.suffix or 'nothing'!r}.")
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        # A byte-order mark, which spreadsheets write, is taken away; no word stands for a blank.
        return pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except ImportError as error:
        raise MissingDependencyError(
            "Reading Parquet needs pyarrow: pip install 'bayescale[parquet]'. Or save the table as CSV."
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise EvalsError(f"Cannot read {path.name}: {error}") from error


def text(value: Any) -> str:
    """Convert a cell to text; a missing value becomes a blank."""
    return "" if value is None or value is pd.NA or value != value else str(value).strip()


def number(value: Any) -> float:
    """Convert a cell to a number; a blank becomes NaN.

    Raises
    ------
    ValueError
        It is not a number.
    """
    if isinstance(value, bool) or "_" in text(value):
        raise ValueError(f"{value!r} is not a number")
    return float(text(value)) if text(value) else math.nan


def chosen_rows(table: pd.DataFrame, mapping: NameMapping, reading: Reading, where: str) -> pd.DataFrame:
    """Select the rows that `mapping.where` asks for; the others are recorded as skipped, by the condition they fail."""
    for column, wanted in mapping.where.items():
        if column not in table:
            raise EvalsError(f"{where}: {suggest(column, map(str, table.columns), 'column')} It stands under `where`.")
        meets = table[column].map(text).isin(wanted)
        for value, rows in table[~meets].groupby(table[column].map(text), sort=False):
            what = f"{len(rows)} row{'s' * (len(rows) != 1)}"
            reading.skip(where, what, f"{column} is {value or 'blank'!r}, which `where` does not name")
        table = table[meets]
    return table


def read_facts(
    row: Mapping[Any, Any], columns: dict[str, str], mapping: NameMapping, reading: Reading, model: str
) -> None:
    """Read the facts about a model from its row; an impossible value is left blank, with a note."""
    for fact, is_number in FACTS.items():
        column = columns.get(fact)
        if column is None or not text(row.get(column)):
            continue
        value: Any = mapping.values.get(column, {}).get(text(row[column]), text(row[column]))
        problem = ""
        if is_number:
            try:
                value = number(value)
                problem = "" if value > 0 or (fact == "flops_log10_sd" and value == 0) else "it is not positive"
            except ValueError:
                problem = "it is not a number"
        elif fact == "kind" and value not in KINDS:
            problem = f"it is neither {' nor '.join(KINDS)}; `values` in a mapping can say which"
        if problem:
            reading.note(f"{fact} is left blank where {column} is {value}: {problem}")
        else:
            reading.learn(model, fact, value)
