"""Read long tables, a row per score: those that Epoch AI publishes, and plain ones.

Epoch AI's benchmarking hub is a folder with one such file per benchmark, named after the benchmark.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from statistics import NormalDist

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
from bayescale.evals.importers.tablefile import SUFFIXES, tables_in
from bayescale.evals.tables import text

TOOL = "epoch"
LONG = "long"

# Names of the columns; the first one that exists counts. The standard error is that of the mean score.
COLUMNS = {
    "model": ("Model version", "model"),
    "benchmark": ("benchmark", "task"),
    "score": (
        "mean_score", "Best score (across scorers)", "score", "EM", "Accuracy", "Overall accuracy", "Challenge score",
        "Percent correct", "Pass@1 score", "Average progress", "Overall pass (%)", "Unguided % Solved", "% Score",
        "% Resolved", "120k token score", "Win Rate (%)", "ACW Avg Score", "Score OPT@1", "Global average",
        "Average (%)", "Average score", "Average", "Score (AVG@5)", "Accuracy mean", "Overall (no subtitles)",
        "Correct",
    ),
    "stderr": ("stderr", "Accuracy Standard Error", "Accuracy SE", "Pass@1 Standard Error", "Average Standard error"),
    "released": ("Release date", "Version release date", "released"),
    "flops": ("Training compute (FLOP)", "flops"),
    "confidence": ("Confidence", "Training compute confidence"),
    "date": ("Started at", "Date of evaluation", "Run date", "Date run", "date"),
    "n_shot": ("Shots", "n_shot", "num_fewshot"),
    "setting": ("setting", "Scaffold", "Agent"),
}  # fmt: skip

# Epoch AI, "AI models documentation", section on estimating confidence: values lie within this factor with 90%.
FACTORS = {"confident": 3.0, "likely": 10.0, "speculative": 31.0}


def log10_sd(confidence: str) -> float | None:
    """Convert a level of confidence to the standard deviation of log10 compute; None for an unknown level.

    The true value lies within a factor of 3 (confident), 10 (likely) or 31 (speculative) of the stated one with
    probability 0.9 (Epoch AI, AI models documentation, "Estimating confidence"), here as a normal distribution.

    Examples
    --------
    >>> round(log10_sd("Likely"), 3)
    0.608
    """
    factor = FACTORS.get(confidence.strip().lower())
    return None if factor is None else float(math.log10(factor) / NormalDist().inv_cdf(0.95))


def read_epoch(source: Path | pd.DataFrame, names: Names) -> Reading:
    """Read one table, or all tables in and below a folder; `names.tool` is ``epoch`` or ``long``."""
    reading = Reading(names.tool, looked_for=", ".join(SUFFIXES))
    single = isinstance(source, pd.DataFrame) or not source.is_dir()
    for where, table in tables_in(source):
        try:
            if isinstance(table, EvalsError):
                raise table
            if table.empty:
                raise EvalsError("it has no rows")
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
    exact = [m for m, facts in reading.facts.items() if "flops" in facts and "flops_log10_sd" not in facts]
    if exact and names.tool == TOOL:
        reading.notes.append(
            f"compute without a level of confidence ({', '.join(FACTORS)}) counts as exact; fill in flops_log10_sd if "
            f"it is not: {', '.join(exact)}"
        )
    return reading


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
        for k in ("date", "n_shot", "setting")
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
                    n_shot=_count(texts["n_shot"][i]), date=texts["date"][i], setting=texts["setting"][i],
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
