"""Import the output of an evaluation tool as tables, with the reader of its format."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import EvalsError, suggest
from bayescale.evals.csv_files import read_table
from bayescale.evals.importers import epoch, every_eval_ever, inspect_logs, lm_eval, wide
from bayescale.evals.importers.assemble import assemble_tables
from bayescale.evals.importers.base import NameMapping, Names, Reading, load_mapping
from bayescale.evals.importers.imported import Imported
from bayescale.evals.tables import Problem, coerce, tables_error, text
from bayescale.evals.validation import broken_cells

READERS: dict[str, Callable[..., Reading]] = {
    lm_eval.TOOL: lm_eval.read_lm_eval,
    lm_eval.LIGHTEVAL: lm_eval.read_lm_eval,
    inspect_logs.TOOL: inspect_logs.read_inspect,
    every_eval_ever.TOOL: every_eval_ever.read_every_eval_ever,
    wide.TOOL: wide.read_wide,
    epoch.LONG: epoch.read_epoch,
    epoch.TOOL: epoch.read_epoch,
}

# Importers of tables, which read data frames too.
TABLES_TOO = (wide.TOOL, epoch.LONG, epoch.TOOL)

_MOST_REASONS = 10

# Options of single importers.
OPTIONS = {lm_eval.TOOL: {"subtasks", "model_from_path"}, lm_eval.LIGHTEVAL: {"subtasks", "model_from_path"}}


def import_evals(
    tool: str,
    source: str | Path | pd.DataFrame,
    mapping: str | Path | Mapping[str, Any] | NameMapping | None = None,
    models: str | Path | pd.DataFrame | None = None,
    **options: Any,
) -> Imported:
    """Import the output of an evaluation tool as tables.

    Parameters
    ----------
    tool : {"lm-eval", "lighteval", "inspect", "every-eval-ever", "wide", "long", "epoch"}
        ``lm-eval``: result files of EleutherAI's lm-evaluation-harness. ``lighteval``: those of lighteval and of the
        first Open LLM Leaderboard. ``inspect``: logs of Inspect (needs ``bayescale[inspect]``). ``every-eval-ever``:
        records in the schema of Every Eval Ever. ``wide``: a table of models by benchmarks. ``long``: a table with a
        row per score and the columns ``model``, ``benchmark``, ``score``. ``epoch``: long tables as Epoch AI publishes
        them; the level of confidence of training compute becomes ``flops_log10_sd``.
    source : str, pathlib.Path or pandas.DataFrame
        A folder or a file; for ``wide``, ``long`` and ``epoch`` also a table. Tables are CSV or TSV with any separator,
        Parquet (needs ``bayescale[parquet]``) or Excel (needs ``bayescale[excel]``).
    mapping : str, pathlib.Path, dict or NameMapping, optional
        What names mean: a YAML file, a shipped mapping (``"open-llm-leaderboard-1"``, ``"open-llm-leaderboard-2"``)
        or the same as a dict; see `bayescale.evals.importers.NameMapping`. Without one, a shipped benchmark is
        recognised by its name or by an alias in ``data/benchmarks.csv``, and by nothing else.
    models : str, pathlib.Path or pandas.DataFrame, optional
        Facts about the models: a CSV file with columns of `Evals.models`, such as a completed ``models_to_fill.csv``.
        They take precedence over the tool, and the tool over the shipped models.
    **options
        For ``lm-eval`` and ``lighteval``: ``subtasks=True`` takes the subtasks of groups instead of the groups;
        ``model_from_path=True`` names a model after its file or folder where the file names none.

    Returns
    -------
    Imported
        The tables, what was taken and skipped and why, and the models to fill in. If a tool reports standard errors,
        the number of items of a benchmark is the effective one (median over models).

    Raises
    ------
    EvalsError
        There is no such tool or source, mapping or models are wrong, or nothing could be taken.
    MissingDependencyError
        A reader needs a library that is not installed.

    Examples
    --------
    >>> imported = import_evals("lm-eval", "results")  # doctest: +SKIP
    >>> imported.write("my-tables")  # doctest: +SKIP

    A wide table, with all facts about its models:

    >>> wide = pd.DataFrame({"model": ["mine-7b", "mine-70b"], "MMLU": [0.44, 0.70]})
    >>> facts = pd.DataFrame({"model": ["mine-7b", "mine-70b"], "family": "mine", "flops": [8e22, 8e23]})
    >>> import_evals("wide", wide, models=facts).to_fill.empty
    True
    """
    if tool not in READERS:
        raise EvalsError(suggest(str(tool), READERS, "importer"))
    if unknown := set(options) - OPTIONS.get(tool, set()):
        raise EvalsError(f"The importer {tool} has no option {', '.join(sorted(unknown))}.")
    frame = isinstance(source, pd.DataFrame)
    if frame and tool not in TABLES_TOO:
        raise EvalsError(f"The importer {tool} reads files; a DataFrame can be imported with {', '.join(TABLES_TOO)}.")
    place = source if isinstance(source, pd.DataFrame) else Path(source)
    if isinstance(place, Path) and not place.exists():
        raise EvalsError(f"There is no file or folder {str(source)!r} to import.")
    names = Names(tool, load_mapping(mapping))
    facts = _facts(models)
    reading = READERS[tool](place, names, **options)
    imported = assemble_tables(reading, names, facts)
    if imported.scores.empty:
        raise EvalsError(_nothing("the data frame" if frame else str(source), imported, reading.looked_for))
    if unused := [m for m in facts if m not in set(imported.models["model"])]:
        note = f"these models of `models` have no score in what was imported: {', '.join(unused)}"
        imported = dataclasses.replace(imported, notes=(*imported.notes, note))
    return imported


def _nothing(source: str, imported: Imported, looked_for: str) -> str:
    if imported.skipped.empty:
        files = "it has no scores" if Path(source).is_file() else f"there is no file {looked_for} in or below it"
        return f"Nothing in {source!r} could be imported as {imported.tool}: {files}."
    lines = []
    for reason, rows in imported.skipped.groupby("reason", sort=False):
        others, first = rows["source"].nunique() - 1, rows.iloc[0]
        more = f" (and {others} more)" if others else ""
        lines.append(f"  {first['source']}{more}: {first['what']}: {reason}")
    return "\n".join([f"Nothing in {source!r} could be imported as {imported.tool}:", *lines[:_MOST_REASONS]])


def _facts(models: str | Path | pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """Read what the user says about models, by model and column, without blanks."""
    if models is None:
        return {}
    problems: list[Problem] = []
    table: pd.DataFrame | None
    if isinstance(models, pd.DataFrame):
        name, where, table = "models", "the models", models
    else:
        name, where = Path(models).name.removesuffix(".csv"), str(models)
        table, problems = read_table(Path(models).parent, name)
    if table is not None:
        typed = coerce("models", table if "family" in table else table.assign(family=""))
        # A blank family is allowed here: `Imported.to_fill` asks for it.
        problems += [*typed.problems, *(p for p in broken_cells(typed) if (p.column, p.value) != ("family", ""))]
    if problems or table is None:
        raise tables_error([dataclasses.replace(p, table=name) for p in problems], files=True, where=where)
    columns = [str(c) for c in typed.frame if c in table and c != "model"]
    given = (table[columns].map(text) != "").to_numpy()
    return {
        model: {c: typed.frame[c].iloc[i] for j, c in enumerate(columns) if given[i, j]}
        for i, model in enumerate(typed.frame["model"])
    }
