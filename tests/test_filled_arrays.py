"""Filled arrays compiled the quick way are PyTensor's, and PyTensor has its own way back."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key
from pytensor.tensor.basic import Alloc

from bayescale.filled_arrays import quick_filled_arrays


@pytest.mark.heavy
def test_the_same_arrays() -> None:
    number, row, column = pt.dscalar("number"), pt.dvector("row"), pt.dmatrix("column")
    length = pt.lscalar("length")
    once = pt.specify_broadcastable(column, 0, 1)
    of = [
        pt.alloc(number, 3, length),  # a scalar
        pt.alloc(once, 2, length),  # one element with axes of its own
        pt.alloc(np.int8(7), length),  # of another type
        pt.alloc(number, length, 2, 2),
        pt.alloc(row, 2, row.shape[0]),  # repeated, not filled: as ever
    ]
    with quick_filled_arrays():
        compiled = pytensor.function([number, row, column, length], of, mode="NUMBA")
        for size in (4, 1, 0):
            found = compiled(0.5, np.arange(3.0), np.array([[2.5]]), size)
            expected = (
                np.full((3, size), 0.5),
                np.full((2, size), 2.5),
                np.full(size, 7, dtype=np.int8),
                np.full((size, 2, 2), 0.5),
                np.tile(np.arange(3.0), (2, 1)),
            )
            for array, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(array, wanted)
                assert array.dtype == wanted.dtype


def test_pytensor_has_its_own_back_whatever_happens() -> None:
    theirs = numba_funcify_and_cache_key.dispatch(Alloc)
    with quick_filled_arrays():
        assert numba_funcify_and_cache_key.dispatch(Alloc) is not theirs
    with pytest.raises(RuntimeError), quick_filled_arrays():
        raise RuntimeError
    assert numba_funcify_and_cache_key.dispatch(Alloc) is theirs
