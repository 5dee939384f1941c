"""Arrays filled with one number, quick to compile: those in which gradients of indexed effects are added up.

PyTensor fills them by assigning a slice, and Numba compiles the sentence of the error that such an assignment could
raise, shapes spelled out in it: 2.5 of the 39 s of a first compilation. A loop over the elements cannot fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key, numba_njit
from pytensor.tensor.basic import Alloc


@contextmanager
def quick_filled_arrays() -> Iterator[None]:
    """Have PyTensor compile arrays of one number by the function of this file; one thread at a time may.

    Examples
    --------
    >>> theirs = numba_funcify_and_cache_key.dispatch(Alloc)
    >>> with quick_filled_arrays():
    ...     numba_funcify_and_cache_key.dispatch(Alloc) is theirs
    False
    >>> numba_funcify_and_cache_key.dispatch(Alloc) is theirs
    True
    """
    theirs = numba_funcify_and_cache_key.dispatch(Alloc)

    def compiled(op: Alloc, node: Any, **given: Any) -> Any:
        number, *lengths = node.inputs
        if not all(number.type.broadcastable):  # an array of its own, to be repeated
            return theirs(op, node, **given)
        return _filled(number.type.dtype, number.type.ndim, len(lengths))

    numba_funcify_and_cache_key.register(Alloc, compiled)
    try:
        yield
    finally:
        numba_funcify_and_cache_key.register(Alloc, theirs)


def _filled(dtype: str, number_ndim: int, ndim: int) -> tuple[Callable[..., Any], str]:
    """A function for Numba of the number, in an array of one element, and of the lengths; and its name on disk."""
    lengths = [f"length_{axis}" for axis in range(ndim)]
    source = f"""
def filled(number, {", ".join(lengths)}):
    found = np.empty(({" ".join(f"{length}.item()," for length in lengths)}), dtype=np.{dtype})
    for i in range(found.size):
        found.flat[i] = number[{"0, " * number_ndim or "()"}]
    return found
"""
    # By what it is made of: programs on disk are not taken for those of another version.
    key = hashlib.sha256(source.encode()).hexdigest()
    return numba_njit(compile_numba_function_src(source, "filled", {"np": np})), key
