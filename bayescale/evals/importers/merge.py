"""Merge tables: rows are added, blanks are filled, and no value that is there is overwritten.

A score that was measured in another way than those of its model and benchmark is added too: the first one counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.evals.csv_files import cell_text, read_table, read_tables
from bayescale.evals.importers.base import SAME_ITEMS
from bayescale.evals.tables import MEASURED, TABLES, coerce, number, tables_error, text

CONFLICT = ["table", "row", "column", "kept", "offered"]

_KEYS = {"models": ["model"], "benchmarks": ["benchmark"], "scores": ["model", "benchmark"]}

# Rows that are compared may differ in these columns: that is no conflict.
_PROVENANCE = {"source", "stderr", "n", "harness", "shots", "setting", "version", "record", "note"}


def read_template(folder: Path, name: str) -> pd.DataFrame:
    """Read a list of models to fill in, cells as text, or return an empty one; raise `EvalsError` if it is damaged."""
    if not (folder / f"{name}.csv").exists():
        return pd.DataFrame({"model": []}, dtype="str")
    table, problems = read_table(folder, name)
    if table is None or problems:
        raise tables_error(problems, files=True, where=str(folder))
    table = table.rename(columns=str.strip).reset_index(drop=True)
    return table if "model" in table else pd.DataFrame({"model": []}, dtype="str")


def fill_blanks(to_fill: pd.DataFrame, filled: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Complete the list of models to fill in with what is filled in already, and is not in `models` yet."""
    columns = list(dict.fromkeys([*to_fill.columns, *filled.columns]))
    rows = {row["model"]: {c: _cell(v) for c, v in row.items()} for row in to_fill.to_dict("records")}
    applied = {row["model"]: {c: _cell(v) for c, v in row.items()} for row in models.to_dict("records")}
    for row in filled.to_dict("records"):
        given = {c: v for c, v in row.items() if v.strip()}
        pending = {c for c, v in given.items() if not _is_applied(v, applied.get(row["model"], {}).get(c, ""))}
        if row["model"] in rows:
            rows[row["model"]] |= given
        elif pending:
            rows[row["model"]] = given
    return pd.DataFrame([{c: row.get(c, "") for c in columns} for row in rows.values()], columns=columns, dtype="str")


def _cell(value: Any) -> str:
    return "" if _blank(value) else cell_text(value)


def _is_applied(given: str, value: str) -> bool:
    try:
        return math.isclose(float(given), float(value), rel_tol=1e-9)
    except ValueError:
        return given.strip() == value


def read_existing(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a folder without defaults: blanks stay blank, also those of required columns."""
    raw, problems = read_tables(folder)
    tables = {name: table for name, table in raw.items() if table is not None}
    for name, table in tables.items():
        problems += coerce(name, table).problems
    if problems:
        raise tables_error(problems, files=True, where=str(folder))
    for name, table in tables.items():
        table.columns = table.columns.str.strip()
        for column in table:
            table[column] = table[column].str.strip()
        for column in (c.name for c in TABLES[name] if c.dtype == "number" and c.name in table):
            # Python's own parser is exact to the last bit.
            table[column] = [float(cell) if cell else math.nan for cell in table[column]]
    return {name: table.reset_index(drop=True) for name, table in tables.items()}


def merge_tables(
    old: Mapping[str, pd.DataFrame], new: Mapping[str, pd.DataFrame], facts: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Add the rows of the new tables to the old ones and fill blanks; return the tables and the conflicts.

    `facts` about models, by model and column, fill blanks of the old models too.
    """
    conflicts: list[tuple[Any, ...]] = []
    merged = {name: _merge(name, old[name], new[name], conflicts) for name in TABLES}
    named = [i for i, model in enumerate(merged["models"]["model"]) if model in facts]
    for i in named:
        for column, value in facts[merged["models"]["model"].iloc[i]].items():
            if column in merged["models"] and _blank(merged["models"][column].iloc[i]):
                merged["models"].loc[i, column] = value
    merged["benchmarks"] = name_testlets(merged["benchmarks"])
    return merged, pd.DataFrame(conflicts, columns=CONFLICT, dtype="str")


def name_testlets(benchmarks: pd.DataFrame) -> pd.DataFrame:
    """Put a benchmark into the testlet that has its name, if others are in it."""
    if "testlet" not in benchmarks:
        return benchmarks
    blank, named = benchmarks["testlet"] == "", benchmarks["benchmark"].isin(benchmarks["testlet"])
    return benchmarks.assign(testlet=benchmarks["testlet"].mask(blank & named, benchmarks["benchmark"]))


def _merge(name: str, old: pd.DataFrame, new: pd.DataFrame, conflicts: list[tuple[Any, ...]]) -> pd.DataFrame:
    rows = old.to_dict("records")
    by_key: dict[tuple[str, ...], list[dict[Any, Any]]] = {}
    for row in rows:
        by_key.setdefault(tuple(row[k] for k in _KEYS[name]), []).append(row)
    for offered in new.to_dict("records"):
        key = tuple(offered[k] for k in _KEYS[name])
        there = by_key.setdefault(key, [])
        kept = _counterpart(there, offered) if name == "scores" else next(iter(there), None)
        if kept is None:
            there.append(offered)
            rows.append(offered)
            continue
        differing = {c for c in offered if _differ(c, kept.get(c), offered[c])} - _PROVENANCE
        conflicts += [
            (name, " on ".join(key), c, cell_text(kept[c]), cell_text(offered[c])) for c in sorted(differing, key=str)
        ]
        if name == "scores" and differing:
            continue
        kept |= {c: v for c, v in offered.items() if _blank(kept.get(c)) and not _blank(v)}
    columns = list(dict.fromkeys([*old.columns, *new.columns]))
    table = pd.DataFrame(rows, columns=columns)
    for c in columns:
        if any(f[c].dtype == float for f in (old, new) if c in f):
            # Columns that only some tables have are text in those that were read.
            table[c] = [number(v) for v in table[c]]
        else:
            table[c] = table[c].astype(object).fillna("").astype("str")
    return table


def _counterpart(there: list[dict[Any, Any]], offered: dict[Any, Any]) -> dict[Any, Any] | None:
    """Return the measurement of the same model and benchmark that this one repeats; None if it is a further one.

    It repeats one with the same score that states nothing else about the measurement, or one of the same source,
    harness, number of examples and setting, whatever its score.
    """
    how = (*MEASURED[1:], "record")
    for row in there:
        if not any(_differ(c, row.get(c), offered.get(c)) for c in ("score", *how)):
            return row
    same = (row for row in there if all(text(row.get(c)) == text(offered.get(c)) for c in ("source", *how)))
    return next(same, None)


def _blank(value: Any) -> bool:
    return value is None or value == "" or value != value


def _differ(column: Any, kept: Any, offered: Any) -> bool:
    if _blank(kept) or _blank(offered):
        return False
    if isinstance(kept, float) and isinstance(offered, float):
        return not math.isclose(kept, offered, rel_tol=SAME_ITEMS if column == "items" else 1e-9, abs_tol=1e-12)
    if any(c.name == column and c.dtype == "flag" for c in TABLES["models"]):
        return str(kept).lower() != str(offered).lower()
    if column == "released":
        # A month and a day in it agree.
        return not (str(kept).startswith(str(offered)) or str(offered).startswith(str(kept)))
    return bool(kept != offered)
