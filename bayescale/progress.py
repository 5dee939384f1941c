"""Progress, for whoever watches: on a terminal a bar or a spinner, in a notebook a line, in a pipe nothing."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = Callable[[int, int, str], None]
"""Called with how much is done, of how much in all, and what was finished last."""

PATIENCE = 1.0
"""Seconds before a spinner is shown: what is done by then needs none."""

# One display at a time: a second one would write over the first.
_busy = threading.Lock()


def on_terminal() -> bool:
    """Whether a person sees what this process writes to standard error. Worker processes only inherit the terminal."""
    return sys.stderr.isatty() and multiprocessing.parent_process() is None


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    return "ipykernel" in sys.modules and multiprocessing.parent_process() is None


def watched() -> bool:
    """Whether anybody is there to see progress: a terminal or a notebook."""
    return on_terminal() or in_notebook()


@contextmanager
def working(what: str, shown: bool = True) -> Iterator[None]:
    """Say on a terminal what is being done, with a spinner and the seconds, once it takes longer than `PATIENCE`.

    Parameters
    ----------
    what : str
        Such as ``"Compiling the model"``.
    shown : bool
        False keeps quiet whoever watches.

    Examples
    --------
    >>> with working("Adding"):
    ...     1 + 1
    2
    """
    if not (shown and on_terminal() and _busy.acquire(blocking=False)):
        yield
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = _bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bar.add_task(what, total=None)
    over, gate = False, threading.Lock()

    def start() -> None:
        with gate:
            if not over:
                bar.start()

    timer = threading.Timer(PATIENCE, start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with gate:
            over = True
            bar.stop()
        _busy.release()


@contextmanager
def counting(what: str, report: Report | None = None) -> Iterator[Report]:
    """Count what is finished: a bar on a terminal, a line that changes in a notebook.

    Parameters
    ----------
    what : str
        What is counted, such as ``"fits"``.
    report : callable, optional
        Called instead, whoever watches.

    Yields
    ------
    callable
        To be called with done, total and a name of what was finished last.
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
        yield _line(what)
    else:
        yield lambda *_: None


def _bar(*columns: Any) -> Any:
    """A display on standard error that leaves standard output alone, and nothing behind."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)


def _line(what: str) -> Report:
    from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

    started, handle = time.monotonic(), None

    def say(done: int, total: int, name: str) -> None:
        nonlocal handle
        text = f"{what}: {done} of {total} in {time.monotonic() - started:.0f} s"
        data = {"text/plain": f"{text}, last {name}" if name and done < total else text}
        if handle is None:
            handle = display(data, raw=True, display_id=True)
        else:
            handle.update(data, raw=True)

    return say
