"""Check that bytes are a plain and whole HDF5 file; run as a program, within limits of time and memory.

HDF5 never returns from some damaged files, and ends the process at others: what it does with a file that is not known
happens in a process of its own first, which imports nothing of the package.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from io import BytesIO
from typing import Any

# What deflate and shuffle (with a checksum) do; others are plugins, which HDF5 loads from the disk.
_FILTERS = {1, 2, 3}
# Values that a file may unfold to, in bytes: draws hardly compress.
_LEAST_ALLOWED, _RATIO = 2**26, 30
_SECONDS, _BYTES_A_SECOND, _LONGEST_WAIT = 2, 2e7, 900
_REFUSED = 3


def refusal(content: bytes) -> str | None:
    """Return why a file is not to be opened, None for a sound one.

    It is not if it is damaged, takes HDF5 too long, unfolds to far more than its size, or refers to other files.
    """
    limit = _SECONDS + int(len(content) / _BYTES_A_SECOND)
    # As this process finds its libraries, but never in the working directory.
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    try:
        command = [sys.executable, "-P", __file__, str(limit), str(2**32 + 2 * _allowed(content))]
        # The limit is of processor time, for which a busy machine may let it wait for minutes; Windows has none.
        wait = 20 * limit if os.name == "nt" else _LONGEST_WAIT
        done = subprocess.run(command, input=content, capture_output=True, env=environment, timeout=wait)
    except subprocess.TimeoutExpired:
        return "HDF5 does not come to an end with it"
    if done.returncode == _REFUSED:
        return done.stdout.decode(errors="replace").strip()
    return "HDF5 does not come to an end with it, or fails" if done.returncode else None


def check(content: bytes) -> None:
    """Read all of a file, and raise `ValueError` for what no posterior has."""
    import h5py  # type: ignore[import-untyped]

    seen: set[Any] = set()
    left = _allowed(content)
    with h5py.File(BytesIO(content), "r") as file:
        groups = [file["/"]]
        for group in groups:
            list(group.attrs.items())
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{name} is a link to another place or file")
                item = group[name]
                if (place := h5py.h5o.get_info(item.id).addr) in seen:
                    raise ValueError(f"{name} is there twice")
                seen.add(place)
                if isinstance(item, h5py.Group):
                    groups.append(item)
                    continue
                if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                    raise ValueError(f"{name} has its values in another file")
                plan = item.id.get_create_plist()
                if not {plan.get_filter(i)[0] for i in range(plan.get_nfilters())} <= _FILTERS:
                    raise ValueError(f"{name} needs a plugin of HDF5")
                left -= item.size * item.dtype.itemsize
                if left < 0:
                    raise ValueError("it unfolds to far more than its size")
                list(item.attrs.items())
                if item.dtype.kind == "V" or any(len(dimension) > 1 for dimension in item.dims):
                    raise ValueError(f"{name} is no plain array")
                item[()]


def _allowed(content: bytes) -> int:
    return _LEAST_ALLOWED + _RATIO * len(content)


def _limit(seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


if __name__ == "__main__":
    __import__("h5py")  # a slow machine takes longer for it than for a file: the limit counts from here
    _limit(int(time.process_time()) + 1 + int(sys.argv[1]), int(sys.argv[2]))
    try:
        check(sys.stdin.buffer.read())
    except Exception as error:
        print(f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else error)
        sys.exit(_REFUSED)
