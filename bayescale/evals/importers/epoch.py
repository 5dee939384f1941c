"""Read long tables, a row per score: those that Epoch AI publishes, and plain ones.

Epoch AI's benchmarking hub is a folder with one such file per benchmark, named after the benchmark.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd

from bayescale.errors import EvalsError
from bayescale.evals.importers.base import Names, ParsedScore, Reading
from bayescale.evals.importers.cells import (
    FACTS,
    choose_rows,
    find_column,
    model_names,
    parse_numbers,
    read_facts,
)
from bayescale.evals.importers.hub import (
    FACTORS,
    Export,
    cells_of,
    known_hub,
    log10_sd,
    model_and_setting,
    model_facts,
    read_rows,
)
from bayescale.evals.importers.tablefile import SUFFIXES, tables_in
from bayescale.evals.tables import text

TOOL = "epoch"
LONG = "long"

# Names of the columns; the first one that exists counts. The standard error is that of the mean score.
COLUMNS = {
    "model": ("Model version", "model"),
    "benchmark": ("benchmark", "task"),
    "score": (
        "mean_score", "Best score (across scorers)", "score", "EM", "Accuracy", "Percent correct", "Average", "Correct",
    ),
    "stderr": ("stderr", "Accuracy Standard Error", "Accuracy SE", "Pass@1 Standard Error", "Average Standard error"),
    "released": ("Release date", "Version release date", "released"),
    "flops": ("Training compute (FLOP)", "flops"),
    "confidence": ("Confidence", "Training compute confidence"),
    "date": ("Started at", "Date of evaluation", "Run date", "Date run", "date"),
    "shots": ("Shots", "shots", "n_shot", "num_fewshot"),
    "harness": ("harness", "Scaffold", "Agent"),
    "setting": ("setting",),
    "cited": ("Source",),
}  # fmt: skip


def read_epoch(source: Path | pd.DataFrame, names: Names) -> Reading:
    """Read one table, or all tables in and below a folder; `names.tool` is ``epoch`` or ``long``.

    For ``epoch``, files of the hub are read by what is known of them, unless the mapping says something about columns,
    rows or the scale; so are the families of models, and the effort at the end of a version.
    """
    reading = Reading(names.tool, looked_for=", ".join(SUFFIXES))
    single = isinstance(source, pd.DataFrame) or not source.is_dir()
    export = Export(known_hub()) if names.tool == TOOL else None
    for where, table in tables_in(source):
        try:
            if isinstance(table, EvalsError):
                raise table
            if table.empty:
                raise EvalsError("it has no rows")
            if export and _is_of_the_hub(export, names, where, table):
                _read_hub_rows(reading, export, where, table)
                continue
            columns = _columns(table, names, where)
            if isinstance(source, pd.DataFrame) and "benchmark" not in columns:
                raise EvalsError("no column of benchmarks, and a data frame has no name of a file to take instead")
            lacking = [k for k in ("model", "score") if k not in columns]
            if lacking and (lacking[0] == "model" or single):
                raise EvalsError(_lacking(lacking[0]))
            if lacking:
                reading.skip(where, "scores", "no column of scores; its facts about models are used")
            _read_rows(reading, names, choose_rows(table, names.mapping, reading, where), columns, where)
        except EvalsError as error:
            reading.skip(where, "the file", str(error))
    if export:
        _learn_facts(reading, export)
    return reading


def _is_of_the_hub(export: Export, names: Names, where: str, table: pd.DataFrame) -> bool:
    """Return whether the hub's facts say how to read a file, and the mapping says nothing else."""
    stem, mapping = Path(where).stem, names.mapping
    spec = export.known["benchmarks"].get(stem, {})
    if mapping.columns_in(where) or "Model version" not in table:
        return False
    if export.reason_left_out(stem):
        return True
    return bool(spec) and spec["score"] in table and not mapping.where and mapping.scale == 1


def _read_hub_rows(reading: Reading, export: Export, where: str, table: pd.DataFrame) -> None:
    own = Export(export.known, facts=export.facts)
    read_rows(own, where, table)
    if reason := export.reason_left_out(Path(where).stem):
        reading.skip(where, "scores", f"{reason}; its facts about models are used")
    for reason in own.left_out.elements():
        reading.skip(where, "a row", reason)
    for problem in own.problems:
        reading.skip(where, "a row", problem, kind="a row cannot be read")
    for cell in cells_of(own.rows):
        for row in cell:
            reading.parsed.append(
                ParsedScore(
                    row["model"], row["file"], row["score"], where,
                    preferred=row is cell[0], column=f"{where}: {row['file']}",
                    **{k: row[k] for k in ("stderr", "shots", "harness", "setting", "cited", "record")},
                )
            )  # fmt: skip


def _learn_facts(reading: Reading, export: Export) -> None:
    """Learn what rows of the hub, and the names of models, say about the models."""
    exact = []
    for model in dict.fromkeys(p.model for p in reading.parsed):
        facts = model_facts(export, model)
        if not facts["family"]:
            # What kind of model it is follows from names that are known.
            facts = {c: facts[c] for c in ("organization", "released", "flops", "flops_log10_sd", "weights")}
        for column, value in facts.items():
            if value == value and value != "" and column != "note":
                reading.learn(model, column, value)
        known = reading.facts.get(model, {})
        exact += [model] * ("flops" in known and "flops_log10_sd" not in known)
    for problem in export.problems:
        if "confidence" not in problem:
            reading.note(problem)
    if exact:
        reading.notes.append(
            f"compute without a level of confidence ({', '.join(FACTORS)}) counts as exact; fill in flops_log10_sd if "
            f"it is not: {', '.join(exact)}"
        )


def _columns(table: pd.DataFrame, names: Names, where: str) -> dict[str, str]:
    """Find the columns by content: those of the mapping that this table has, then the usual ones."""
    usual = {k: find_column(table, cs) for k, cs in (COLUMNS | {f: (f,) for f in FACTS if f not in COLUMNS}).items()}
    mapped = {k: c for k, c in names.mapping.columns_in(where).items() if c in table}
    return {k: c for k, c in usual.items() if c} | mapped


def _lacking(what: str) -> str:
    usual = ", ".join(map(repr, COLUMNS[what][:8]))
    return f"no column of {what}s: none is called {usual}; name it in a mapping, under `columns` or `files`"


def _read_rows(reading: Reading, names: Names, table: pd.DataFrame, columns: dict[str, str], where: str) -> None:
    models = model_names(table, columns["model"], reading, where)
    efforts = [""] * len(models)
    if names.tool == TOOL and columns["model"] in COLUMNS["model"][:1]:
        models, efforts = map(list, zip(*(model_and_setting(m) for m in models), strict=True))
    read_facts(table, models, columns, names.mapping, reading)
    _read_confidence(reading, table, models, columns)
    if "score" not in columns:
        return
    scores = parse_numbers(table[columns["score"]])
    errors = parse_numbers(table[columns["stderr"]]) if "stderr" in columns else scores
    if problem := scores.problem or errors.problem:
        reading.skip(where, f"the column {columns['score']}", problem)
        return
    texts = {
        k: [text(cell) for cell in table[columns[k]]] if k in columns else [""] * len(table)
        for k in ("date", "shots", "harness", "setting", "cited")
    }
    stem = Path(where).stem
    for i, model in enumerate(models):
        if not model:
            continue
        benchmark = text(table[columns["benchmark"]].iloc[i]) if "benchmark" in columns else stem
        if i in scores.bad or i in errors.bad:
            reason = scores.bad.get(i) or errors.bad[i]
            reading.skip(where, benchmark, reason, model, kind="not a number")
        elif not benchmark or math.isnan(scores.values[i]):
            reason = "the score is blank" if benchmark else "names no benchmark"
            reading.skip(where, benchmark or "a row", reason, model)
        else:
            reading.parsed.append(
                ParsedScore(
                    model, benchmark, scores.values[i], where,
                    stderr=errors.values[i] if errors is not scores else scores.stderrs[i],
                    shots=_count(texts["shots"][i]), date=texts["date"][i], harness=texts["harness"][i],
                    setting="; ".join(filter(None, [efforts[i], texts["setting"][i]])), cited=texts["cited"][i],
                    column=f"{where}: {benchmark}", percent=scores.percent,
                )
            )  # fmt: skip


def _count(shots: str) -> str:
    """Return the number of examples of a cell such as ``5``, ``5.0`` or ``5-shot``; any other text as it is."""
    found = re.fullmatch(r"(\d+)(?:\.0)?(?:[- ]?shots?)?", shots, re.IGNORECASE)
    return found[1] if found else shots


def _read_confidence(reading: Reading, table: pd.DataFrame, models: list[str], columns: dict[str, str]) -> None:
    """Read the level of confidence; it is used only beside a value of training compute."""
    if "flops" not in columns or "confidence" not in columns or "flops_log10_sd" in columns:
        return
    for model, flops, level in zip(models, table[columns["flops"]], table[columns["confidence"]], strict=True):
        if model and text(flops) and (sd := log10_sd(text(level))) is not None:
            reading.learn(model, "flops_log10_sd", sd)
