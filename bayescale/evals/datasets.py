"""Load the shipped sets of evals, and read directories of your own."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale._files import shipped
from bayescale._tables import Table
from bayescale._yaml import read_yaml
from bayescale.errors import EvalsError, suggest
from bayescale.evals.csv_files import read_tables
from bayescale.evals.evals import Evals
from bayescale.evals.tables import counting, errors_only, tables_error
from bayescale.evals.validation import validate_tables


def load_evals(name: str | Evals = "base-llms") -> Evals:
    """Load a shipped set of evaluations.

    `Evals` are returned as they are, so that functions take either.

    Parameters
    ----------
    name : str
        ``"base-llms"`` (base models, standard benchmarks), ``"base-llms-all"`` (with emergent, post-training and
        leaderboard tasks), ``"instruct-llms"`` (instruction-tuned models, with agent tasks), ``"frontier"`` (models of
        2019 to April 2026 from Epoch AI's Benchmarking Hub, CC-BY 4.0), ``"all"`` (the three together). `list_evals`
        lists them.

    Returns
    -------
    Evals
        The models and benchmarks of the set that have at least one score in it. In ``"all"`` what the paper's tables
        say of a model, a benchmark or a score comes before what the hub says; `Evals.measurements` has both. Sources,
        licences and credits are in ``data/README.md``.

    Raises
    ------
    EvalsError
        There is no set of this name; the nearest is suggested.

    Examples
    --------
    >>> load_evals("base-llms").benchmark_names[0]
    'MMLU'
    """
    if isinstance(name, Evals):
        return name
    if not isinstance(name, str):
        raise EvalsError(f"{name!r} is no Evals: load them, evals = bs.load_evals('base-llms').")
    sets = _sets()
    if name not in sets:
        message = suggest(name, sets, "set of evals")
        if Path(name).is_dir():
            message += f" For your own tables, call read_evals({str(name)!r})."
        raise EvalsError(message)
    return Evals(**_set(sets, name), name=name)


def list_evals() -> pd.DataFrame:
    """List the sets that `load_evals` loads.

    Returns
    -------
    pandas.DataFrame
        Columns ``name``, ``title``, and the number of ``models``, ``benchmarks`` and ``scores``; one row per set.

    Examples
    --------
    >>> list_evals()["name"].tolist()
    ['base-llms', 'base-llms-all', 'instruct-llms', 'frontier', 'all']
    """
    rows = []
    sets = _sets()
    for name, chosen in sets.items():
        tables = _set(sets, name)
        tables["scores"] = tables["scores"][counting(tables["scores"])]
        rows.append({"name": name, "title": chosen["title"]} | {k: len(t) for k, t in tables.items()})
    return Table(rows)


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
    sets: dict[str, dict[str, Any]] = read_yaml((shipped("data") / "sets.yaml").read_text(encoding="utf-8"))
    return sets


def _set(sets: dict[str, dict[str, Any]], name: str) -> dict[str, pd.DataFrame]:
    """Return the tables of a set: a folder, a part of the paper's tables, or several sets together."""
    chosen = sets[name]
    if "together" in chosen:
        return _together([_set(sets, part) for part in chosen["together"]])
    if "folder" in chosen:
        return _shipped_tables(chosen["folder"])
    return _part(_shipped_tables(), chosen)


@functools.cache
def _read_shipped(folder: str) -> dict[str, pd.DataFrame]:
    raw, problems = read_tables(shipped("data") / folder)
    if problems:
        raise tables_error(problems, files=True, where="the shipped tables")
    return {name: table for name, table in raw.items() if table is not None}


def _shipped_tables(folder: str = "") -> dict[str, pd.DataFrame]:
    tables = dict(_read_shipped(folder))
    # Aliases serve importers only, and are no part of the identity of the data.
    return tables | {"benchmarks": tables["benchmarks"].drop(columns="aliases", errors="ignore")}


def _together(parts: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Join sets: one row per model and benchmark, blanks of an earlier set filled by a later one; all scores."""
    joined = {name: pd.concat([p[name] for p in parts], ignore_index=True).fillna("") for name in parts[0]}
    models = joined["models"]
    # The spread belongs to the figure beside it: the first one that is known.
    known = (models["flops"] != "").astype(int)
    later = known.groupby(models["model"]).cumsum() > known
    models["flops_log10_sd"] = models["flops_log10_sd"].mask(later, "")
    for name, key in (("models", "model"), ("benchmarks", "benchmark")):
        table = joined[name]
        filled = table.replace("", None).groupby(key, sort=False).first().fillna("").reset_index()[table.columns]
        # A remark is about the set that made it.
        filled["note"] = table["note"][~table.duplicated(key)].to_numpy()
        joined[name] = filled
    # What the paper's tables lack; they stay as they are, because saved posteriors hold their identity.
    makers = pd.read_csv(shipped("data") / "organizations.csv").set_index("family")
    models = joined["models"]
    for column in makers:
        models[column] = models[column].mask(models[column] == "", models["family"].map(makers[column])).fillna("")
    # No model of the paper reasons before it answers.
    models["reasoning"] = models["reasoning"].replace("", "false")
    return joined


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
