"""Check, before the work, that a command can write its files after it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bayescale._files import unwritable
from bayescale.errors import OutputError


def check_target(path: Path) -> None:
    """Find out before the work whether `path` can be written after it.

    Raises
    ------
    OutputError
        The folder is missing or not writable, or the path is a folder.
    """
    if path.is_dir():
        raise OutputError(f"Cannot write {str(path)!r}: it is a folder. Give the name of a file in it.")
    if not path.parent.is_dir():
        raise OutputError(f"Cannot write {path.name}: there is no folder {str(path.parent)!r}. Make it first.")
    try:
        # Permissions alone do not tell: a file system may be read-only, or its quota used up.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def make_folder(path: Path) -> None:
    """Make a folder for results if it is not there.

    Raises
    ------
    OutputError
        It cannot be made, or a file has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"Cannot make the folder {str(path)!r}: a file has this name.") from None
    except OSError as error:
        raise unwritable(path, error) from error
