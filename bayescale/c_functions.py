"""The two C functions through which nutpie's threads reach the density and the draws' variables, quick to compile.

nutpie writes a C function around each of PyTensor's programs, and Numba copies the whole program into it, optimises it
again and makes its machine code again, in every process: 10 of the 12 seconds that a default fit compiles where its
programs are on disk. These jump to the program on disk by its address instead, and take 0.8 s. Draws are the same to
the last digit. nutpie's own are the plain form: the tests compare the two.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_new_ref
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS
from pytensor.link.numba.dispatch.basic import numba_njit

_DOUBLES = types.CPointer(types.double)
# What nutpie's threads take a result for.
_DONE, _FAILED, _GRADIENT_NOT_FINITE, _DENSITY_NOT_FINITE, _WRONG_SIZE = 0, 1, 3, 4, -1


@contextmanager
def quick_c_functions() -> Iterator[None]:
    """Have nutpie compile with the C functions of this file; one thread at a time may.

    nutpie has no argument for it. A version whose own go by other names keeps them: it compiles slower, no more.

    Examples
    --------
    >>> nutpie = importlib.import_module("nutpie.compile_pymc")
    >>> with quick_c_functions():
    ...     nutpie._make_c_logp_func.__module__
    'bayescale.c_functions'
    >>> nutpie._make_c_logp_func.__module__
    'nutpie.compile_pymc'
    """
    module = importlib.import_module("nutpie.compile_pymc")
    ours: dict[str, Any] = {"_make_c_logp_func": _density, "_make_c_expand_func": _variables}
    theirs = {name: getattr(module, name, None) for name in ours}
    if None in theirs.values():
        yield
        return
    for name, function in ours.items():
        setattr(module, name, function)
    try:
        yield
    finally:
        for name, function in theirs.items():
            setattr(module, name, function)


def _density(n_dim: int, program: Any, user_data: Any, names: list[str], shared: dict[str, Any]) -> tuple[Any, Any]:
    call = _by_address(program, user_data.dtype, names, shared)

    # Loops and no array expressions: those can raise errors whose sentences take Numba two seconds to compile.
    def density(dim, point, gradient, value, data):  # type: ignore[no-untyped-def]
        if dim != n_dim:
            return _WRONG_SIZE
        try:
            found, slope = call(numba.carray(point, (n_dim,)), data)
            value[0] = found[()]
            finite = True
            for i in range(n_dim):
                gradient[i] = slope[i]
                finite &= np.isfinite(slope[i])
            if not finite:
                return _GRADIENT_NOT_FINITE
            if not np.isfinite(value[0]):
                return _DENSITY_NOT_FINITE
        except Exception:
            return _FAILED
        return _DONE

    return density, types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, types.voidptr)


def _variables(
    n_dim: int, n_expanded: int, program: Any, user_data: Any, names: list[str], shared: dict[str, Any]
) -> tuple[Any, Any]:
    call = _by_address(program, user_data.dtype, names, shared)

    def variables(dim, expanded, point, values, data):  # type: ignore[no-untyped-def]
        if dim != n_dim or expanded != n_expanded:
            return _WRONG_SIZE
        try:
            (found,) = call(numba.carray(point, (n_dim,)), data)
            for i in range(n_expanded):
                values[i] = found[i]
        except Exception:
            return _FAILED
        return _DONE

    return variables, types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, types.voidptr)


def _by_address(program: Any, record: Any, names: list[str], shared: dict[str, Any]) -> Callable[..., Any]:
    """A function for Numba of a point and nutpie's record of the shared data, which calls `program` by its address.

    Nothing is linked: Numba's calling convention hands on what `program` raises.
    """
    program = _unwrapped(program)
    arrays = [numba.typeof(shared[name]) for name in names]
    # Compiled here, or read from disk.
    _, _, taken, _ = program.get_call_template((types.Array(types.double, 1, "C"), *arrays), {})
    compiled = program.overloads[tuple(taken)]
    made = compiled.signature
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)

    @intrinsic
    def call(typing_context, point, data):  # type: ignore[no-untyped-def]
        def lower(context, builder, signature, args):  # type: ignore[no-untyped-def]
            given = [
                args[0],
                *(_array(context, builder, args[1], record, *of) for of in zip(names, arrays, strict=True)),
            ]
            if isinstance(made.args[0], types.BaseTuple):  # PyTensor's programs take all as ``*inputs``
                given = [context.make_tuple(builder, made.args[0], given)]
            convention = context.call_conv
            pointer = convention.get_function_type(made.return_type, made.args).as_pointer()
            target = builder.bitcast(context.add_dynamic_addr(builder, address, info="program"), pointer)
            status, found = convention.call_function(builder, target, made.return_type, made.args, given)
            with cgutils.if_unlikely(builder, status.is_error):
                convention.return_status_propagate(builder, status)
            return impl_ret_new_ref(context, builder, made.return_type, found)

        return made.return_type(point, data), lower

    return call


def _unwrapped(program: Any) -> Any:
    """PyTensor's program itself, to be found on disk as the wrapper around it is.

    PyTensor keeps on disk a function that does nothing but call the program, since Numba would look for the program
    under the name of a temporary file. Compiling both is the same work twice: 4 s of a first compilation.
    """
    inner, key = program.py_func.__globals__.get("jitable_func"), CACHED_SRC_FUNCTIONS.get(program.py_func)
    if inner is None or key is None:
        return program
    plain = inner.py_func
    function = FunctionType(plain.__code__.replace(co_filename="<string>"), plain.__globals__, plain.__name__)
    CACHED_SRC_FUNCTIONS[function] = f"{key}_unwrapped"
    return numba_njit(function, cache=True)


def _array(context: Any, builder: Any, data: Any, record: Any, name: str, of: Any) -> Any:
    """The shared array `name`, of the address and shape that nutpie's record holds at `data`; rows lie together."""
    word = context.get_value_type(types.intp)

    def read(part: str, position: int = 0) -> Any:
        fields = record["shared"][part]
        offset = record.fields["shared"][1] + record["shared"].fields[part][1] + fields.fields[name][1]
        at = builder.gep(data, [word(offset + position * record["shared"]["data"][name].itemsize)])
        return builder.load(builder.bitcast(at, word.as_pointer()))

    item = word(context.get_abi_sizeof(context.get_data_type(of.dtype)))
    shape = [read("shape", axis) for axis in range(of.ndim)]
    strides = [item]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    array = make_array(of)(context, builder)
    values = builder.inttoptr(read("data"), context.get_data_type(of.dtype).as_pointer())
    populate_array(array, values, shape, strides[: of.ndim], item, None)
    return array._getvalue()
