"""How many processors this process may use, and for what."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any


def processors() -> int:
    """Processors that this process may run on, which in a container or on a cluster are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_thread_each() -> AbstractContextManager[Any]:
    """Limit linear algebra to one thread while this lasts, so that chains have the processors.

    From some size on OpenBLAS shares a matrix product between threads, and lets no two products be shared at a time:
    two chains of 500 x 100 took turns, 6.9 ms a gradient, with one thread each 2.8.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")
