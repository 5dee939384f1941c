"""Progress display of long computations, HTML representations for notebooks, and what all results share.

Progress is a bar or a spinner on a terminal, a line in a notebook, and nothing in a pipe or a worker process.
"""

from __future__ import annotations

import multiprocessing
import sys
import textwrap
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any

from bayescale._intervals import PROB, percent

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Report = Callable[[int, int, str], None]
"""Callback that receives the number done, the total, and the name of the last finished item."""

SPINNER_DELAY = 1.0
"""Seconds before a spinner is shown."""

# Only one display at a time: a second one would overwrite the first.
_busy = threading.Lock()


def on_terminal() -> bool:
    """Test whether standard error is a terminal of this process; worker processes only inherit it."""
    return sys.stderr.isatty() and multiprocessing.parent_process() is None


def in_notebook() -> bool:
    """Test whether this process is a notebook kernel."""
    return "ipykernel" in sys.modules and multiprocessing.parent_process() is None


def watched() -> bool:
    """Test whether progress is visible to a user: on a terminal or in a notebook."""
    return on_terminal() or in_notebook()


@contextmanager
def working(what: str, shown: bool = True) -> Iterator[None]:
    """Show a spinner with the elapsed seconds on a terminal, for work that takes longer than `SPINNER_DELAY`.

    Examples
    --------
    >>> with working("Adding"):
    ...     1 + 1
    2
    """
    with telling(what, shown):
        yield


@contextmanager
def telling(what: str, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Show a spinner as `working` does, and yield the function that tells how far the work is."""
    if not (shown and on_terminal() and _busy.acquire(blocking=False)):
        yield lambda _: None
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = _bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    task = bar.add_task(what, total=None)
    over, gate = False, threading.Lock()

    def start() -> None:
        with gate:
            if not over:
                bar.start()

    timer = threading.Timer(SPINNER_DELAY, start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda so_far: bar.update(task, description=f"{what}: {so_far}")
    finally:
        timer.cancel()
        with gate:
            over = True
            bar.stop()
        _busy.release()


@contextmanager
def counting(what: str, report: Report | None = None) -> Iterator[Report]:
    """Show how many items, such as ``"fits"``, are finished: a bar on a terminal, an updated line in a notebook.

    Yield the function to call after each item: `report`, instead of a display, if given.
    """
    if report is not None:
        yield report
    elif on_terminal() and _busy.acquire(blocking=False):
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

        last = TextColumn("{task.description}")
        bar = _bar(TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), last)
        task = bar.add_task("", total=None)
        try:
            with bar:
                yield lambda done, total, name: bar.update(task, completed=done, total=total, description=name)
        finally:
            _busy.release()
    elif in_notebook():
        yield _notebook_line(what)
    else:
        yield lambda *_: None


def _bar(*columns: Any) -> Any:
    """Return a transient progress display on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)


def _notebook_line(what: str) -> Report:
    from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

    started, handle = time.monotonic(), None

    def update(done: int, total: int, name: str) -> None:
        nonlocal handle
        text = f"{what}: {done} of {total} in {time.monotonic() - started:.0f} s"
        data = {"text/plain": f"{text}, last {name}" if name and done < total else text}
        if handle is None:
            handle = display(data, raw=True, display_id=True)
        else:
            handle.update(data, raw=True)

    return update


MOST_ROWS = 24
NEXT = "Next: "
WIDTH = 80
"""Columns of the text of a result."""


def wrapped(text: str) -> str:
    r"""Wrap the sentences of a text at `WIDTH` columns; indented lines are rows of a table and stay as they are.

    Examples
    --------
    >>> print(wrapped("word " * 20 + "\n  a   b"))
    word word word word word word word word word word word word word word word word
    word word word word
      a   b
    """
    lines = []
    for line in text.splitlines():
        bullet = line.startswith("  * ")
        if line.startswith(" ") and not bullet:
            lines.append(line)
        else:
            indent = "    " if bullet else ""
            lines += textwrap.wrap(
                line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
    return "\n".join(lines)


# Colours are inherited, so that light and dark themes both work, and nothing is loaded from the network.
_STYLE = (
    ".bayescale{color:inherit;overflow-x:auto}"
    ".bayescale p{margin:.2em 0;max-width:60em}"
    ".bayescale table{border-collapse:collapse;margin:.5em 0;color:inherit;font-size:inherit;"
    "font-variant-numeric:tabular-nums}"
    ".bayescale th,.bayescale td{padding:.2em .7em;text-align:right;color:inherit;white-space:nowrap;"
    "border-bottom:1px solid rgba(128,128,128,.35)}"
    ".bayescale th.t,.bayescale td.t{text-align:left}"
    ".bayescale small{opacity:.75}"
)


def as_html(text: str, table: pd.DataFrame | None = None, caption: str = "") -> str:
    """Render the text of a value, before it is wrapped, and a table with its caption, as HTML.

    The first line of the text is the headline, a line that begins with ``Next: `` holds code. Indented lines are a
    table in text; where there is `table`, they are left out. Of the table at most `MOST_ROWS` rows are shown, the first
    and the last of them; its ``attrs`` ``prob`` and ``interval`` go into the caption. All text is escaped, so that
    names are not interpreted as HTML or formulas.

    Examples
    --------
    >>> "<script>" in as_html("Evals of <script>alert(1)</script>: 3 models")
    False
    """
    first, *rest = text.splitlines()
    parts = [f"<p><b>{escape(first)}</b></p>"]
    following = []
    for line in rest:
        if line.startswith(NEXT):
            following.append(f"<p><small>{NEXT}<code>{escape(line.removeprefix(NEXT))}</code></small></p>")
        elif table is None or not line.startswith("  "):
            parts.append(f"<p>{escape(line.strip())}</p>")
    if table is not None:
        heading = "; ".join(part for part in (caption, interval_words(table)) if part)
        parts += [f"<p><small>{escape(heading)}</small></p>"] if heading else []
        parts.append(_rows(table))
    # The class disables MathJax: a `$` in a name does not start a formula.
    return f'<div class="bayescale tex2jax_ignore"><style>{_STYLE}</style>{"".join(parts + following)}</div>'


def format_number(value: float) -> str:
    """Format a number with three or four significant digits.

    Examples
    --------
    >>> [format_number(v) for v in (0.71824, 1.0, -123.4567, 4e25, float("nan"))]
    ['0.718', '1', '-123.5', '4e+25', '–']
    """
    if value != value:
        return "–"
    size = abs(value)
    if size and not 1e-3 <= size < 1e6:
        return f"{value:.3g}"
    if float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"


def interval_words(table: pd.DataFrame) -> str:
    """Say what ``lower`` and ``upper`` of a table are, from its ``attrs``; empty without them."""
    if not {"prob", "interval"} <= set(table.attrs):
        return ""
    return f"lower and upper: {percent(table.attrs['prob'])} {table.attrs['interval']} credible interval"


def _rows(table: pd.DataFrame) -> str:
    named = table.index.name is not None
    frame = table.reset_index() if named else table
    # Numbers are right-aligned, text is left-aligned, headings as their columns.
    words = [not number for number in frame.columns.isin(frame.select_dtypes("number").columns)]
    places = list(range(len(frame)))
    left_out = len(places) - MOST_ROWS
    if left_out > 0:
        places = [*places[: MOST_ROWS // 2], -1, *places[-(MOST_ROWS // 2) :]]
    values = list(frame.itertuples(index=False, name=None))
    lines = [_line("th", map(str, frame.columns), words)]
    for place in places:
        if place < 0:
            lines.append(f'<tr><td class="t" colspan="{len(words)}">… {left_out} more</td></tr>')
        else:
            lines.append(_line("td", map(_cell, values[place]), words))
    return f"<table><thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody></table>"


def _line(tag: str, cells: Any, words: list[bool]) -> str:
    left = ' class="t"'
    parts = (f"<{tag}{left if word else ''}>{escape(cell)}</{tag}>" for cell, word in zip(cells, words, strict=True))
    return f"<tr>{''.join(parts)}</tr>"


def _cell(value: Any) -> str:
    import pandas as pd

    if isinstance(value, float):
        return format_number(value)
    return "–" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


class Result(ABC):
    """Base of results, frozen dataclasses: `summary`, `to_xarray`, `plot`, and a table in notebooks."""

    @abstractmethod
    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise as a table; intervals have the probability `prob`."""

    @abstractmethod
    def plot(self, *args: Any, **settings: Any) -> Any:
        """Plot with Matplotlib."""

    @abstractmethod
    def _text(self, prob: float = PROB) -> str:
        """Describe in text: a headline, rows of a table, and what to do next; sentences are one line each."""

    def text(self, *, prob: float = PROB) -> str:
        """Describe in at most 80 columns, as ``print`` does, with intervals of any probability.

        Examples
        --------
        >>> posterior.efficiency("Llama-2").text(prob=0.5).splitlines()[0]
        'Efficiency of 8 families, measured along benchmarks: compute multipliers'
        """
        return wrapped(self._text(prob))

    def __repr__(self) -> str:
        return self.text()

    def to_xarray(self) -> xr.Dataset:
        """Return arrays and tables as one dataset; names, numbers and sources are its attributes.

        An uplift is given at the powers of ten of compute, on typical and single models (dim ``of``).

        Examples
        --------
        >>> sorted(posterior.efficiency("Llama-2").to_xarray().data_vars)
        ['benchmark_log10_multiplier', 'compute_slopes', 'log10_multiplier']
        """
        import xarray as xr

        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        dataset = xr.Dataset({name: value for name, value in values.items() if isinstance(value, xr.DataArray)})
        for value in values.values():
            dataset = dataset.merge(value) if isinstance(value, xr.Dataset) else dataset
        plain = {n: int(v) if isinstance(v, bool) else v for n, v in values.items() if isinstance(v, (int, float, str))}
        if posterior := values.get("posterior"):
            plain |= {"spec": posterior.spec.name, "evals": posterior.evals.name, "posterior": posterior.identity}
        return dataset.assign_attrs(plain)

    def _repr_html_(self) -> str:
        return as_html(self._text(), self.summary())
