"""Read wide tables, a row per model and a column per benchmark, such as exports of the Open LLM Leaderboard."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from bayescale.errors import EvalsError, suggest
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

TOOL = "wide"


def read_wide(source: Path | pd.DataFrame, names: Names) -> Reading:
    """Read one table, or all tables in and below a folder.

    Scores are the columns that the mapping names, and those with the name of a shipped benchmark; every other column
    is recorded as skipped. Raises `EvalsError` with all columns that are missing: of models, or named by the mapping;
    in a folder, a table with such problems is skipped if another one can be read.
    """
    reading = Reading(TOOL, looked_for=", ".join(SUFFIXES))
    problems: dict[str, str] = {}
    tables = 0
    for where, table in tables_in(source):
        try:
            if isinstance(table, EvalsError):
                raise table
            if table.empty:
                raise EvalsError(f"{where} has no rows.")
            _read_table(reading, names, table, where)
            tables += 1
        except EvalsError as error:
            problems[where] = str(error)
    if problems and not tables:
        raise EvalsError("\n".join(problems.values()))
    for where, problem in problems.items():
        reading.skip(where, "the file", problem, kind="the table cannot be read, or lacks columns")
    return reading


def _read_table(reading: Reading, names: Names, table: pd.DataFrame, where: str) -> None:
    mapping = names.mapping
    own = {k: find_column(table, [k]) for k in ("model", *FACTS)}
    columns = {"model": "model"} | {k: c for k, c in own.items() if c} | mapping.columns_in(where)
    if columns["model"] not in table and own["model"]:
        reading.note(f"{where}: there is no column {columns['model']!r}; the models are those of {own['model']!r}")
        columns["model"] = own["model"]
    errors = {name: target.stderr for name, target in mapping.benchmarks.items() if target and target.stderr}
    wanted = dict.fromkeys([*columns.values(), *mapping.benchmarks, *errors.values()])
    if missing := [c for c in wanted if c not in table]:
        lines = [f"  {suggest(c, table.columns, 'column')}" for c in missing]
        if columns["model"] in missing and find_column(table, ["benchmark"]):
            lines.append("  Its rows seem to be benchmarks: turn the table, so that each model has a row.")
        elif columns["model"] in missing:
            lines.append("  To name the column of the models, write `columns: {model: NAME}` in a mapping.")
        raise EvalsError("\n".join([f"{len(missing)} problem(s) in {where}:", *lines]))
    table = choose_rows(table, mapping, reading, where)
    about = {*columns.values(), *errors.values(), *mapping.where}
    scores = []
    for column in table.columns:
        if names.left_out(column):
            reading.skip(where, column, "the mapping leaves it out")
        elif column not in about and names.match(column):
            scores.append(column)
        elif column not in about:
            reading.skip(where, column, "unknown benchmark column; add it to a mapping to import it")
    if not scores and find_column(table, ["score"]) and find_column(table, ["benchmark", "task"]):
        raise EvalsError(f"1 problem(s) in {where}:\n  It has a row per score: import it with `long`, not `wide`.")
    models = model_names(table, columns["model"], reading, where)
    read_facts(table, models, columns, mapping, reading)
    found = [cell for c in scores for cell in _read_column(reading, table, models, c, errors.get(c), where)]
    reading.parsed += [score for _, score in sorted(found, key=lambda cell: cell[0])]


def _read_column(
    reading: Reading, table: pd.DataFrame, models: list[str], column: str, error: str | None, where: str
) -> Iterator[tuple[int, ParsedScore]]:
    """Yield the scores of a column, each with its row."""
    numbers = parse_numbers(table[column])
    errors = parse_numbers(table[error]) if error else None
    if problem := numbers.problem or (errors.problem if errors else ""):
        reading.skip(where, column, problem)
        return
    if numbers.with_errors:
        reading.note("what follows ± in a cell is taken as the standard error of the score")
    for i, model in enumerate(models):
        if not model:
            continue
        bad = numbers.bad.get(i) or (errors.bad.get(i) if errors else None)
        if bad:
            reading.skip(where, column, bad, model, kind="not a number")
        elif not math.isnan(numbers.values[i]):
            stderr = errors.values[i] if errors else numbers.stderrs[i]
            yield (
                i,
                ParsedScore(
                    model, column, numbers.values[i], where, stderr=stderr, column=f"{where}: {column}",
                    percent=numbers.percent,
                ),
            )  # fmt: skip
