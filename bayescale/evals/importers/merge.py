"""Merge tables: rows are added, blanks are filled, and no value that is there is overwritten."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.evals.importers.base import SAME_ITEMS
from bayescale.evals.tables import TABLES, cell_text, coerce, read_table, read_tables, tables_error

CONFLICT = ["table", "row", "column", "kept", "offered"]

_KEYS = {"models": ["model"], "benchmarks": ["benchmark"], "scores": ["model", "benchmark"]}

# Runs that agree on a score may differ in these columns: that is no conflict.
_PROVENANCE = {"source", "stderr", "shots", "version", "setting", "note"}


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
    keys = _KEYS[name]
    columns = list(dict.fromkeys([*old.columns, *new.columns]))
    rows: dict[tuple[str, ...], dict[Any, Any]] = {}
    for i, row in enumerate(old.to_dict("records")):
        key = tuple(row[k] for k in keys)
        # Of several rows on one model and benchmark the first is compared; the others are measurements that stay.
        rows[(*key, str(i)) if key in rows else key] = row
    for offered in new.to_dict("records"):
        key = tuple(offered[k] for k in keys)
        kept = rows.setdefault(key, offered)
        differing = {c for c in offered if _differ(c, kept.get(c), offered[c])} - _PROVENANCE
        conflicts += [
            (name, " on ".join(key), c, cell_text(kept[c]), cell_text(offered[c])) for c in sorted(differing, key=str)
        ]
        if name == "scores" and differing:
            continue
        kept |= {c: v for c, v in offered.items() if _blank(kept.get(c)) and not _blank(v)}
    table = pd.DataFrame(list(rows.values()), columns=columns)
    for c in columns:
        is_number = any(f[c].dtype == float for f in (old, new) if c in f)
        table[c] = table[c].astype(float) if is_number else table[c].astype(object).fillna("").astype("str")
    return table


def _blank(value: Any) -> bool:
    return value is None or value == "" or value != value


def _differ(column: Any, kept: Any, offered: Any) -> bool:
    if _blank(kept) or _blank(offered):
        return False
    if isinstance(kept, float) and isinstance(offered, float):
        return not math.isclose(kept, offered, rel_tol=SAME_ITEMS if column == "items" else 1e-9, abs_tol=1e-12)
    if any(c.name == column and c.dtype == "flag" for c in TABLES["models"]):
        return str(kept).lower() != str(offered).lower()
    return bool(kept != offered)
