"""A wide table: one row per model, one column per benchmark, such as exports of the Open LLM Leaderboard."""

from __future__ import annotations

import math
from pathlib import Path

from bayescale.errors import EvalsError, suggest
from bayescale.evals.importers.found import Found, Reading
from bayescale.evals.importers.known import Names
from bayescale.evals.importers.tablefile import FACTS, SUFFIXES, chosen_rows, number, read_facts, read_file, text

TOOL = "wide"


def read_wide(source: Path, names: Names) -> Reading:
    """Read one table, or all tables of a folder.

    Columns are those that the mapping names, and those that are called as a benchmark that ships; every other column
    is put down as skipped.

    Raises
    ------
    EvalsError
        A column that the mapping names is missing, or there is no column of models; all of them are listed.
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
    table = read_file(path)
    table.columns = table.columns.map(str)
    mapping = names.mapping
    columns = {k: k for k in ("model", *FACTS) if k in table} | mapping.columns
    errors = {name: target.stderr for name, target in mapping.benchmarks.items() if target and target.stderr}
    needed = {"model": "model"} | columns
    wanted = [*needed.values(), *(n for n in mapping.benchmarks), *errors.values()]
    if missing := [c for c in dict.fromkeys(wanted) if c not in table]:
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
            reading.skip(path.name, column, "a column that no mapping names, and no benchmark that ships is called so")
    for row in chosen_rows(table, mapping, reading, path.name).to_dict("records"):
        model = text(row[columns["model"]])
        if not model:
            reading.skip(path.name, "a row", "names no model")
            continue
        read_facts(row, columns, mapping, reading, model)
        for column in scores:
            try:
                score = number(row[column])
                stderr = number(row[errors[column]]) if column in errors else math.nan
            except ValueError:
                reading.skip(path.name, column, f"not a number: {text(row[column])!r}", model)
                continue
            if not math.isnan(score):
                reading.found.append(Found(model, column, score, path.name, stderr=stderr))
