"""Read long tables as Epoch AI publishes them: model version, benchmark, score, standard error, release, compute.

Their benchmarking hub is a folder with one such file per benchmark, named after the benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd

from bayescale.errors import EvalsError
from bayescale.evals.importers.base import Names, ParsedScore, Reading
from bayescale.evals.importers.cells import SUFFIXES, read_file, rows_of_models
from bayescale.evals.tables import number, text

TOOL = "epoch"

# Names of the columns; the first one that exists counts. The standard error is that of the mean score.
COLUMNS = {
    "model": ("Model version", "model"),
    "benchmark": ("benchmark", "task"),
    "score": (
        "mean_score", "Best score (across scorers)", "score", "Score", "EM", "Accuracy", "Overall accuracy",
        "Challenge score",
    ),
    "stderr": ("stderr",),
    "released": ("Release date", "Version release date", "released"),
    "flops": ("Training compute (FLOP)", "flops"),
    "confidence": ("Confidence", "Training compute confidence", "confidence"),
    "date": ("Started at",),
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


def read_epoch(source: Path, names: Names) -> Reading:
    """Read one table, or all tables in and below a folder."""
    reading = Reading(TOOL)
    single = not source.is_dir()
    files = [source] if single else sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
    for path in files:
        where = path.name if single else path.relative_to(source).as_posix()
        try:
            table = read_file(path)
        except EvalsError as error:
            reading.skip(where, "the file", str(error))
            continue
        columns = {k: c for k, cs in COLUMNS.items() for c in reversed(cs) if c in table} | names.mapping.columns
        columns = {k: c for k, c in columns.items() if c in table}
        if "model" not in columns or ("score" not in columns and single):
            lacking = "model" if "model" not in columns else "score"
            usual = ", ".join(map(repr, COLUMNS[lacking]))
            reason = f"no column of {lacking}s: none is called {usual}; name it in a mapping, under `columns`"
            reading.skip(where, "the file", reason)
            continue
        if "score" not in columns:
            reading.skip(where, "scores", "no column of scores; its facts about models are used")
        _read_rows(reading, names, table, columns, where)
    exact = [m for m, facts in reading.facts.items() if "flops" in facts and "flops_log10_sd" not in facts]
    if exact:
        reading.notes.append(
            f"compute without a level of confidence ({', '.join(FACTORS)}) counts as exact; fill in flops_log10_sd if "
            f"it is not: {', '.join(exact)}"
        )
    return reading


def _read_rows(reading: Reading, names: Names, table: pd.DataFrame, columns: dict[str, str], where: str) -> None:
    for model, row in rows_of_models(table, columns, names.mapping, reading, where):
        _read_confidence(reading, row, columns, model)
        if "score" not in columns:
            continue
        benchmark = text(row[columns["benchmark"]]) if "benchmark" in columns else Path(where).stem
        try:
            score = number(row[columns["score"]])
            stderr = number(row[columns["stderr"]]) if "stderr" in columns else math.nan
        except ValueError as error:
            reading.skip(where, benchmark, f"not a number: {error}", model)
            continue
        if not benchmark or math.isnan(score):
            reading.skip(
                where, benchmark or "a row", "the score is blank" if benchmark else "names no benchmark", model
            )
            continue
        date = text(row[columns["date"]]) if "date" in columns else ""
        reading.parsed.append(ParsedScore(model, benchmark, score, where, stderr=stderr, date=date))


def _read_confidence(reading: Reading, row: Mapping[Any, Any], columns: dict[str, str], model: str) -> None:
    """Read the level of confidence; it is used only beside a value of training compute."""
    if "flops" not in columns or not text(row[columns["flops"]]) or "flops_log10_sd" in columns:
        return
    level = text(row[columns["confidence"]]) if "confidence" in columns else ""
    if (sd := log10_sd(level)) is not None:
        reading.learn(model, "flops_log10_sd", sd)
