"""A posterior as one self-contained netCDF file: draws, spec, data and identity, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bayescale import _arviz
from bayescale._files import atomic_write, check_ending
from bayescale.errors import FileError
from bayescale.inference.hdf5_check import refusal

# Format 1 holds `gates` and `apart` in the convergence report, where 2 has `required` and `outlier_chain`, and the
# sampler's coordinates among the draws. Both are read.
FORMAT = 2
_PREFIX = "bayescale_"

# The end of a file: the SHA-256 of all before it. HDF5 ignores what stands behind its own end. Files of versions up to
# 0.2.0.dev0, and those that another program changed, lack it.
_SEAL = b"\nbayescale-sha256:"
_SEALED = len(_SEAL) + 64

_checked: set[str] = set()  # digests of what this process wrote, or found to be sound
_LARGEST = 2**34  # bytes, a hundred times a posterior of 100 models; a stranger's file may not fill the memory


def write(path: str | Path, idata: Any, parts: dict[str, str]) -> Path:
    """Write groups and text parts to `path`, atomically: a killed writer leaves the old file or none.

    Raises
    ------
    FileError
        When the folder does not exist or cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileError(f"Cannot write {path.name}: there is no folder {str(path.parent)!r}. Make it first.")
    if path.is_dir():
        raise FileError(f"Cannot write {str(path)!r}: it is a folder. Give a file name such as posterior.nc.")
    check_ending(path, ".nc")
    attrs = {
        f"{_PREFIX}format": FORMAT,
        f"{_PREFIX}version": version("bayescale"),
        **{f"{_PREFIX}{name}": text for name, text in parts.items()},
    }
    content = _arviz.netcdf_bytes({name: idata[name] for name in _arviz.group_names(idata)}, attrs)
    digest = hashlib.sha256(content).hexdigest()
    _checked.add(digest)
    try:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.write(_SEAL + digest.encode())
    except FileError as error:
        raise FileError(f"{error} The posterior is still in memory: `save` takes another path too.") from error
    return path


def read(path: str | Path) -> tuple[Any, dict[str, str]]:
    """Read a file written by `write`: the groups in memory, and the text parts.

    Raises
    ------
    FileError
        For a missing, damaged or foreign file, or one of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        if path.is_dir():
            raise FileError(f"There is no posterior file {str(path)!r}: it is a folder. Give the file in it.")
        name = path.name if path.suffix in ("", ".nc") else "posterior.nc"
        raise FileError(f"There is no posterior file {str(path)!r}. Make one: bayescale fit --save {name}")
    try:
        idata = _arviz.read_netcdf(_sound(path))
    except Exception as error:  # h5py, h5netcdf and xarray raise many kinds for a damaged file
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        raise FileError(
            f"{str(path)!r} is damaged or not a netCDF file ({kind}{error}). Fit again, or take a copy of the file."
        ) from error
    attrs = {str(k).removeprefix(_PREFIX): v for k, v in idata.attrs.items() if str(k).startswith(_PREFIX)}
    if "format" not in attrs:
        raise FileError(f"{str(path)!r} is a netCDF file, but not a bayescale posterior.")
    if not re.fullmatch("[0-9]{1,9}", str(attrs["format"])):
        shown = str(attrs["format"])[:20]
        raise FileError(f"{str(path)!r} is damaged: its format {shown!r} is no number. Fit again.")
    if int(attrs["format"]) > FORMAT:
        raise FileError(
            f"{str(path)!r} has format {int(attrs['format'])}, written by bayescale {attrs.get('version', '?')}; this "
            f"is {version('bayescale')}, which reads up to format {FORMAT}. Upgrade: pip install -U bayescale"
        )
    missing = [name for name in ("spec", "evals", "verdict", "sampling", "identity") if name not in attrs]
    if missing or "posterior" not in _arviz.group_names(idata):
        lost = ", ".join(missing) or "the draws"
        raise FileError(f"{str(path)!r} is incomplete: it lacks {lost}. Fit again.")
    return idata, {k: str(v) for k, v in attrs.items()}


def _sound(path: Path) -> bytes:
    """Return the content of a file that is whole and a plain HDF5 file, or raise `ValueError`.

    All that follows reads from memory: the file may be replaced while its posterior is in use.
    """
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST >> 30} GiB")
    content = path.read_bytes()
    seal = content[-_SEALED:]
    if sealed := seal.startswith(_SEAL):
        content = content[:-_SEALED]
    digest = hashlib.sha256(content).hexdigest()
    if sealed and seal[len(_SEAL) :] != digest.encode():
        raise ValueError("its content is not what was written")
    if digest not in _checked:
        if reason := refusal(content):
            raise ValueError(reason)
        _checked.add(digest)
    return content


def pack(values: dict[str, Any]) -> str:
    """Text of small settings, for one attribute."""
    return json.dumps(values, sort_keys=True)
