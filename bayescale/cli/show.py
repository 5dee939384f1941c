"""Print results: tables, text and JSON, on a terminal and in a pipe."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from bayescale._display import format_number
from bayescale._intervals import decimals, named, percent

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.analysis.effect import Effect
    from bayescale.forecast import Forecast
    from bayescale.inference.convergence import ConvergenceReport
    from bayescale.inference.posterior import PosteriorData

# Width of text in a pipe, which has none: tables stay readable in a log.
PIPE_WIDTH = 80
_LONG_NAME = 24  # characters, above which names are wrapped where a table is too wide
_NUMBER = re.compile(r"-|-?\d+(\.\d+)?%?")


def step(text: str) -> None:
    """Print progress and file names on stderr; stdout is for results only."""
    print(text, file=sys.stderr, flush=True)


def program() -> str:
    """Return how the user can call this program: by name, or by path if no virtual environment is active."""
    if shutil.which("bayescale"):
        return "bayescale"
    called = sys.argv[0]
    return called if called.endswith("bayescale") else "python -m bayescale"


def forecast_table(forecast: Forecast, prob: float) -> None:
    """Print median and interval per benchmark and model, with as many models side by side as the width allows."""
    from bayescale.forecast.export import settings, side_by_side, support

    if forecast.given:
        say(f"Draws that the given scores leave: {support(forecast)}")
    say(f"Scores that you would measure, from 0 to 1: median [{named(prob)} credible interval]")
    cells = side_by_side(forecast, prob=prob)
    # Rich separates columns by up to three characters.
    label, width = max(map(len, cells.index)), len(str(cells.iloc[0, 0])) + 3
    across = max(1, (_width() - label) // width)
    for start in range(0, cells.shape[1], across):
        # The label of a model is its family and its size; they go on two lines.
        part = cells.iloc[:, start : start + across].rename(columns=lambda m: m.replace(", ", "\n", 1))
        plain_table(part.reset_index())
    for line in settings(forecast):
        say(line)


def outcome(table: pd.DataFrame, model: str, prob: float) -> None:
    """Print the forecast of one hidden model beside its scores, in the column ``observed``."""
    inside = table["observed"].between(table["lower"], table["upper"])
    say(
        f"{model.split('/')[-1]} was hidden from the fit; {inside.sum()} of {len(table)} scores lie in their "
        f"{percent(prob)} interval:"
    )
    columns = {"forecast": _estimates(table, "median"), "score": _text(table["observed"])}
    plain_table(table[["benchmark"]].assign(**columns, inside=inside.map({True: "yes", False: "no"})))


def probabilities(table: pd.DataFrame, above: Mapping[str, float], below: Mapping[str, float]) -> None:
    """Print the probability that scores of each model lie beyond thresholds, to the digits that the draws support."""
    from bayescale.forecast.probability import describe_region

    say(f"Probability of {describe_region(above, below)}, of scores that you would measure:")
    for model, share, error in table[["model", "probability", "error"]].to_numpy():
        say(f"  {model}: {share:.{decimals(error)}f}")


def prior_table(table: pd.DataFrame, prob: float) -> None:
    """Print the scores and curves that the priors imply, per benchmark."""
    say(
        f"Scores that the priors alone imply, from 0 to 1: mean [{named(prob)} interval]; "
        "and the share of curves over compute that fall, are flat, or reach the ceiling"
    )
    columns = {"prior": _estimates(table, "mean"), "observed mean": _text(table["observed"])}
    shares = {"fall": "falling", "flat": "flat", "reach ceiling": "saturated"}
    columns |= {name: _text(table[share], "{:.0%}") for name, share in shares.items()}
    plain_table(table[["benchmark"]].assign(**columns))


def effect_table(effect: Effect, prob: float) -> None:
    """Print the effect of a covariate, per benchmark."""
    what = f"{effect.covariate}, {effect.change}, on {effect.at}"
    say(f"Effect of {what}: median [{named(prob)} credible interval]")
    plain_table(effect.cells(prob=prob).reset_index())


def result_table(table: pd.DataFrame) -> None:
    """Print the table of a result: estimates with their intervals in one column, numbers with few digits."""
    cells = table.copy()
    for name in cells.select_dtypes("number"):
        cells[name] = cells[name].map(format_number)
    if "lower" in cells:
        centre = cells.columns[list(cells).index("lower") - 1]
        cells[centre] = cells[centre] + " [" + cells.pop("lower") + ", " + cells.pop("upper") + "]"
    plain_table(cells.rename(columns=lambda name: name.replace("_", " ")))


def predictive_table(table: pd.DataFrame, together: str, caution: str) -> None:
    """Print the posterior predictive check, per benchmark, and a caution, if any."""
    say(
        "Posterior predictive check, one model left out at a time: observed and replicated mean, coverage of 50% and "
        "90% intervals, and whether PIT values are uniform"
    )
    columns = {name: _text(table[name]) for name in ("observed", "replicated")}
    columns |= {f"in\n{prob}%": _text(table[f"coverage_{prob}"], "{:.0%}") for prob in (50, 90)}
    plain_table(table[["benchmark", "scores"]].rename(columns={"scores": "n"}).assign(**columns, PIT=table["pit"]))
    say(f"Scores of one model together: {together}. {caution}".rstrip())


def formatted(table: pd.DataFrame, columns: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return the columns that are not empty as text, each by its title and format."""
    import pandas as pd

    kept = {name: form for name, form in columns.items() if name in table and table[name].notna().any()}
    texts = {title: _text(table[name], form) for name, (title, form) in kept.items()}
    return pd.DataFrame(texts, index=table.index).reset_index()


def _text(values: pd.Series, form: str = "{:.3f}") -> pd.Series:
    return values.map(form.format, na_action="ignore").fillna("-")


def _estimates(table: pd.DataFrame, centre: str, form: str = "{:.3f}") -> pd.Series:
    """Return estimate and interval of each row as text."""
    middle, low, high = (_text(table[name], form) for name in (centre, "lower", "upper"))
    return middle + " [" + low + ", " + high + "]"


def about(posterior: PosteriorData) -> dict[str, Any]:
    """Return the first fields of every JSON document about a posterior."""
    return {"spec": posterior.spec.name, "evals": posterior.evals.name, "converged": posterior.converged}


def convergence(report: ConvergenceReport) -> None:
    """Print the convergence diagnostics on stdout; on stderr, as a warning, if the sampler did not converge."""
    say(str(report), sys.stdout if report.converged else sys.stderr)


def warn_unconverged(report: ConvergenceReport) -> None:
    """Warn if a posterior did not converge, with the remedies."""
    if report.converged:
        return
    head = "Warning: this posterior did not converge; forecasts from it may be wrong."
    say("\n".join([head, *(f"  * {problem}" for problem in report.problems)]), sys.stderr)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print lines of a result; a terminal wraps each under its own indentation, a pipe keeps it on one line."""
    stream = stream or sys.stdout
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip(" *")))
        lines = textwrap.wrap(line, _width(stream), subsequent_indent=indent) if stream.isatty() else [line]
        print("\n".join(lines), file=stream)


def _width(stream: TextIO | None = None) -> int:
    stream = stream or sys.stdout
    return shutil.get_terminal_size((PIPE_WIDTH, 24)).columns if stream.isatty() else PIPE_WIDTH


def plain_table(frame: pd.DataFrame) -> None:
    """Print a table, with rules on a terminal and plain in a pipe.

    Cells are never truncated; those of a column ``title`` are wrapped, and so are long names on a narrow terminal.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    framed = sys.stdout.isatty()
    # The frame adds a space between columns.
    padding = (0, 1, 0, 0) if framed else (0, 1)
    table = Table(box=box.SIMPLE_HEAD if framed else None, pad_edge=False, header_style="bold", padding=padding)
    cells_of = {str(name): [str(value) for value in column] for name, column in frame.items()}
    longest = {n: max(len(line) for text in (n, *cells) for line in text.split("\n")) for n, cells in cells_of.items()}
    # Names come first.
    excess = (
        sum(20 if name == "title" else width for name, width in longest.items()) + 2 * len(longest) + 2 - _width()
        if framed
        else 0
    )
    names, room = next(iter(longest)), 0
    if excess > 0 and longest[names] > _LONG_NAME:
        room = max(_LONG_NAME, longest[names] - excess)
    for name, cells in cells_of.items():
        kept = name != "title"
        right = all(_NUMBER.fullmatch(cell) for cell in cells)
        column: dict[str, Any] = {"no_wrap": kept, "min_width": longest[name] if kept else 20}
        if room and name == names:
            column = {"overflow": "fold", "width": room}
        table.add_column(name, justify="right" if right else "left", **column)
    for row in zip(*cells_of.values(), strict=True):
        table.add_row(*row)
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=_width())
    # Rich truncates what is wider than the terminal; a line that overflows loses nothing.
    console.width = max(console.width, console.measure(table, options=console.options.update(width=10_000)).minimum)
    console.print(table)


def document(*parts: dict[str, Any]) -> None:
    """Print one JSON document, with null for NaN, infinity and blanks, which JSON cannot express."""
    from pydantic_core import to_jsonable_python

    merged = {key: value for part in parts for key, value in part.items()}
    # Pydantic does not know NumPy's scalars, nor pandas' mark of a blank.
    plain = to_jsonable_python(merged, inf_nan_mode="null", fallback=lambda v: v.item() if hasattr(v, "item") else None)
    print(json.dumps(plain, indent=2, allow_nan=False))
