"""The commands of stage 1: `specs` and `data ...` list and validate."""

from __future__ import annotations

import dataclasses
import shlex
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from bayescale.cli import completion, options, show
from bayescale.errors import EvalsError, EvalsWarning


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
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with models.csv, benchmarks.csv and scores.csv, or a data set of `data list`.",
            autocompletion=completion.evals,
        ),
    ],
    json: options.AsJson = False,
) -> None:
    """Validate your tables, and list all problems at once.

    Every problem is printed with file, line, column, value and remedy. The exit code is 0 if the tables are usable and
    2 if there is an error; notes alone are no error.
    """
    from bayescale.evals import list_evals, load_evals, read_evals
    from bayescale.evals.tables import errors_only
    from bayescale.evals.validation import check_directory

    called_so = str(directory) in list_evals()["name"].tolist()
    built_in = called_so and not directory.is_dir()
    with _tables_of(str(directory)) if built_in else nullcontext(directory) as folder:
        problems = check_directory(folder)
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
        evals = load_evals(str(directory)) if built_in else read_evals(directory)
    if json:
        sizes = {"models": len(evals.models), "benchmarks": len(evals.benchmarks), "scores": evals.n_scores}
        show.document(checked, sizes, {"families": evals.families})
        return
    # `--evals` takes a bare name for the data set, even where a folder is called like it.
    name = f"./{directory}" if called_so and not built_in else str(directory)
    print(f"{evals.headline}\nUsable.")
    if evals.n_scores:
        print(f"Next: {show.program()} fit --evals {shlex.quote(name)} --save posterior.nc")


@contextmanager
def _tables_of(name: str) -> Iterator[Path]:
    """Write the tables of a built-in data set to a folder for a while."""
    from bayescale.evals import load_evals

    with tempfile.TemporaryDirectory() as folder:
        load_evals(name).to_directory(folder)
        yield Path(folder)


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
    from bayescale.evals.importers.hub_tables import read_hub

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
