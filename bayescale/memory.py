"""How the process holds memory while it compiles and samples.

Freed memory stays with it: a gradient allocates the same arrays again, hundreds of times a second. And Python's cyclic
garbage collector rests while a model is compiled.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Of glibc's `mallopt`: from how much free memory at the top of a heap on that is given back to the system, and from
# which size on an array is mapped by itself, to be given back when it is freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _MAPPED = 256 * 2**20, 32 * 2**20


def keep_freed_memory() -> bool:
    """Tell glibc to keep up to 256 MiB of freed memory; elsewhere nothing is done, and False returned.

    By default it gives the matrices of 2,000 models and 100 benchmarks (20 of 1.6 MB) back to the system after each
    gradient and takes them again, page by page, for the next one: 24 ms, of which 11 were for the pages.

    Examples
    --------
    >>> keep_freed_memory() in (True, False)
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(what, size) == 1 for what, size in ((_TRIM_THRESHOLD, _KEPT), (_MMAP_THRESHOLD, _MAPPED))
    )


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let Python's cyclic garbage collector rest, and leave it as it was.

    Numba and PyTensor make millions of objects for a model, most of which stay. The collector looks through all of them
    again and again; to let it do so once, afterwards, saves 2 of 35 s of a first compilation of `base-llms` and 0.7 of
    4 s of one from disk, for 0.3 and 0.05 GiB more at the peak (of 1.2 and 0.5).

    Examples
    --------
    >>> with collector_paused():
    ...     gc.isenabled()
    False
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
