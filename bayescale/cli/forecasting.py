"""The command `forecast`: it forecasts scores, prints a table and writes tables, draws and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale._files import atomic_write
from bayescale._intervals import PROB
from bayescale.cli import completion
from bayescale.cli.arguments import OUTPUT, AsJson, Csv, PosteriorFile, Prob, check_family, known_scores
from bayescale.errors import FileError

if TYPE_CHECKING:
    from bayescale.forecast import Forecast

MODEL = "Model to forecast"
PICTURE = "picture"

Writer = Callable[["Forecast", Path, float], object]


def forecast(
    context: typer.Context,
    posterior: PosteriorFile,
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Family in the data; repeat it for several models.",
            autocompletion=completion.families,
            rich_help_panel=MODEL,
        ),
    ] = None,
    new_family: Annotated[
        bool,
        typer.Option(
            "--new-family", help="A family that is not in the data, instead of --family.", rich_help_panel=MODEL
        ),
    ] = False,
    flops: Annotated[
        list[float] | None,
        typer.Option(
            metavar="X",
            help="Training compute in FLOP, such as 4e25; one for all models, or one for each.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    params_b: Annotated[
        list[float] | None, typer.Option(metavar="X", help="Parameters, in 10^9.", rich_help_panel=MODEL)
    ] = None,
    tokens_t: Annotated[
        list[float] | None, typer.Option(metavar="X", help="Training tokens, in 10^12.", rich_help_panel=MODEL)
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BENCHMARK=SCORE",
            help="Known score of the new model, from 0 to 1; repeatable.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the forecast; the ending of the name sets the format; repeatable.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    csv: Csv = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a figure; the name ends in .png, .pdf or .svg.", rich_help_panel=OUTPUT
        ),
    ] = None,
    json: AsJson = False,
    prob: Prob = PROB,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed of the forecast.")] = 0,
) -> None:
    """Forecast the scores of a larger or unseen model.

    Give the family of the model (--family or --new-family) and its size (--flops, or --params-b and --tokens-t; compute
    is then 6 x parameters x tokens). Known scores of the model narrow the forecast (--given).

    The command prints median and equal-tailed credible interval of the score you would measure on each benchmark,
    sampling noise of the benchmark included.

    The ending of the file of -o sets what is written: the table (.csv, .parquet, .json), all draws (.nc, for xarray) or
    the figure (.png, .pdf, .svg).
    """
    from bayescale import _intervals as intervals
    from bayescale.cli import show
    from bayescale.cli.output import check_target
    from bayescale.forecast import NEW_FAMILY
    from bayescale.methods import Posterior

    check_family(family, new_family)
    # Users write several scores after one --given: extra arguments are more of them.
    known = known_scores([*(given or []), *context.args])
    intervals.tails(prob)
    targets = [*(output or []), *([csv] if csv else []), *([plot] if plot else [])]
    for target in targets:
        check_target(target)
    writers = {target: _writer(target, forced) for target, forced in _formats(output, csv, plot)}

    fitted = Posterior.load(posterior)
    params, tokens = ([x * unit for x in sizes or []] or None for sizes, unit in ((params_b, 1e9), (tokens_t, 1e12)))
    forecast = fitted.forecast(family or NEW_FAMILY, flops, params=params, tokens=tokens, given=known, random_seed=seed)
    if not fitted.converged:
        show.unconverged(fitted.convergence)
    for target, write in writers.items():
        write(forecast, target, prob)
    if json:
        print(_document(forecast, prob))
    else:
        show.forecast_table(forecast.to_pandas(prob=prob), prob)
    for target in targets:
        show.step(f"Wrote {target}.")


def _formats(output: Sequence[Path] | None, csv: Path | None, plot: Path | None) -> list[tuple[Path, str]]:
    """Return each file with its format: that of its option, or the ending of its name."""
    chosen = [(path, path.suffix.lower()) for path in output or []]
    return chosen + ([(csv, ".csv")] if csv else []) + ([(plot, PICTURE)] if plot else [])


def _writer(path: Path, form: str) -> Writer:
    """Return the function that writes a file of this format.

    Raises
    ------
    FileError
        The ending is not a known format.
    MissingDependencyError
        Parquet needs PyArrow.
    """
    from bayescale.forecast.export import require_parquet

    if form == ".parquet":
        require_parquet()
    if form in _WRITERS:
        return _WRITERS[form]
    from bayescale.cli import pictures

    if form != PICTURE and not pictures.is_picture(path):
        raise FileError(
            f"Cannot write {path.name!r}: its ending is not a known format. Use .csv, .parquet or .json for the table, "
            ".nc for the draws, .png, .pdf or .svg for the figure."
        )
    pictures.check_picture(path)
    return pictures.draw


def _write_json(forecast: Forecast, path: Path, prob: float) -> None:
    text = _document(forecast, prob) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


_WRITERS: dict[str, Writer] = {
    ".csv": lambda forecast, path, prob: forecast.to_csv(path, prob=prob),
    ".parquet": lambda forecast, path, prob: forecast.to_parquet(path, prob=prob),
    ".json": _write_json,
    ".nc": lambda forecast, path, _: forecast.to_netcdf(path),
}


def _document(forecast: Forecast, prob: float) -> str:
    """Return the forecast as JSON."""
    from bayescale._intervals import KIND
    from bayescale.cli import show

    numbers = {
        "prob": prob,
        "interval": KIND,
        "given": dict(forecast.given),
        "effective_draws": forecast.effective_draws,
    }
    rows = forecast.to_pandas(prob=prob).to_dict("records")
    return show.as_json(show.about(forecast.posterior) | numbers | {"forecasts": rows})
