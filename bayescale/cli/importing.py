"""The commands `import ...`: they convert the output of evaluation tools to tables."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import completion
from bayescale.cli.arguments import OUTPUT, AsJson

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.evals.importers import Imported

_MOST_SHOWN = 3

Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder or file to import.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        help="New folder for the tables.",
        rich_help_panel=OUTPUT,
    ),
]
Into = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Merge with the tables in this folder, and report conflicts.", rich_help_panel=OUTPUT
    ),
]
MappingFile = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--mapping",
        metavar="FILE",
        help="YAML file that maps names, or a built-in mapping.",
        autocompletion=completion.mappings,
    ),
]
Models = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV with family and compute of models, such as a completed template."),
]


HELP = """Convert your own evaluation results to tables.

The command writes models.csv, benchmarks.csv and scores.csv, and models_to_fill.csv with the models whose family or
compute is unknown: complete that file and pass it to --models, or edit models.csv. The command lists what it imported,
what it skipped, and why. It recognises built-in benchmarks by exact name or alias only, never by similarity.
"""


def lm_eval(
    source: Source,
    output: Output = None,
    into: Into = None,
    mapping: MappingFile = None,
    models: Models = None,
    subtasks: Annotated[
        bool, typer.Option("--subtasks", help="Import the subtasks of groups, not the groups.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Import results of EleutherAI's lm-evaluation-harness.

    The command reads all JSON files in a folder and its subfolders. Of several metrics of a task it imports one: the
    metric that an alias or the mapping names, else acc_norm, acc or exact_match. A later run of a model on a task
    replaces an earlier one.
    """
    _import("lm-eval", source, output, into, json, mapping=mapping, models=models, subtasks=subtasks)


def inspect(
    source: Source,
    output: Output = None,
    into: Into = None,
    mapping: MappingFile = None,
    models: Models = None,
    json: AsJson = False,
) -> None:
    """Import logs of Inspect; needs the extra `inspect`.

    The command imports the headline metric of every successful log.
    """
    _import("inspect", source, output, into, json, mapping=mapping, models=models)


def wide(
    source: Source,
    output: Output = None,
    into: Into = None,
    mapping: MappingFile = None,
    models: Models = None,
    json: AsJson = False,
) -> None:
    """Import a table of models by benchmarks, CSV or Parquet.

    The mappings open-llm-leaderboard-1 and open-llm-leaderboard-2 read exports of the Open LLM Leaderboard.
    """
    _import("wide", source, output, into, json, mapping=mapping, models=models)


def epoch(
    source: Source,
    output: Output = None,
    into: Into = None,
    mapping: MappingFile = None,
    models: Models = None,
    json: AsJson = False,
) -> None:
    """Import long tables in the format of Epoch AI.

    They have a row per model version and benchmark, with standard error, release date and training compute; the
    confidence of the compute becomes flops_log10_sd. A file without a benchmark column holds one benchmark, named after
    the file.
    """
    _import("epoch", source, output, into, json, mapping=mapping, models=models)


def _import(tool: str, source: Path, output: Path | None, into: Path | None, json: bool, **options: Any) -> None:
    from bayescale._files import unwritable
    from bayescale.cli import show
    from bayescale.cli.output import make_folder
    from bayescale.errors import FileError
    from bayescale.evals.importers import import_evals

    folder = output or into
    if folder is None or (output and into):
        raise typer.BadParameter(
            "give either --output DIR, for new tables, or --into DIR, to merge with existing ones.", param_hint="-o"
        )
    imported = import_evals(tool, source, **options)
    make_folder(folder)
    try:
        written = imported.write(folder, into=into is not None)
    except FileError:
        raise  # it says which file
    except OSError as error:
        raise unwritable(folder, error) from error
    if json:
        tables = {
            name: getattr(written, name).to_dict("records") for name in ("taken", "skipped", "to_fill", "conflicts")
        }
        print(show.as_json({"tool": tool, "folder": str(folder)} | tables | {"notes": list(written.notes)}))
        return
    again = [tool, str(source), *(["--subtasks"] if options.get("subtasks") else [])]
    again += ["--mapping", options["mapping"]] if options["mapping"] else []
    _report(imported, written, folder, shlex.join(again))


def _report(imported: Imported, written: Imported, folder: Path, again: str) -> None:
    from bayescale.cli import show

    print(f"{imported!r}\n")
    show.plain_table(imported.taken)
    if len(imported.skipped):
        print("\nSkipped:")
        for reason in imported.skipped["reason"].unique():
            print(f"  {reason}: {_some(imported.skipped[imported.skipped['reason'] == reason])}")
    if imported.notes:
        print("\nNotes:")
        for note in imported.notes:
            print(f"  {note}")
    print(f"\nWrote models.csv, benchmarks.csv and scores.csv to {folder}.")
    fill, place = written.to_fill, shlex.quote(str(folder))
    if len(fill):
        without = int((fill["family"] == "").sum())
        print(f"{len(fill)} models lack family or compute, {without} of them without a family.")
        template = shlex.quote(str(folder / "models_to_fill.csv"))
        command = f"{show.program()} import {again} --into {place} --models {template}"
        print(f"Complete models_to_fill.csv, then run: {command}")
    else:
        print(f"Next: {show.program()} data validate {place}")


def _some(rows: pd.DataFrame) -> str:
    what = [f"{what} of {model}" if model else what for what, model in zip(rows["what"], rows["model"], strict=True)]
    more = f", and {len(what) - _MOST_SHOWN} more" if len(what) > _MOST_SHOWN else ""
    return ", ".join(what[:_MOST_SHOWN]) + more
