"""The commands that list what ships, and the one that reads tables of one's own."""

from __future__ import annotations

import dataclasses
import shlex
import warnings
from pathlib import Path
from typing import Annotated

import typer

from bayescale.cli.arguments import AsJson
from bayescale.errors import EvalsError, EvalsWarning


def specs(json: AsJson = False) -> None:
    """List the specs that ship, for `bayescale fit SPEC`.

    A spec says which capabilities, effects and priors a model has. Write one of your own as a YAML file in the same
    form: only what differs from the default has to be in it.
    """
    import pandas as pd

    from bayescale.cli import show
    from bayescale.spec import list_specs, load_spec

    table = pd.DataFrame([{"name": name, "title": load_spec(name).title} for name in list_specs()])
    if json:
        print(show.as_json({"specs": [load_spec(name).model_dump(mode="json") for name in table["name"]]}))
    else:
        show.plain_table(table)


def data(context: typer.Context) -> None:
    """List the evals that ship, or validate tables of your own."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def list_data(json: AsJson = False) -> None:
    """List the evals that ship, for `bayescale fit --data NAME`.

    Shown are how many models, benchmarks and observed scores each set holds.
    """
    from bayescale.cli import show
    from bayescale.evals import list_evals

    table = list_evals()
    if json:
        print(show.as_json({"evals": table.to_dict("records")}))
    else:
        show.plain_table(table)


def validate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="With models.csv, benchmarks.csv and scores.csv.")],
    json: AsJson = False,
) -> None:
    """Find everything that is wrong with your tables, at once.

    Every problem is printed with file, line, column, value and remedy. Exit code 0 if the tables are usable; notes say
    what is allowed and worth knowing. Exit code 2 if there is an error.
    """
    from bayescale.cli import show
    from bayescale.evals import read_evals
    from bayescale.evals.tables import errors_only
    from bayescale.evals.validation import check_directory

    problems = check_directory(directory)
    wrong = len(errors_only(problems))
    found = {
        "folder": str(directory),
        "usable": not wrong,
        "problems": [dataclasses.asdict(p) for p in problems],
    }
    if not json:
        for problem in problems:
            print(f"{problem.severity}: {problem}")
    if wrong:
        if json:
            print(show.as_json(found))
        raise EvalsError(f"{directory} has {wrong} error{'s' * (wrong != 1)} to correct; they are listed above.")
    with warnings.catch_warnings():
        # What was dropped is among the notes above.
        warnings.simplefilter("ignore", EvalsWarning)
        evals = read_evals(directory)
    if json:
        sizes = {"models": len(evals.models), "benchmarks": len(evals.benchmarks), "scores": evals.n_scores}
        print(show.as_json(found | sizes | {"families": evals.families}))
        return
    print(f"{str(evals).splitlines()[0]}\nUsable.")
    print(f"Next: {show.program()} fit --data {shlex.quote(str(directory))} -o posterior.nc")
