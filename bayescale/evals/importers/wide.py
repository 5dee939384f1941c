"""Read wide tables, a row per model and a column per benchmark, such as exports of the Open LLM Leaderboard."""

from __future__ import annotations

import math
from pathlib import Path

from bayescale.errors import EvalsError, suggest
from bayescale.evals.importers.base import Names, ParsedScore, Reading
from bayescale.evals.importers.cells import FACTS, SUFFIXES, read_file, rows_of_models
from bayescale.evals.tables import number, text

TOOL = "wide"


def read_wide(source: Path, names: Names) -> Reading:
    """Read one table, or all tables of a folder.

    Scores are the columns that the mapping names, and those with the name of a shipped benchmark; every other column
    is recorded as skipped. Raises `EvalsError` with all columns that are missing: of models, or named by the mapping.
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
    table, mapping = read_file(path), names.mapping
    columns = {"model": "model"} | {k: k for k in FACTS if k in table} | mapping.columns
    errors = {name: target.stderr for name, target in mapping.benchmarks.items() if target and target.stderr}
    wanted = dict.fromkeys([*columns.values(), *mapping.benchmarks, *errors.values()])
    if missing := [c for c in wanted if c not in table]:
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
            reading.skip(path.name, column, "unknown benchmark column; add it to a mapping to import it")
    for model, row in rows_of_models(table, columns, mapping, reading, path.name):
        for column in scores:
            try:
                score = number(row[column])
                stderr = number(row[errors[column]]) if column in errors else math.nan
            except ValueError:
                reading.skip(path.name, column, f"not a number: {text(row[column])!r}", model)
                continue
            if not math.isnan(score):
                reading.parsed.append(ParsedScore(model, column, score, path.name, stderr=stderr))
