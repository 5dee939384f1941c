"""Commands of the program by name, and command lines that are parsed but not run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import pytest
import typer

from bayescale.cli.commands import app


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path of a command and the command, then those of all its subcommands."""
    yield path, command
    for name, member in getattr(command, "commands", {}).items():
        yield from walk(member, (*path, name))


PAGES = dict(walk(typer.main.get_command(app)))
COMMANDS = [path for path, command in PAGES.items() if not hasattr(command, "commands")]


# Typer takes a tenth of a second to make the commands, and pages hold many command lines.
_PARSER = typer.main.get_command(app)
for _, _command in walk(_PARSER):
    _command.callback = None


def parse(arguments: Sequence[str]) -> tuple[int, str]:
    """Parse a command line without running the command: the exit code, and the usage error if there is one."""
    with redirect_stderr(StringIO()) as error, pytest.raises(SystemExit) as end:
        _PARSER.main(list(arguments), prog_name="bayescale")
    return int(end.value.code or 0), error.getvalue()
