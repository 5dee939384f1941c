"""Adding to tables that are there: rows are added and blanks filled, nothing is overwritten."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.evals.csvfile import cell_text, read_tables
from bayescale.evals.importers.effective import SAME_ITEMS
from bayescale.evals.problems import tables_error
from bayescale.evals.tables import TABLES, arrive

KEYS = {"models": ["model"], "benchmarks": ["benchmark"], "scores": ["model", "benchmark"]}

# Where a figure comes from and how it was taken differs between runs that agree on it.
_CIRCUMSTANCES = {"source", "stderr", "n_shot", "version", "note"}


def read_existing(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a folder as they stand, with blanks left blank.

    Raises
    ------
    EvalsError
        A file is missing or no CSV, or a figure is no number; everything is listed. Blank families are allowed.
    """
    raw, problems = read_tables(folder)
    tables = {name: table for name, table in raw.items() if table is not None}
    for name, table in tables.items():
        problems += arrive(name, table).problems
    if problems:
        raise tables_error(problems, files=True, where=str(folder))
    for name, table in tables.items():
        table.columns = table.columns.str.strip()
        for column in table:
            table[column] = table[column].str.strip()
        for column in (c.name for c in TABLES[name] if c.holds == "number" and c.name in table):
            # Python's own parser is exact to the last bit.
            table[column] = [float(cell) if cell else math.nan for cell in table[column]]
    return {name: table.reset_index(drop=True) for name, table in tables.items()}


def merge_tables(
    old: dict[str, pd.DataFrame], new: dict[str, pd.DataFrame]
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Merge table by table.

    Returns
    -------
    tables : dict of str to DataFrame
    conflicts : DataFrame
        Columns ``table``, ``row``, ``column``, ``kept``, ``offered``.
    """
    conflicts: list[tuple[Any, ...]] = []
    merged = {name: _merge(name, old[name], new[name], conflicts) for name in TABLES}
    return merged, pd.DataFrame(conflicts, columns=["table", "row", "column", "kept", "offered"], dtype="str")


def _merge(name: str, old: pd.DataFrame, new: pd.DataFrame, conflicts: list[tuple[Any, ...]]) -> pd.DataFrame:
    keys = KEYS[name]
    columns = list(dict.fromkeys([*old.columns, *new.columns]))
    rows: dict[tuple[str, ...], dict[Any, Any]] = {}
    for row in old.to_dict("records"):
        rows.setdefault(tuple(row[k] for k in keys), row)
    for offered in new.to_dict("records"):
        key = tuple(offered[k] for k in keys)
        kept = rows.setdefault(key, offered)
        differing = {c for c in offered if _differ(c, kept.get(c), offered[c])} - _CIRCUMSTANCES
        conflicts += [
            (name, " on ".join(key), c, cell_text(kept[c]), cell_text(offered[c])) for c in sorted(differing, key=str)
        ]
        if name == "scores" and differing:
            continue
        kept |= {c: v for c, v in offered.items() if _blank(kept.get(c)) and not _blank(v)}
    table = pd.DataFrame(list(rows.values()), columns=columns)
    numbers = [c for c in columns if any(f[c].dtype == float for f in (old, new) if c in f)]
    return table.assign(
        **{
            c: table[c].astype(float) if c in numbers else table[c].astype(object).fillna("").astype("str")
            for c in columns
        }
    )


def _blank(value: Any) -> bool:
    return value is None or value == "" or value != value


def _differ(column: Any, kept: Any, offered: Any) -> bool:
    if _blank(kept) or _blank(offered):
        return False
    if isinstance(kept, float) and isinstance(offered, float):
        return not math.isclose(kept, offered, rel_tol=SAME_ITEMS if column == "items" else 1e-9, abs_tol=1e-12)
    return bool(kept != offered)
