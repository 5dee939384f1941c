"""Atomic file writes, and the folders of data and specs inside the package."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from bayescale.errors import BayescaleError, FileError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PACKAGE = Path(__file__).resolve().parent
_NAME_LENGTH = 50  # characters, of up to 4 bytes, that a temporary file takes of a name: file systems allow 255 bytes
_TEMPORARY = re.compile(r"\.bayescale\.[0-9a-f]{32}\.")
_DAY = 86400.0

_swept: set[Path] = set()

_NO_ROOM = "Free space there, or write to another disk."
_NOT_ALLOWED = "Write to another folder, or change its permissions."
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _NO_ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _NOT_ALLOWED),
    errno.ENOENT: "Create the folder, or write to another one.",
}


FORMATS = {
    ".nc": (".nc", ".nc4", ".netcdf", ".h5", ".hdf5"),
    ".html": (".html", ".htm"),
    ".csv": (".csv",),
    ".parquet": (".parquet", ".pq"),
}
_OTHERS = frozenset((".png", ".pdf", ".svg", ".jpg", ".json", ".yaml", ".yml", ".md", ".txt", ".xlsx", ".zip", ".pkl"))


def check_ending(path: str | Path, ending: str) -> None:
    """Raise `FileError` if the name of a file ends like one of another format than that of `ending`, such as ``".nc"``.

    Endings that name no format that is known here, such as that of ``llama-3.1``, are taken.

    Examples
    --------
    >>> check_ending("posterior.nc", ".nc")
    """
    suffix = Path(path).suffix.lower()
    known = _OTHERS.union(*FORMATS.values())
    if suffix in known and suffix not in FORMATS[ending]:
        name = Path(path).name
        better = Path(name).with_suffix(ending)
        raise FileError(f"Cannot write {name!r}: its ending is that of another format. Name it {str(better)!r}.")


@contextmanager
def atomic_write(path: str | Path, keep_suffix: bool = False) -> Iterator[Path]:
    """Write a file atomically: yield a temporary file in the same folder, and rename it to `path` after the block.

    `path` has the old content or the new one, whenever the process is killed. An error in the block removes the
    temporary file and leaves the old one; the first write to a folder removes what killed processes left there. A new
    file has the permissions that `open` would give it, a replaced file keeps its own. A symbolic link stays, and the
    file that it leads to is written; a device or a pipe gets the content. A file that cannot be written, or is
    read-only, raises `FileError`.

    With `keep_suffix` the temporary file has the suffix of `path`, by which some libraries choose the format.

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
        old = _status(path)
        if old and not stat.S_ISREG(old.st_mode) and not stat.S_ISDIR(old.st_mode):
            with _through_copy(path, keep_suffix) as temporary:
                yield temporary
            return
        if old and not old.st_mode & 0o222:
            raise FileError(f"Cannot write {str(path)!r}: it is read-only. Allow it (chmod u+w), or give another name.")
        target = Path(os.path.realpath(path))
        _sweep(target.parent)
        name = path.name[-_NAME_LENGTH:] + ("" if keep_suffix else ".partial")
        temporary = target.parent / f".bayescale.{secrets.token_hex(16)}.{name}"
        # Exclusive: never a file, or the target of a link, of somebody else. `os.open` applies the umask by itself; the
        # replacement of a private file is private from the start.
        mode = 0o666 if old is None else old.st_mode & 0o666 | stat.S_IRUSR | stat.S_IWUSR
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
        try:
            _lock(handle)  # tells other processes that its writer lives
            yield temporary
            with temporary.open("rb+") as file:  # the rename must not reach the disk before the content does
                os.fsync(file.fileno())
            if old is not None:
                with contextlib.suppress(OSError, AttributeError):  # root keeps the owner, others are the owner
                    os.chown(temporary, old.st_uid, old.st_gid)
                temporary.chmod(stat.S_IMODE(old.st_mode) & 0o777)
            if os.name == "nt":  # which renames no open file
                os.close(handle)
                handle = -1
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            if handle >= 0:
                os.close(handle)
    except FileError:
        raise
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> FileError:
    """Return an error with the reason that the system gives, and the remedy."""
    remedy = _REMEDIES.get(error.errno or 0, "")
    return FileError(f"Cannot write {str(path)!r}: {error.strerror or error}. {remedy}".rstrip())


def _status(path: Path) -> os.stat_result | None:
    """Return what the system says of an existing file, None where there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextmanager
def _through_copy(path: Path, keep_suffix: bool) -> Iterator[Path]:
    """Write to a temporary file, and copy its content to a device or a pipe."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / f"content{path.suffix if keep_suffix else ''}"
        temporary.touch()
        yield temporary
        with temporary.open("rb") as content, path.open("wb") as device:
            shutil.copyfileobj(content, device)


def _sweep(folder: Path) -> None:
    """Remove the temporary files of killed writers from a folder; once per process, for a folder may be large."""
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):
        left = [Path(entry) for entry in os.scandir(folder) if _TEMPORARY.match(entry.name)]
        for file in left:
            with contextlib.suppress(OSError):
                if _abandoned(file):
                    file.unlink()


def _abandoned(file: Path) -> bool:
    handle = os.open(file, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        # Where a file system has no locks, only old files are abandoned for certain.
        return _lock(handle) or time.time() - os.fstat(handle).st_mtime > _DAY
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open file and return True; False where there are no locks, `BlockingIOError` where another has it."""
    try:
        if fcntl is None:
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def storable(text: str) -> bool:
    r"""Return whether a text can stand in a file: no NUL, which HDF5 refuses, and no half of a pair (surrogate).

    Examples
    --------
    >>> storable("Ünïcode\n"), storable("a\0b"), storable("\ud800")
    (True, False, False)
    """
    return not re.search("[\0\ud800-\udfff]", text)


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


def use_writable_caches(environment: MutableMapping[str, str] = os.environ) -> None:
    """Point the caches of PyTensor, ArviZ and Matplotlib to folders that can be written, before these are imported.

    ``BAYESCALE_CACHE`` names a folder for all of them. Without it they are where they always are, under the home
    folder, unless that cannot be written: then in a folder of this user alone among the system's temporary files.
    """
    folder = environment.get("BAYESCALE_CACHE", "")
    if not folder:
        home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path's raises without a home
        wanted = [home / ".pytensor", Path(environment.get("XDG_CACHE_HOME") or home / ".cache")]
        if os.name == "nt" or all(map(_can_write, wanted)):
            return
        folder = _own_temporary_folder()
        text = f"The home folder {str(home)!r} cannot be written: compiled code is kept in {folder}."
        print(f"Note: {text} Set BAYESCALE_CACHE to a folder of your own to keep it elsewhere.", file=sys.stderr)
        environment["BAYESCALE_CACHE"] = folder  # said once, not by every worker
        environment.setdefault("MPLCONFIGDIR", folder)
    path = Path(folder).expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    if not (given := environment.get("XDG_CACHE_HOME")) or not _can_write(Path(given)):
        environment["XDG_CACHE_HOME"] = str(path)
    flags = environment.get("PYTENSOR_FLAGS", "")
    if "base_compiledir" not in flags:
        environment["PYTENSOR_FLAGS"] = ",".join(filter(None, [flags, f"base_compiledir={path / 'pytensor'}"]))


def _can_write(folder: Path) -> bool:
    """Return whether a folder can be written, or made."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _own_temporary_folder() -> str:
    """Return the folder of this user among the temporary files, a new one if somebody else has its name."""
    folder = Path(tempfile.gettempdir()) / f"bayescale-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return str(folder)
    return tempfile.mkdtemp(prefix="bayescale-")
