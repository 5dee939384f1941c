"""Tables of other people: CSV or Parquet, with columns of any name."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import EvalsError, MissingDependencyError, suggest
from bayescale.evals.importers.base import Mapping
from bayescale.evals.importers.found import Reading
from bayescale.evals.tables import KINDS

SUFFIXES = (".csv", ".parquet")

# Columns of the models that a table may hold, and whether they are numbers.
FACTS = {
    "family": False, "kind": False, "released": False, "params_b": True, "tokens_t": True, "flops": True,
    "flops_log10_sd": True,
}  # fmt: skip


def read_file(path: Path) -> pd.DataFrame:
    """Read a CSV file, cells as text, or a Parquet file.

    Raises
    ------
    EvalsError
        The file is damaged or of another kind.
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
    """A cell as text, blank for anything missing."""
    return "" if value is None or value is pd.NA or value != value else str(value).strip()


def number(value: Any) -> float:
    """A cell as a number, NaN for a blank.

    Raises
    ------
    ValueError
        It is something else.
    """
    if isinstance(value, bool) or "_" in text(value):
        raise ValueError(f"{value!r} is no number")
    return float(text(value)) if text(value) else math.nan


def chosen_rows(table: pd.DataFrame, mapping: Mapping, reading: Reading, where: str) -> pd.DataFrame:
    """The rows that `mapping.where` asks for; the others are put down as skipped, by the condition they fail."""
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
    row: AnyMapping[Any, Any], columns: dict[str, str], mapping: Mapping, reading: Reading, model: str
) -> None:
    """Learn of a model what its row says; a figure that cannot be is remarked on and left blank."""
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
            remark = f"{fact} is left blank where {column} is {value}: {problem}"
            if remark not in reading.notes:
                reading.notes.append(remark)
        else:
            reading.learn(model, fact, value)
