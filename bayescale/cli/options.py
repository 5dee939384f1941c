"""Arguments and options that several commands share, and their conversion to values of the library.

Options have the names of the Python arguments. An option that takes several values is repeated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bayescale._files import check_ending
from bayescale.cli import completion
from bayescale.errors import EvalsError

if TYPE_CHECKING:
    from bayescale.evals import Evals

F = TypeVar("F", "str | None", "list[str] | None")

# The default seed: a repeated command line gives the same numbers, and a repeated backtest resumes. With this one the
# default spec converges on `base-llms` (docs/performance.md).
SEED = 1

# Options by their heading on a help page.
model = functools.partial(typer.Option, rich_help_panel="Model to forecast")
sampling = functools.partial(typer.Option, rich_help_panel="Sampling")
output = functools.partial(typer.Option, rich_help_panel="Output")
file = functools.partial(output, metavar="FILE")


def _ending(ending: str) -> Callable[[Path | None], Path | None]:
    """Return the check of an option's file name."""

    def check(path: Path | None) -> Path | None:
        if path is not None:
            check_ending(path, ending)
        return path

    return check


csv, parquet, netcdf, html = (
    functools.partial(file, callback=_ending(name)) for name in (".csv", ".parquet", ".nc", ".html")
)
draws = functools.partial(sampling, min=1, metavar="N", help="Draws to keep per chain.")
spec = functools.partial(typer.Argument, metavar="SPEC", autocompletion=completion.specs)

PosteriorFile = Annotated[Path, typer.Argument(metavar="POSTERIOR", help="File written by `bayescale fit`.")]
SpecName = Annotated[str, spec(help="Name of a built-in spec, or a YAML file.")]
EvalsName = Annotated[
    str,
    typer.Option(
        metavar="NAME_OR_DIR",
        help="Name of a built-in data set, or a folder with your own tables.",
        autocompletion=completion.evals,
    ),
]

Families = Annotated[
    list[str] | None,
    model(metavar="NAME", help="Family in the data; repeatable.", autocompletion=completion.families),
]
Settings = Annotated[
    list[str] | None,
    model("--set", metavar="NAME=VALUE", help="Another covariate of the spec, such as reasoning=true; repeatable."),
]
Released = Annotated[
    list[str] | None, model(metavar="DATE", help="Release date, such as 2026-12: --set released=DATE.")
]
Makers = Annotated[
    list[str] | None,
    model("--organization", metavar="NAME", help="Its maker, as in the data: --set organization=NAME."),
]
NewFamily = Annotated[bool, model("--new-family", help="A family that is not in the data, instead of --family.")]

NewModelFlops = Annotated[
    list[float] | None,
    model("--flops", metavar="X", help="Training compute in FLOP, such as 4e25; one for all models, or one for each."),
]
Params = Annotated[list[float] | None, model(metavar="X", help="Parameters, such as 7e10.")]
Tokens = Annotated[list[float] | None, model(metavar="X", help="Training tokens, such as 1.5e13.")]
Given = Annotated[
    list[str] | None,
    model(metavar="BENCHMARK=SCORE", help="Known score of the new model, from 0 to 1; repeatable."),
]
Family = Annotated[str | None, model(metavar="NAME", help="Family in the data.", autocompletion=completion.families)]

Draws = Annotated[int, draws()]
Tune = Annotated[int, sampling(min=1, metavar="N", help="Warm-up steps per chain.")]
Chains = Annotated[int, sampling(min=1, metavar="N", help="Chains per fit; convergence diagnostics need at least 2.")]
RandomSeed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same seed gives the same numbers.")
]
Prob = Annotated[float, typer.Option(metavar="P", help="Probability of the credible intervals.")]

AsJson = Annotated[bool, output("--json", help="Print a single JSON document on standard output.")]
Csv = Annotated[Path | None, csv(help="Also write the table to a CSV file.")]
Plot = Annotated[Path | None, file(help="Also draw a figure: .png, .pdf or .svg.")]
Out = Annotated[Path, output("-o", "--out", metavar="DIR", help="Folder for the results.")]


def evals_of(name: str) -> Evals:
    """Read tables from a folder, or load a built-in data set; a name with a path separator is always a folder."""
    from bayescale.evals import list_evals, load_evals, read_evals

    built_in = name in list_evals()["name"].tolist()
    if "/" in name or "\\" in name or (Path(name).is_dir() and not built_in):
        return read_evals(name)
    try:
        return load_evals(name)
    except EvalsError as error:
        raise EvalsError(f"{error} Or give a folder with models.csv, benchmarks.csv and scores.csv.") from None


def known_scores(texts: Sequence[str], option: str = "--given") -> dict[str, float]:
    """Parse values of an option of the form BENCHMARK=SCORE, one for each benchmark.

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
            hint = " Scores are shares, from 0 to 1, without a percent sign." if text.endswith("%") else ""
            message = f"{text!r} is not of the form BENCHMARK=SCORE, such as MMLU=0.86.{hint}"
            raise typer.BadParameter(message, param_hint=option)
        if name in scores:
            raise typer.BadParameter(f"{name} is given twice; give one score per benchmark.", param_hint=option)
        scores[name] = value
    return scores


def columns(
    settings: Sequence[str] | None, released: Sequence[str] | None = None, organization: Sequence[str] | None = None
) -> dict[str, str | list[str]]:
    """Parse covariates of the form NAME=VALUE; a name that is repeated has a value for each model.

    Examples
    --------
    >>> columns(["reasoning=true", "reasoning=false"], ["2026-12"])
    {'released': '2026-12', 'reasoning': ['true', 'false']}
    """
    values: dict[str, list[str]] = {}
    given = {"released": released, "organization": organization}
    named = [f"{name}={value}" for name, cells in given.items() for value in cells or ()]
    for text in [*named, *(settings or ())]:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            message = f"{text!r} is not of the form NAME=VALUE, such as reasoning=true."
            raise typer.BadParameter(message, param_hint="--set")
        values.setdefault(name.strip(), []).append(value.strip())
    return {name: cells[0] if len(cells) == 1 else cells for name, cells in values.items()}


def names(values: Sequence[str] | None, option: str, *, default: Sequence[str]) -> list[str]:
    """Return the values of an option that is repeated: none of them for ``none``, the default without any."""
    for value in values or ():
        if "," in value:
            repeated = " ".join(f"{option} {part.strip()}" for part in value.split(","))
            raise typer.BadParameter(f"give one name each: {repeated}", param_hint=option)
    return [] if values == ["none"] else list(values or default)


def family_of(families: F, new: bool, columns: Iterable[str] = ()) -> F | str | None:
    """Return the families of ``--family``, or that of ``--new-family``; None where a maker among the columns tells it.

    Exactly one of the two options is needed otherwise.
    """
    from bayescale.forecast import NEW_FAMILY
    from bayescale.model.compute import MAKER

    if families and new:
        message = "give either --family NAME, for a family in the data, or --new-family, not both."
    elif not families and not new and MAKER not in columns:
        message = "give the family of the model: --family NAME, or --new-family for a family that is not in the data."
    else:
        return families or (NEW_FAMILY if new else None)
    raise typer.BadParameter(message, param_hint="--family")
