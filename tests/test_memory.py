"""Freed arrays stay with the process, where the C library can be told so; the collector rests and is left as it was."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from bayescale.memory import collector_paused

# Matrices of 2,000 models and 100 benchmarks, allocated and freed as a gradient does; page faults after the first time.
ROUNDS = """
import resource
import numpy as np
from bayescale.memory import keep_freed_memory

kept = keep_freed_memory()

def gradient():
    for matrix in [np.empty((2000, 100)) for _ in range(20)]:
        matrix[:] = 1.0

gradient()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    gradient()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told")
def test_arrays_are_allocated_again_without_asking_the_system_for_pages() -> None:
    ran = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True)
    kept, faults = ran.stdout.split()
    if kept == "False":
        pytest.skip("this C library has no mallopt")
    pages = 20 * 20 * 2000 * 100 * 8 // 4096
    assert int(faults) < pages / 20


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(enabled: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with collector_paused():
            assert not gc.isenabled()
        with pytest.raises(RuntimeError), collector_paused():
            raise RuntimeError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
