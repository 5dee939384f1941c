"""How many processors this process may use."""

from __future__ import annotations

import os


def processors() -> int:
    """Processors that this process may run on, which in a container or on a cluster are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
