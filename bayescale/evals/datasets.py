"""Load the shipped sets of evals, and read directories of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bayescale._files import shipped
from bayescale.errors import EvalsError, suggest
from bayescale.evals.evals import Evals
from bayescale.evals.tables import errors_only, read_tables, tables_error
from bayescale.evals.validation import validate_tables


def load_evals(name: str = "base-llms") -> Evals:
    """Load a shipped set of evaluations.

    Parameters
    ----------
    name : str
        ``"base-llms"`` (base models, standard benchmarks), ``"base-llms-all"`` (with emergent, post-training and
        leaderboard tasks), ``"instruct-llms"`` (instruction-tuned models, with agent tasks). `list_evals` lists them.

    Returns
    -------
    Evals
        The models of the set's kind and the benchmarks of its suites that have at least one score in it. Sources and
        licences are in ``data/README.md``.

    Raises
    ------
    EvalsError
        There is no set of this name; the nearest is suggested.

    Examples
    --------
    >>> load_evals("base-llms").benchmark_names[0]
    'MMLU'
    """
    sets = _sets()
    if name not in sets:
        message = suggest(str(name), sets, "set of evals")
        if Path(name).is_dir():
            message += f" For your own tables, call read_evals({str(name)!r})."
        raise EvalsError(message)
    return Evals(**_part(_shipped_tables(), sets[name]), name=name)


def list_evals() -> pd.DataFrame:
    """List the sets that `load_evals` loads.

    Returns
    -------
    pandas.DataFrame
        Columns ``name``, ``title``, and the number of ``models``, ``benchmarks`` and ``scores``; one row per set.

    Examples
    --------
    >>> list_evals()["name"].tolist()
    ['base-llms', 'base-llms-all', 'instruct-llms']
    """
    tables = _shipped_tables()
    rows = [
        {"name": name, "title": chosen["title"]} | {k: len(t) for k, t in _part(tables, chosen).items()}
        for name, chosen in _sets().items()
    ]
    return pd.DataFrame(rows)


def read_evals(directory: str | Path) -> Evals:
    """Read evaluations from a directory of CSV files.

    Parameters
    ----------
    directory : str or pathlib.Path
        With ``models.csv``, ``benchmarks.csv`` and ``scores.csv`` in UTF-8, whose columns `Evals` documents. A blank
        cell is an unknown value.

    Returns
    -------
    Evals
        Its name is that of the directory.

    Raises
    ------
    EvalsError
        A file is missing or is not CSV, or rows are wrong: the message lists every problem with its line and remedy,
        and the attribute ``problems`` has them as values.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     evals = read_evals(load_evals("base-llms").to_directory(folder))
    >>> evals.benchmark_names[0]
    'MMLU'
    """
    path = Path(directory)
    raw, problems = read_tables(path)
    if problems:
        # The tables that can be read are validated too, so that one error lists all problems.
        problems += errors_only(validate_tables(raw)[1])
        error = tables_error(problems, files=True, where=str(path))
        if not path.exists() and str(directory) in _sets():
            error.add_note(f"A shipped set has this name: load_evals({str(directory)!r}).")
        raise error
    return Evals(**{n: t for n, t in raw.items() if t is not None}, name=path.resolve().name)


def _sets() -> dict[str, dict[str, Any]]:
    import yaml

    sets: dict[str, dict[str, Any]] = yaml.safe_load((shipped("data") / "sets.yaml").read_text(encoding="utf-8"))
    return sets


def _shipped_tables() -> dict[str, pd.DataFrame]:
    raw, problems = read_tables(shipped("data"))
    if problems:
        raise tables_error(problems, files=True, where="the shipped tables")
    tables = {name: table for name, table in raw.items() if table is not None}
    # Aliases serve importers only, and are no part of the identity of the data.
    return tables | {"benchmarks": tables["benchmarks"].drop(columns="aliases")}


def _part(tables: dict[str, pd.DataFrame], chosen: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Select the models of one kind and the benchmarks of some suites that have scores together.

    Selection before validation saves most of the time.
    """
    models, benchmarks, scores = tables["models"], tables["benchmarks"], tables["scores"]
    models = models[models["kind"] == chosen["kind"]]
    benchmarks = benchmarks[benchmarks["suite"].isin(chosen["suites"])]
    scores = scores[scores["model"].isin(models["model"]) & scores["benchmark"].isin(benchmarks["benchmark"])]
    return {
        "models": models[models["model"].isin(scores["model"])],
        "benchmarks": benchmarks[benchmarks["benchmark"].isin(scores["benchmark"])],
        "scores": scores,
    }
