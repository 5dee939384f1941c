"""Entry point of the command line: exit codes, the package's errors and its warnings."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Any

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
            print("\n".join([f"Error: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
            return USER_ERROR
        except KeyboardInterrupt:
            code = INTERRUPTED
    if code == INTERRUPTED:
        print("Interrupted.", file=sys.stderr)
    return code


def _print_warnings_once() -> None:
    """Print each warning of bayescale once as a note on stderr; ignore those of other libraries."""
    seen: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = str(message)
        if text not in seen:
            seen.add(text)
            print(f"Note: {text}", file=sys.stderr)

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    warnings.simplefilter("always", BayescaleWarning)
    # Commands print the whole convergence report, which holds the same text at length.
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.showwarning = show
