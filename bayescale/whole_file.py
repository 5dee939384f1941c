"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bayescale.errors import OutputError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then move it there: a killed writer leaves the old file or none.

    Parameters
    ----------
    path : pathlib.Path
        Where the file is to be.
    write : callable
        Called with the path of the file to fill, whose ending is that of `path`.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    # The ending stays last: matplotlib and others choose the format by it.
    temporary = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error that says what the system says, in one sentence."""
    return OutputError(f"Cannot write {str(path)!r}: {error.strerror or error}.")
