"""The commands that make tables of the output of evaluation tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import completion
from bayescale.cli.arguments import AsJson
from bayescale.cli.manual import OUTPUT

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.evals.importers import Imported

_MOST_SHOWN = 3

Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder or a file.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        help="Folder for the tables, without tables so far.",
        rich_help_panel=OUTPUT,
    ),
]
Into = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Merge with the tables of this folder; conflicts are reported.", rich_help_panel=OUTPUT
    ),
]
MappingFile = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--mapping",
        metavar="FILE",
        help="YAML: what names mean; or a mapping that ships.",
        autocompletion=completion.mappings,
    ),
]
Models = Annotated[
    Path | None, typer.Option(metavar="FILE", help="CSV with facts of models, such as a filled-in template.")
]


def overview(context: typer.Context) -> None:
    """Make tables of your own evaluation results.

    Written are models.csv, benchmarks.csv and scores.csv, and models_to_fill.csv with the models whose family or
    compute nobody has stated: fill it in and give it to --models, or write into models.csv. Printed is what was taken,
    what was skipped and why. Benchmarks that ship are recognised by name or alias, never by likeness.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


def lm_eval(
    source: Source,
    output: Output = None,
    into: Into = None,
    mapping: MappingFile = None,
    models: Models = None,
    subtasks: Annotated[bool, typer.Option("--subtasks", help="Take the subtasks of groups, not the groups.")] = False,
    json: AsJson = False,
) -> None:
    """Import results of EleutherAI's lm-evaluation-harness.

    Read are all JSON files in and below a folder. Of several metrics of a task, one is taken: the one that an alias or
    the mapping names, else acc_norm, acc or exact_match. A later run of a model on a task replaces an earlier one.
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

    Taken is the headline metric of every log that ended in success.
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

    Exports of the Open LLM Leaderboard are read with the mappings open-llm-leaderboard-1 and open-llm-leaderboard-2.
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
    """Import long tables as Epoch AI publishes them.

    One row per model version and benchmark, with standard error, release date, and training compute, whose level of
    confidence becomes flops_log10_sd. A file without a column of benchmarks is one benchmark, called as the file is.
    """
    _import("epoch", source, output, into, json, mapping=mapping, models=models)


def _import(tool: str, source: Path, output: Path | None, into: Path | None, json: bool, **options: Any) -> None:
    from bayescale._files import unwritable
    from bayescale.cli import show
    from bayescale.cli.output import make_folder
    from bayescale.errors import OutputError
    from bayescale.evals.importers import import_evals

    folder = output or into
    if folder is None or (output and into):
        raise typer.BadParameter("give either --output DIR, for new tables, or --into DIR, to merge.", param_hint="-o")
    imported = import_evals(tool, source, **options)
    make_folder(folder)
    try:
        written = imported.write(folder, into=into is not None)
    except OutputError:
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
        print(f"To fill in, there or in models_to_fill.csv: {len(fill)} models, {without} of them without a family.")
        template = shlex.quote(str(folder / "models_to_fill.csv"))
        print(f"With that file filled in: {show.program()} import {again} --into {place} --models {template}")
    else:
        print(f"Next: {show.program()} data validate {place}")


def _some(rows: pd.DataFrame) -> str:
    what = [f"{what} of {model}" if model else what for what, model in zip(rows["what"], rows["model"], strict=True)]
    more = f", and {len(what) - _MOST_SHOWN} more" if len(what) > _MOST_SHOWN else ""
    return ", ".join(what[:_MOST_SHOWN]) + more
