"""Run a command: exit codes of its errors, and the package's messages in the words of the command line."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import typer

from bayescale.cli.commands import app
from bayescale.cli.process import FAULT, INTERRUPTED, MISTAKE, received_signal
from bayescale.errors import BayescaleError, BayescaleWarning, ConvergenceWarning


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; only `KeyboardInterrupt` leaves it."""
    with warnings.catch_warnings():
        _print_warnings_once()
        # Without a C++ compiler PyTensor warns of slow functions; nutpie, the default sampler, uses none of them.
        logging.getLogger("pytensor.configdefaults").setLevel(logging.ERROR)
        try:
            app(args=arguments, prog_name="bayescale")
        except SystemExit as exit_:  # Typer ends every command this way, and prints usage errors itself
            return exit_.code if isinstance(exit_.code, int) else MISTAKE if exit_.code else 0
        except Exception as error:
            if received_signal():  # libraries turn the interruption into an error of their own
                return INTERRUPTED
            return _report(error)
    return 0


def _report(error: Exception) -> int:
    """Print an error, and return its exit code."""
    code = MISTAKE
    if isinstance(error, BayescaleError):
        text = as_options("\n".join([f"Error: {error}", *getattr(error, "__notes__", ())]))
    elif isinstance(error, MemoryError):
        reason = f" ({error})" if str(error) else ""
        text = f"Error: Out of memory{reason}. Use fewer draws, chains or models."
    else:
        text, code = _fault(error), FAULT
    print(text, file=sys.stderr)
    return code


def _fault(error: Exception) -> str:
    """Describe an error that nobody raised on purpose, and put its traceback into a file."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    said = f"Error: bayescale failed. This is a fault of the program, not yours: {textwrap.shorten(text, 300)}"
    try:
        number, name = tempfile.mkstemp(prefix="bayescale-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return said
    return f"{said}\nPlease report it with the file {name}, which holds the traceback."


def as_options(message: str) -> str:
    """Name options instead of Python arguments in a message of the library.

    Examples
    --------
    >>> as_options("flops=25 is too small: did you mean flops=1e+25?")
    '--flops 25 is too small: did you mean --flops 1e+25?'
    >>> as_options("Add the model to the data (evals.add) and fit again.")
    'Add the model to the data and fit again.'
    """
    options = _options(typer.main.get_command(app))
    message = re.sub(r" \((?:bayescale|evals|posterior)\.[\w.]+\)", "", message)  # Python's way, beside the words
    message = re.sub(
        rf"(?<![\w.'\"-])({'|'.join(options)})=(?=([\w'\"\[{{]|[.-]\d)?)",
        lambda match: options[match[1]] + (" " if match[2] else ""),
        message,
    )
    return re.sub(
        r"(--family )?(bayescale\.)?NEW_FAMILY( \(on the command line --new-family\))?", "--new-family", message
    )


def _options(command: Any) -> dict[str, str]:
    """Return the options of a command and its subcommands by the name of the Python argument."""
    own = {p.name: p.opts[-1] for p in command.params if p.opts[-1].startswith("--")}
    return own | {k: v for member in getattr(command, "commands", {}).values() for k, v in _options(member).items()}


def _print_warnings_once() -> None:
    """Print each warning of bayescale once as a note on stderr; ignore those of other libraries."""
    printed: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = str(message)
        if text not in printed:
            printed.add(text)
            print(f"Note: {as_options(text)}", file=sys.stderr)

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    warnings.simplefilter("always", BayescaleWarning)
    # Commands print the whole convergence report, which holds the same text at length.
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.showwarning = show
