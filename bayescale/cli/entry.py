"""From the shell and back: exit codes, errors as sentences, warnings as notes."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer

from bayescale.cli.commands import app
from bayescale.errors import BayescaleError, BayescaleWarning, ConvergenceWarning

MISTAKE = 2
INTERRUPTED = 130

# Typer carries click inside or beside it, by version; what it exports leads to the class that both have.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        0 if it worked, 1 if `check` found no convergence, 2 for a mistake of the user's, 130 after Ctrl-C.
    """
    with warnings.catch_warnings():
        _say_warnings_once()
        # Without a C++ compiler PyTensor warns of slow functions; nutpie, the default sampler, uses none of them.
        logging.getLogger("pytensor.configdefaults").setLevel(logging.ERROR)
        try:
            # In this mode the framework returns the code of an `Exit`, and 130 for Ctrl-C.
            code = int(app(args=arguments, prog_name="bayescale", standalone_mode=False) or 0)
        except _UsageError as error:
            command = error.ctx.command_path if error.ctx else "bayescale"
            return _mistake(f"{error.format_message()}\nSee: {command} --help")
        except BayescaleError as error:
            return _mistake("\n".join([str(error), *getattr(error, "__notes__", ())]))
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
    if code == INTERRUPTED:
        print("Interrupted.", file=sys.stderr)
    return code


def _mistake(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return MISTAKE


def _say_warnings_once() -> None:
    """Warnings of bayescale become notes on stderr, each once; those of other libraries are for developers."""
    said: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = str(message)
        if text not in said:
            said.add(text)
            print(f"Note: {text}", file=sys.stderr)

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    warnings.simplefilter("always", BayescaleWarning)
    # Commands print the whole verdict, which says the same at length.
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.showwarning = show
