"""Check, before the work starts, that output files and folders can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bayescale._files import unwritable
from bayescale.errors import FileError


def check_target(path: Path) -> None:
    """Check that `path` can be written, before the work starts.

    Raises
    ------
    FileError
        The folder is missing or not writable, or the path is a folder.
    """
    if path.is_dir():
        raise FileError(f"Cannot write {str(path)!r}: it is a folder. Give the name of a file.")
    if not path.parent.is_dir():
        raise FileError(f"Cannot write {path.name}: there is no folder {str(path.parent)!r}. Create it first.")
    try:
        # Permissions alone are not enough: a file system may be read-only or full.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def make_folder(path: Path) -> None:
    """Create a folder for results unless it exists.

    Raises
    ------
    FileError
        It cannot be created, or a file has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileError(f"Cannot create the folder {str(path)!r}: a file has this name. Choose another name.") from None
    except OSError as error:
        raise unwritable(path, error) from error
