"""Atomic file writes, and the folders of data and specs inside the package."""

from __future__ import annotations

import glob
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayescale.errors import BayescaleError, FileError

_PACKAGE = Path(__file__).resolve().parent
_NAME_LENGTH = 50  # characters, of up to 4 bytes, that a temporary file takes of a name: file systems allow 255 bytes


@contextmanager
def atomic_write(path: str | Path, keep_suffix: bool = False) -> Iterator[Path]:
    """Write a file atomically: yield a temporary file in the same folder, and rename it to `path` after the block.

    `path` has the old content or the new one, whenever the process is killed. An error in the block removes the
    temporary file and leaves the old one. A new file has the permissions that `open` would give it, a replaced file
    keeps its own. A file that cannot be written raises `FileError`.

    With `keep_suffix` the temporary file has the suffix of `path`, by which some libraries choose the format. The
    default suffix, ``.partial``, distinguishes the remains of a killed process from files of that kind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "note.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     [file.name for file in Path(folder).iterdir()]
    ['note.txt']
    """
    path = Path(path)
    try:
        permissions = _permissions(path)
        suffix = path.suffix if keep_suffix else ".partial"
        temporary = path.parent / f".{path.name[-_NAME_LENGTH:]}.{secrets.token_hex(8)}{suffix}"
        # Exclusive: never a file, or the target of a link, of somebody else. `os.open` applies the umask by itself; the
        # replacement of a private file is private from the start.
        mode = 0o666 if permissions is None else permissions & 0o666 | stat.S_IRUSR | stat.S_IWUSR
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        try:
            yield temporary
            with temporary.open("rb+") as file:  # the rename must not reach the disk before the content does
                os.fsync(file.fileno())
            if permissions is not None:
                temporary.chmod(permissions)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def remove_partial(path: Path) -> None:
    """Remove the temporary files of killed writers of `path`; a writer that still runs fails."""
    for file in path.parent.glob(f".{glob.escape(path.name[-_NAME_LENGTH:])}.*.partial"):
        file.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> FileError:
    """Return an error with the reason that the system gives."""
    return FileError(f"Cannot write {str(path)!r}: {error.strerror or error}.")


def _permissions(path: Path) -> int | None:
    """Return the permission bits of an existing file, None where there is none."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    except FileNotFoundError:
        return None


def shipped(kind: str) -> Path:
    """Return the folder ``"data"`` or ``"models"``, or raise `BayescaleError` where the installation is incomplete.

    A wheel carries the folders inside the package; a checkout or an editable install has them at the top of the
    repository.

    Examples
    --------
    >>> shipped("data").name
    'data'
    """
    candidates = [_PACKAGE / "_shipped" / kind]
    # In site-packages, a folder beside the package belongs to another one.
    if (_PACKAGE.parent / "pyproject.toml").is_file():
        candidates.append(_PACKAGE.parent / kind)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise BayescaleError(
        f"The installation of bayescale is incomplete: the folder {kind!r} is missing; searched "
        f"{', '.join(str(c) for c in candidates)}. Install the package again: pip install --force-reinstall bayescale"
    )
