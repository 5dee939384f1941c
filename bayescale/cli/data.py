"""The commands of stage 1: `specs` and `data ...` list and validate, `import ...` converts output of other tools."""

from __future__ import annotations

import dataclasses
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import completion, options, show
from bayescale.errors import EvalsError, EvalsWarning

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.evals.importers import Imported

_MOST_SHOWN = 3


def specs(json: options.AsJson = False) -> None:
    """List the built-in specs, for `bayescale fit SPEC`.

    A spec defines the capabilities, effects and priors of a model. Your own spec is a YAML file in the same form with
    the fields that differ from the default.
    """
    import pandas as pd

    from bayescale.model.spec import list_specs, load_spec

    table = pd.DataFrame([{"name": name, "title": load_spec(name).title} for name in list_specs()])
    if json:
        show.document({"specs": [load_spec(name).model_dump(mode="json") for name in table["name"]]})
    else:
        show.plain_table(table)


def list_data(json: options.AsJson = False) -> None:
    """List the built-in data sets, for `bayescale fit --evals NAME`.

    The table counts the models, benchmarks and observed scores of each data set.
    """
    from bayescale.evals import list_evals

    table = list_evals()
    if json:
        show.document({"evals": table.to_dict("records")})
    else:
        show.plain_table(table)


def validate(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with models.csv, benchmarks.csv and scores.csv.")
    ],
    json: options.AsJson = False,
) -> None:
    """Validate your tables, and list all problems at once.

    Every problem is printed with file, line, column, value and remedy. The exit code is 0 if the tables are usable and
    2 if there is an error; notes alone are no error.
    """
    from bayescale.evals import read_evals
    from bayescale.evals.tables import errors_only
    from bayescale.evals.validation import check_directory

    problems = check_directory(directory)
    wrong = len(errors_only(problems))
    checked = {"folder": str(directory), "usable": not wrong, "problems": [dataclasses.asdict(p) for p in problems]}
    if not json:
        for problem in problems:
            print(f"{problem.severity}: {problem}")
    if wrong:
        if json:
            show.document(checked)
        raise EvalsError(f"{directory} has {wrong} error{'s' * (wrong != 1)} to correct, listed above.")
    with warnings.catch_warnings():
        # The notes above list what was dropped.
        warnings.simplefilter("ignore", EvalsWarning)
        evals = read_evals(directory)
    if json:
        sizes = {"models": len(evals.models), "benchmarks": len(evals.benchmarks), "scores": evals.n_scores}
        show.document(checked, sizes, {"families": evals.families})
        return
    print(f"{str(evals).splitlines()[0]}\nUsable.")
    print(f"Next: {show.program()} fit --evals {shlex.quote(str(directory))} --save posterior.nc")


def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A data set of `data list`.", autocompletion=completion.evals)
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the three tables; made if needed.")],
    json: options.AsJson = False,
) -> None:
    """Write the tables of a built-in data set to a folder, to extend them or to read them elsewhere.

    `fit --evals DIR` reads them back. Files of these names in the folder are replaced.
    """
    from bayescale.cli.files import make_folder
    from bayescale.evals import load_evals

    evals = load_evals(name)
    make_folder(directory)
    evals.to_directory(directory)
    if json:
        sizes = {"models": len(evals.models), "benchmarks": len(evals.benchmarks), "scores": evals.n_scores}
        show.document({"name": name, "folder": str(directory)}, sizes)
        return
    print(f"Wrote models.csv, benchmarks.csv and scores.csv to {directory}.")
    print(f"Next: {show.program()} data validate {shlex.quote(str(directory))}")


def update(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="Folder with the CSV files of the hub's export.")],
    out: Annotated[Path, options.output("-o", "--out", metavar="DIR", help="Folder for the tables.")] = Path(
        "frontier"
    ),
    facts: Annotated[
        Path | None,
        typer.Option("--facts", metavar="FILE", help="Your copy of data/frontier/hub.yaml, with additions."),
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Make the tables of the data set `frontier` from a newer export of Epoch AI's Benchmarking Hub.

    Download the export from epoch.ai/benchmarks (CC-BY 4.0). The command stops, and lists everything at once, if the
    export has files, columns, organizations or models that it does not know: add them to a copy of
    data/frontier/hub.yaml and give it as --facts.
    """
    from bayescale.cli.files import make_folder
    from bayescale.evals.importers.hub import read_hub

    tables = read_hub(export, facts)
    make_folder(out)
    tables.write(out)
    sizes = {name: len(getattr(tables, name)) for name in ("models", "benchmarks", "scores")}
    if json:
        show.document({"folder": str(out)}, sizes, {"account": list(tables.account), "few": list(tables.few)})
        return
    print("\n".join(tables.account))
    written = ", ".join(f"{n} {'rows of scores' if name == 'scores' else name}" for name, n in sizes.items())
    print(f"Wrote {written} to {out}.")
    print(f"Next: {show.program()} data validate {shlex.quote(str(out))}")


Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder or file to import.")]
NewFolder = Annotated[Path | None, options.output("-o", "--out", metavar="DIR", help="New folder for the tables.")]
Into = Annotated[
    Path | None, options.output(metavar="DIR", help="Merge with the tables in this folder, and report conflicts.")
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

IMPORT_HELP = """Convert your own evaluation results to tables.

The command writes models.csv, benchmarks.csv and scores.csv, and models_to_fill.csv with the models whose family or
compute is unknown: complete that file and pass it to --models, or edit models.csv. The command lists what it imported,
what it skipped, and why. It recognises built-in benchmarks by exact name or alias only, never by similarity.
"""


def lm_eval(
    source: Source,
    out: NewFolder = None,
    into: Into = None,
    mapping: MappingFile = None,
    models: Models = None,
    subtasks: Annotated[
        bool, typer.Option("--subtasks", help="Import the subtasks of groups, not the groups.")
    ] = False,
    json: options.AsJson = False,
) -> None:
    """Import results of EleutherAI's lm-evaluation-harness.

    The command reads all JSON files in a folder and its subfolders. Of several metrics of a task it imports one: the
    metric that an alias or the mapping names, else acc_norm, acc or exact_match. A later run of a model on a task
    replaces an earlier one.
    """
    _import("lm-eval", source, out, into, json, mapping=mapping, models=models, subtasks=subtasks)


def importer(tool: str) -> Callable[..., None]:
    """Return the command for a tool that has no options of its own."""

    def command(
        source: Source,
        out: NewFolder = None,
        into: Into = None,
        mapping: MappingFile = None,
        models: Models = None,
        json: options.AsJson = False,
    ) -> None:
        _import(tool, source, out, into, json, mapping=mapping, models=models)

    return command


# Command, help and examples by name of the tool.
IMPORTERS: dict[str, tuple[Any, ...]] = {
    "lm-eval": (
        lm_eval,
        None,
        "import lm-eval results/ -o my_tables/",
        "import lm-eval more/ --into my_tables/ --models filled_in.csv",
    ),
    "inspect": (
        importer("inspect"),
        """Import logs of Inspect; needs the extra `inspect`.

        The command imports the headline metric of every successful log.
        """,
        "import inspect logs/ -o my_tables/",
        "import inspect logs/ --into my_tables/",
    ),
    "wide": (
        importer("wide"),
        """Import a table of models by benchmarks, CSV or Parquet.

        The mappings open-llm-leaderboard-1 and open-llm-leaderboard-2 read exports of the Open LLM Leaderboard.
        """,
        "import wide scores.csv --mapping mine.yaml -o my_tables/",
        "import wide all.parquet -m open-llm-leaderboard-2 -o tables/",
    ),
    "epoch": (
        importer("epoch"),
        """Import long tables in the format of Epoch AI.

        They have a row per model version and benchmark, with standard error, release date and training compute; the
        confidence of the compute becomes flops_log10_sd. A file without a benchmark column holds one benchmark, named
        after the file.
        """,
        "import epoch benchmark_data/ -o epoch_tables/",
        "import epoch gpqa_diamond.csv --into my_tables/",
    ),
}


def _import(tool: str, source: Path, out: Path | None, into: Path | None, json: bool, **settings: Any) -> None:
    from bayescale.cli.files import make_folder
    from bayescale.evals.importers import import_evals

    folder = out or into
    if folder is None or (out and into):
        raise typer.BadParameter(
            "give either --out DIR, for new tables, or --into DIR, to merge with existing ones.", param_hint="-o"
        )
    imported = import_evals(tool, source, **settings)
    make_folder(folder)
    written = imported.write(folder, into=into is not None)
    if json:
        tables = {
            name: getattr(written, name).to_dict("records") for name in ("taken", "skipped", "to_fill", "conflicts")
        }
        show.document({"tool": tool, "folder": str(folder)}, tables, {"notes": list(written.notes)})
        return
    again = [tool, str(source), *(["--subtasks"] if settings.get("subtasks") else [])]
    again += ["--mapping", settings["mapping"]] if settings["mapping"] else []
    _report(imported, written, folder, shlex.join(again))


def _report(imported: Imported, written: Imported, folder: Path, again: str) -> None:
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
