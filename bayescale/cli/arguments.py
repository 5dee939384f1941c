"""Arguments and options that several commands share, and their conversion to values of the library."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.cli import completion
from bayescale.errors import EvalsError

if TYPE_CHECKING:
    from bayescale.evals import Evals

# Headings of options on a help page.
SAMPLING = "Sampling"
OUTPUT = "Output"

PosteriorFile = Annotated[Path, typer.Argument(metavar="POSTERIOR", help="File written by `bayescale fit`.")]
SpecName = Annotated[
    str,
    typer.Argument(metavar="SPEC", help="Name of a built-in spec, or a YAML file.", autocompletion=completion.specs),
]
DataName = Annotated[
    str,
    typer.Option(
        metavar="NAME_OR_DIR",
        help="Name of a built-in data set, or a folder with your own tables.",
        autocompletion=completion.evals,
    ),
]
Draws = Annotated[int, typer.Option(min=1, metavar="N", help="Draws to keep per chain.", rich_help_panel=SAMPLING)]
Tune = Annotated[int, typer.Option(min=1, metavar="N", help="Warm-up steps per chain.", rich_help_panel=SAMPLING)]
Chains = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Chains per fit; convergence diagnostics need at least 2.", rich_help_panel=SAMPLING
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same seed gives the same numbers.")]
Prob = Annotated[float, typer.Option(metavar="P", help="Probability of the credible intervals.")]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print a single JSON document on standard output.", rich_help_panel=OUTPUT),
]
Csv = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the table as CSV.", rich_help_panel=OUTPUT)]
Picture = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        "--plot",
        metavar="FILE",
        help="Write a figure; the name ends in .png, .pdf or .svg.",
        rich_help_panel=OUTPUT,
    ),
]
Folder = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.", rich_help_panel=OUTPUT)
]


class Sampler(StrEnum):
    """Names of samplers that `bayescale.fit` takes; they are repeated here so that `--help` need not load it."""

    nutpie = "nutpie"
    pymc = "pymc"
    numpyro = "numpyro"


class Replicated(StrEnum):
    """Models whose scores a posterior predictive check replicates."""

    same = "same"
    new = "new"


def evals_of(name: str) -> Evals:
    """Read tables from a folder, or load a built-in data set; a name with a path separator is always a folder.

    Raises
    ------
    EvalsError
        There is no such data set or folder, or its tables have errors.
    """
    from bayescale.evals import list_evals, load_evals, read_evals

    ships = name in list_evals()["name"].tolist()
    if "/" in name or "\\" in name or (Path(name).is_dir() and not ships):
        return read_evals(name)
    try:
        return load_evals(name)
    except EvalsError as error:
        raise EvalsError(f"{error} Or give a folder with models.csv, benchmarks.csv and scores.csv.") from None


def known_scores(texts: Sequence[str]) -> dict[str, float]:
    """Parse scores of the form BENCHMARK=SCORE.

    Raises
    ------
    typer.BadParameter
        One has another form, or a benchmark occurs twice.

    Examples
    --------
    >>> known_scores(["MMLU=0.86", "GSM8K=0.9"])
    {'MMLU': 0.86, 'GSM8K': 0.9}
    """
    scores: dict[str, float] = {}
    for text in texts:
        name, _, score = text.rpartition("=")
        try:
            value = float(score)
        except ValueError:
            name = ""
        if not name:
            message = f"{text!r} is not of the form BENCHMARK=SCORE, such as MMLU=0.86."
            raise typer.BadParameter(message, param_hint="--given")
        if name in scores:
            raise typer.BadParameter(f"{name} is given twice; give one score per benchmark.", param_hint="--given")
        scores[name] = value
    return scores


def check_family(families: Sequence[str] | None, new: bool) -> None:
    """Check that exactly one of ``--family`` and ``--new-family`` is given.

    Raises
    ------
    typer.BadParameter
        Both or neither are given.
    """
    if families and new:
        message = "give either --family NAME, for a family in the data, or --new-family, not both."
    elif not families and not new:
        message = "give the family of the model: --family NAME, or --new-family for a family that is not in the data."
    else:
        return
    raise typer.BadParameter(message, param_hint="--family")
