"""Entry point of the command line: exit codes, the package's errors and its warnings."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer

from bayescale.cli.commands import app
from bayescale.errors import BayescaleError, BayescaleWarning, ConvergenceWarning

USER_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: the arguments of the process.

    Returns
    -------
    int
        0 if the command worked, 1 if `check` found no convergence, 2 for a user's error, 130 after Ctrl-C.
    """
    with warnings.catch_warnings():
        _print_warnings_once()
        # Without a C++ compiler PyTensor warns of slow functions; nutpie, the default sampler, uses none of them.
        logging.getLogger("pytensor.configdefaults").setLevel(logging.ERROR)
        try:
            app(args=arguments, prog_name="bayescale")
            code = 0
        except SystemExit as exit_:  # Typer ends every command this way, and prints usage errors itself
            code = int(exit_.code or 0)
        except BayescaleError as error:
            lines = [f"Error: {error}", *getattr(error, "__notes__", ())]
            print(as_options("\n".join(lines)), file=sys.stderr)
            return USER_ERROR
        except KeyboardInterrupt:
            code = INTERRUPTED
    if code == INTERRUPTED:
        print("Interrupted.", file=sys.stderr)
    return code


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
