"""Make the tables of the data set ``frontier`` from a whole export of Epoch AI's Benchmarking Hub.

`read_hub` stops at what ``data/frontier/hub.yaml`` does not know, with one error that lists everything unknown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import EvalsError
from bayescale.evals.csv_files import write_table
from bayescale.evals.importers.hub import Export, cells_of, known_hub, load_facts, model_facts, read_rows
from bayescale.evals.importers.tablefile import tables_in
from bayescale.evals.tables import TABLES, first_names

MODEL_COLUMNS = (
    "model", "family", "organization", "kind", "code", "released", "params_b", "tokens_t", "flops", "flops_log10_sd",
    "reasoning", "weights", "note",
)  # fmt: skip
BENCHMARK_COLUMNS = (
    "benchmark", "title", "metric", "items", "floor", "ceiling", "testlet", "suite", "released", "unit", "source",
    "note",
)  # fmt: skip
SCORE_COLUMNS = (
    "model", "benchmark", "score", "stderr", "source", "harness", "shots", "setting", "version", "record", "note",
)  # fmt: skip

_UNITS = {1: "share", 10: "grade of 10", 100: "percent", 5000: "points of 5000"}


@dataclass(frozen=True)
class HubTables:
    """The three tables made from an export, and an account of what was left out and why, in lines."""

    models: pd.DataFrame
    benchmarks: pd.DataFrame
    scores: pd.DataFrame
    account: tuple[str, ...]
    few: tuple[str, ...]
    """Models that were left out because few benchmarks have them."""

    def write(self, folder: Path) -> None:
        """Write the tables as CSV files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            write_table(folder, name, getattr(self, name))


def read_hub(folder: str | Path, facts: str | Path | None = None) -> HubTables:
    """Read an export of Epoch AI's Benchmarking Hub: a folder with one CSV file per benchmark.

    Of several rows on one model and benchmark all are kept, and the one that counts comes first: one of the benchmark's
    own metric, then of the harness or setting that the facts prefer, then with the number of examples nearest to the
    standard one (an unstated one last), then with the largest effort; of several that remain, the lower median score.

    Parameters
    ----------
    folder : str or pathlib.Path
        The export, as downloaded from epoch.ai/benchmarks.
    facts : str or pathlib.Path, optional
        A file in the form of ``data/frontier/hub.yaml``, for an export with files, columns or models that it does not
        know. Default: the one that ships.

    Returns
    -------
    HubTables

    Raises
    ------
    EvalsError
        The folder has no CSV files, or there are files, columns, organizations, units or models that the facts do not
        know; the message lists all of them.
    """
    export = Export(known_hub() if facts is None else load_facts(Path(facts)))
    tables = list(tables_in(Path(folder)))
    if not tables:
        raise EvalsError(f"There are no CSV files in {folder}. Name the folder of an export of epoch.ai/benchmarks.")
    for where, table in tables:
        if isinstance(table, EvalsError):
            export.problems.append(str(table))
        elif _is_known(export, where, table):
            read_rows(export, where, table)
            _check_unit(export, where)
    export.check()
    rows = _enough(export)
    models = _models(export, {row["model"] for row in rows})
    export.check()
    few = tuple(sorted({row["model"] for row in export.rows} - {row["model"] for row in rows}))
    return HubTables(models, _benchmarks(export, rows), _scores(rows, models), _account(export, rows, few), few)


def _is_known(export: Export, where: str, table: pd.DataFrame) -> bool:
    """Return whether the rows of a file can be read; what is unknown about it becomes a problem."""
    known, name = export.known, Path(where).stem
    spec, reason_left_out = known["benchmarks"].get(name, {}), export.reason_left_out(name)
    usual = {*known["facts"].get(name, {}).get("columns", ()), *(c for cs in known["columns"].values() for c in cs)}
    if reason_left_out:
        export.left_out[f"{name}: {reason_left_out}"] += 1
    elif not spec:
        export.problems.append(f"{where}: the file (its benchmark, column of scores, unit, items and floor)")
        return False
    usual |= {spec[k] for k in ("score", "stderr", "harness", "shots") if k in spec}
    usual |= {*spec.get("settings", ()), *spec.get("other", ())}
    if name not in known["left_out"]:
        export.problems += [f"{where}: the column {c!r}" for c in table.columns if c not in usual]
    gone = {"Model version", *([spec["score"]] if spec else [])} - set(table.columns)
    export.problems += [f"{where}: there is no column {c!r} any more" for c in gone]
    return not gone


def _check_unit(export: Export, where: str) -> None:
    """Stop at scores outside the unit of their column, and where a column in percent holds shares.

    Every score of such a column would be a hundredth of what it is.
    """
    unit = export.known["benchmarks"].get(Path(where).stem, {}).get("unit", 1)
    rows = [row for row in export.rows if row["file"] == Path(where).stem]
    outside = [row for row in rows if not 0 <= row["score"] <= 1]
    export.problems += [
        f"{row['where']}: a score of {row['score'] * unit:g}, outside the unit {unit}" for row in outside
    ]
    highest = max((row["score"] for row in rows), default=1.0)
    if unit != 1 and highest <= 1 / unit:
        export.problems.append(f"{where}: scores of at most {highest * unit:g} in {unit}ths")


def _enough(export: Export) -> list[dict[str, Any]]:
    """Leave out models with few benchmarks, then benchmarks with few models, until there are none."""
    rows, fewest = export.rows, export.known["fewest"]
    while True:
        cells = {(row["model"], row["benchmark"]) for row in rows}
        models, benchmarks = Counter(m for m, _ in cells), Counter(b for _, b in cells)
        few = {m for m, n in models.items() if n < fewest} | {b for b, n in benchmarks.items() if n < fewest}
        if not few:
            return rows
        rows = [row for row in rows if row["model"] not in few and row["benchmark"] not in few]


def _models(export: Export, names: Iterable[str]) -> pd.DataFrame:
    table = [{"model": model} | model_facts(export, model) for model in sorted(names)]
    for row in table:
        lacking = [c for c in ("family", "organization", "released", "weights") if not row[c]]
        export.problems += [f"{row['model']}: its {what}" for what in lacking]
    lower = Counter(row["model"].lower() for row in table)
    export.problems += [
        f"{m}: under `spellings`, which one of its spellings is meant" for m, n in lower.items() if n > 1
    ]
    frame = pd.DataFrame(table, columns=list(MODEL_COLUMNS))
    return frame.sort_values(["organization", "released", "model"], kind="stable", ignore_index=True)


def _benchmarks(export: Export, rows: list[dict[str, Any]]) -> pd.DataFrame:
    used = {row["benchmark"] for row in rows}
    table = [
        {
            "metric": "accuracy" if "items" in spec else "score",
            "items": float(spec.get("items", math.nan)),
            "floor": float(spec["floor"]),
            "ceiling": 1.0,
            "testlet": spec.get("testlet", ""),
            "unit": _UNITS.get(spec["unit"], f"of {spec['unit']}"),
            "source": f"epoch-hub:{name}",
            "note": spec.get("note", ""),
        }
        | {c: str(spec[c]) for c in ("benchmark", "title", "suite", "released")}
        for name, spec in export.known["benchmarks"].items()
        if spec["benchmark"] in used
    ]
    return pd.DataFrame(table, columns=list(BENCHMARK_COLUMNS))


def _scores(rows: list[dict[str, Any]], models: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by model and benchmark; of each cell the one that counts comes first."""
    position = {model: i for i, model in enumerate(models["model"])}
    cells = sorted(cells_of(rows), key=lambda cell: (position[cell[0]["model"]], cell[0]["benchmark"]))
    return pd.DataFrame([row for cell in cells for row in cell], columns=list(SCORE_COLUMNS))


def _account(export: Export, rows: list[dict[str, Any]], few: tuple[str, ...]) -> tuple[str, ...]:
    cells = len({(row["model"], row["benchmark"]) for row in rows})
    lines = [f"{len(rows)} measurements of {cells} cells; where a cell has several, the first counts"]
    lines += [f"left out: {what}" + (f" ({n})" if n > 1 else "") for what, n in sorted(export.left_out.items()) if n]
    if few:
        reason = f"{len(few)} models with fewer than {export.known['fewest']} benchmarks"
        lines.append(f"left out: {reason}: {first_names(few)}")
    return tuple(lines)
