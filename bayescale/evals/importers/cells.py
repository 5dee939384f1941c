"""Table files with columns of any name: their cells, the rows to take, and facts about models.

The readers of wide and of long tables share this.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import EvalsError, MissingDependencyError, suggest
from bayescale.evals.importers.base import NameMapping, Reading
from bayescale.evals.tables import KINDS, TABLES, number, text

SUFFIXES = (".csv", ".parquet")

# Columns of the models that a table may have, and whether they are numbers.
FACTS = {c.name: c.dtype == "number" for c in TABLES["models"] if c.name not in ("model", "code")}


def read_file(path: Path) -> pd.DataFrame:
    """Read a CSV file, cells as text, or a Parquet file; raise `EvalsError` if it is damaged or of another format."""
    if path.suffix.lower() not in SUFFIXES:
        raise EvalsError(f"{path.name} is neither CSV nor Parquet: its name ends in {path.suffix or 'nothing'!r}.")
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            # utf-8-sig removes the byte-order mark that spreadsheets write; no word stands for a blank.
            table = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except ImportError as error:
        raise MissingDependencyError(
            "Reading Parquet needs pyarrow: pip install 'bayescale[parquet]'. Or save the table as CSV."
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise EvalsError(f"Cannot read {path.name}: {error}") from error
    return table.set_axis(table.columns.map(str), axis="columns")


def rows_of_models(
    table: pd.DataFrame, columns: dict[str, str], mapping: NameMapping, reading: Reading, where: str
) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Yield the rows that `mapping.where` asks for, each with its model, and read the facts about it.

    The other rows are recorded as skipped, by the condition they fail, and so are rows without a model.
    """
    for column, wanted in mapping.where.items():
        if column not in table:
            raise EvalsError(f"{where}: {suggest(column, table.columns, 'column')} The mapping names it under `where`.")
        texts = table[column].map(text)
        meets = texts.isin(wanted)
        for value, count in texts[~meets].value_counts(sort=False).items():
            what = f"{count} row{'s' * (count != 1)}"
            reading.skip(where, what, f"{column} is {value or 'blank'!r}, which `where` does not list")
        table = table[meets]
    for row in table.to_dict("records"):
        if model := text(row[columns["model"]]):
            _read_facts(row, columns, mapping, reading, model)
            yield model, row
        else:
            reading.skip(where, "a row", "names no model")


def _read_facts(
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
