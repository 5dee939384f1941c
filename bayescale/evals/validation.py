"""All that must hold of the three tables, checked once, on the way in.

The rules for single cells are a list in `rules`; what concerns several rows or tables (duplicates, unknown names,
notes) are functions here. Nothing here raises: problems are returned.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.errors import suggest
from bayescale.evals.compute import training_flops
from bayescale.evals.csvfile import read_tables
from bayescale.evals.problems import Problem, errors_only
from bayescale.evals.rules import broken_cells
from bayescale.evals.tables import TABLES, Arrived, arrive

# A family offset or a benchmark's slope that stands on fewer values than this is mostly its prior.
FEW_SCORES = 3
# Mixtures of experts and continued training lie within this factor of the estimate; a slip of a unit does not.
FAR_FROM_ESTIMATE = 30


def _repeated_names(table: Arrived, column: str) -> Iterator[Problem]:
    if table.frame is None:
        return
    names = table.frame[column]
    for i in np.flatnonzero(names.duplicated() & (names != "")):
        first = int(table.lines[np.flatnonzero(names == names.iloc[i])[0]])
        message, remedy = f"this {column} is in the table already", "remove or rename one of the two"
        yield Problem(table.name, int(table.lines[i]), column, names.iloc[i], message, remedy, earlier=first)


def _floors_over_ceilings(benchmarks: Arrived) -> Iterator[Problem]:
    if benchmarks.frame is None:
        return
    floor, ceiling = benchmarks.frame["floor"], benchmarks.frame["ceiling"]
    for i in np.flatnonzero((floor >= ceiling) & floor.between(0, 1) & ceiling.between(0, 1)):
        message = f"the floor is not below the ceiling ({ceiling.iloc[i]:g})"
        yield Problem("benchmarks", int(benchmarks.lines[i]), "floor", floor.iloc[i], message, "correct one of the two")


def _unknown_names(scores: Arrived, names: Arrived, column: str) -> Iterator[Problem]:
    if scores.frame is None or names.frame is None:
        return
    known = set(names.frame[column])
    given = scores.frame[column]

    @functools.cache
    def nearest(name: str) -> str:
        return suggest(name, known, column).removeprefix(f"There is no {column} {name!r}.").removesuffix(".")

    # Cached: the search is slow, and a name that is missing is usually missing from many rows.
    for i in np.flatnonzero(~given.isin(known) & (given != "")):
        message = f"not in the table of {names.name}.{nearest(given.iloc[i])}"
        remedy = f"correct the name, or add it to the {names.name}"
        yield Problem("scores", int(scores.lines[i]), column, given.iloc[i], message.removesuffix("."), remedy)


def _repeated_scores(scores: Arrived) -> Iterator[Problem]:
    """Two scores for one cell: an error if they differ, and a note, with the first one kept, if they do not."""
    if scores.frame is None:
        return
    frame = scores.frame.assign(line=scores.lines)
    frame = frame[frame["score"].notna() & (frame["model"] != "") & (frame["benchmark"] != "")]
    repeated = frame[frame.duplicated(["model", "benchmark"], keep=False)]
    for (model, benchmark), rows in repeated.groupby(["model", "benchmark"], sort=False):
        first, line = float(rows["score"].iloc[0]), int(rows["line"].iloc[0])
        for row, score in zip(rows["line"].tolist()[1:], rows["score"].tolist()[1:], strict=True):
            if score == first:
                message = f"{model} on {benchmark} has this score already"
                remedy = "the first is kept; remove one of the two rows"
                yield Problem("scores", row, "score", score, message, remedy, "note", earlier=line)
            else:
                message = f"{model} on {benchmark} has another score, {first:.15g}, already"
                remedy = "keep one, or make them two benchmarks with one testlet"
                yield Problem("scores", row, "score", score, message, remedy, earlier=line)


def find_notes(models: pd.DataFrame, benchmarks: pd.DataFrame, scores: pd.DataFrame) -> list[Problem]:
    """What is allowed, and worth knowing, about tables whose rows are in order.

    Parameters
    ----------
    models, benchmarks, scores : pandas.DataFrame
        Tables with all their columns and a RangeIndex.

    Returns
    -------
    list of Problem
        Severity ``"note"``: families with one model, compute far from what parameters and tokens give, models without
        scores, benchmarks with fewer than three scores.
    """
    notes = []
    family = models["family"]
    for i in np.flatnonzero(~family.duplicated(keep=False) & (family != "")).tolist():
        message, remedy = "a family with one model", "allowed; such an offset is mostly what other families suggest"
        notes.append(Problem("models", i + 2, "family", family.iloc[i], message, remedy, "note"))
    ratio = models["flops"] / training_flops(models["params_b"], models["tokens_t"])
    for i in np.flatnonzero((ratio > FAR_FROM_ESTIMATE) | (ratio < 1 / FAR_FROM_ESTIMATE)).tolist():
        message = f"compute is {ratio.iloc[i]:.2g} times 6 x parameters x tokens"
        notes.append(Problem("models", i + 2, "flops", models["flops"].iloc[i], message, "check all three", "note"))
    for i in np.flatnonzero(~models["model"].isin(scores["model"]) & (models["model"] != "")).tolist():
        message, remedy = "a model without scores", "allowed; they teach nothing"
        notes.append(Problem("models", i + 2, "model", models["model"].iloc[i], message, remedy, "note"))
    counts = scores["benchmark"].value_counts()
    name = benchmarks["benchmark"]
    few = name.map(counts).fillna(0) < FEW_SCORES
    for i in np.flatnonzero(few & (name != "")).tolist():
        message, remedy = f"a benchmark with fewer than {FEW_SCORES} scores", "allowed; forecasts of them will be wide"
        notes.append(Problem("benchmarks", i + 2, "benchmark", name.iloc[i], message, remedy, "note"))
    return notes


def inspect(raw: Mapping[str, pd.DataFrame | None]) -> tuple[dict[str, Arrived], list[Problem]]:
    """Bring the tables into their types and find all problems; a table given as None is passed over.

    When there are no errors, the frames that come back are fit for use: repeated scores are dropped, each with a note.
    """
    empty = np.array([], dtype=int)
    tables = {n: Arrived(n, None, empty) if (t := raw[n]) is None else arrive(n, t) for n in TABLES}
    models, benchmarks, scores = tables["models"], tables["benchmarks"], tables["scores"]
    problems = [p for t in tables.values() for p in t.problems]
    for table in tables.values():
        problems += broken_cells(table)
    problems += _repeated_names(models, "model")
    problems += _repeated_names(benchmarks, "benchmark")
    problems += _floors_over_ceilings(benchmarks)
    problems += _unknown_names(scores, models, "model")
    problems += _unknown_names(scores, benchmarks, "benchmark")
    problems += _repeated_scores(scores)
    order = list(TABLES)
    problems.sort(key=lambda p: (p.severity, order.index(p.table), p.row or 0))
    if scores.frame is not None:
        kept = ~scores.frame.duplicated(["model", "benchmark"]).to_numpy()
        scores.frame, scores.lines = scores.frame[kept].reset_index(drop=True), scores.lines[kept]
    return tables, problems


def find_problems(models: pd.DataFrame, benchmarks: pd.DataFrame, scores: pd.DataFrame) -> list[Problem]:
    """Find everything that is wrong with, or noteworthy about, three tables.

    Parameters
    ----------
    models, benchmarks, scores : pandas.DataFrame
        The tables, in any state. Cells may be text, as in a file.

    Returns
    -------
    list of Problem
        Errors first, then notes; each in the order of the tables and rows. Row numbers are lines of a CSV file with
        the header on line 1.

    Examples
    --------
    >>> models = pd.DataFrame({"model": ["a"], "family": ["A"], "flops": [25.0]})
    >>> benchmarks = pd.DataFrame({"benchmark": ["MMLU"]})
    >>> scores = pd.DataFrame({"model": ["a"], "benchmark": ["MMLU"], "score": [57.3]})
    >>> [(p.table, p.row, p.column) for p in find_problems(models, benchmarks, scores) if p.severity == "error"]
    [('models', 2, 'flops'), ('scores', 2, 'score')]
    """
    tables, problems = inspect({"models": models, "benchmarks": benchmarks, "scores": scores})
    return problems + _notes(tables, problems)


def check_directory(path: str | Path) -> list[Problem]:
    """Find everything that is wrong with, or noteworthy about, the tables in a directory; raises nothing.

    Parameters
    ----------
    path : str or pathlib.Path
        Directory with ``models.csv``, ``benchmarks.csv`` and ``scores.csv``.

    Returns
    -------
    list of Problem
        Errors first, then notes; also when the directory or a file is missing.

    Examples
    --------
    >>> check_directory("no/such/place")[0].message
    'there is no such directory'
    """
    raw, problems = read_tables(Path(path))
    tables, found = inspect(raw)
    problems += found
    return problems + _notes(tables, problems)


def _notes(tables: dict[str, Arrived], problems: list[Problem]) -> list[Problem]:
    frames = [t.frame for t in tables.values() if t.frame is not None]
    # What a table with errors lacks would only repeat the errors.
    if len(frames) < len(tables) or errors_only(problems):
        return []
    return [
        dataclasses.replace(note, row=int(tables[note.table].lines[note.row - 2]))
        for note in find_notes(*frames)
        if note.row is not None
    ]
