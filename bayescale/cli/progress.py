"""Long work from the command line: one line that says how far it is, and workers that keep quiet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A log shows so many lines of progress.
LINES = 20


@contextmanager
def quiet_workers() -> Iterator[None]:
    """Warnings of other libraries are for developers, in worker processes as in this one."""
    before = os.environ.get(name := "PYTHONWARNINGS")
    os.environ.setdefault(name, "ignore")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """One line that fills on a terminal; in a pipe, a line now and then.

    Parameters
    ----------
    what : str
        What is counted, such as fits.
    """
    from bayescale.cli import show

    if not sys.stderr.isatty():
        said = -1

        def say(done: int, total: int, last: str) -> None:
            nonlocal said
            part = done * LINES // max(total, 1)
            if part != said:
                said = part
                show.step(f"{done} of {total} {what}" + (f": {last}" if last else ""))

        yield say
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, last: bar.update(task, completed=done, total=total, description=last)
