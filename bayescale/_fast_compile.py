"""The seam to private names of nutpie, Numba, PyTensor and glibc: all that compiles faster than their public ways.

`BAYESCALE_FAST_COMPILE=0` in the environment, set before the first fit, switches all of it off. The density, its
gradient and the draws stay what they are; compiling takes longer, and no compiled code is kept on disk.

What a default fit of `base-llms` loses without the seam (seconds of compiling on two cores, both stacks in
docs/performance.md): nutpie writes a C function around each of PyTensor's programs, and Numba copies the whole program
into it and compiles it again in every process. The two functions here call the program on disk by its address instead.
They save 10 to 13 s a process. Kernels that PyTensor may keep on disk save another 50 s in every process after the
first. With the garbage collector paused a first compilation takes 2 s less and one from disk 0.5 s.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
import pytensor
from numba.core import caching, cgutils, types
from numba.core.imputils import impl_ret_new_ref
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from pytensor.link.numba import cache as numba_cache
from pytensor.link.numba.dispatch import basic as numba_basic

from bayescale.errors import BayescaleWarning

ENABLED = os.environ.get("BAYESCALE_FAST_COMPILE", "1") != "0"

_DOUBLES = types.CPointer(types.double)
# What nutpie's threads take a result for.
_DONE, _FAILED, _GRADIENT_NOT_FINITE, _DENSITY_NOT_FINITE, _WRONG_SIZE = 0, 1, 3, 4, -1

# Arguments of the two functions of nutpie that are replaced, in 0.16.8 and since 0.16.9: what was tested with them.
_REPLACED = {
    "_make_c_logp_func": (
        ["n_dim", "logp_fn", "user_data", "shared_logp", "shared_data"],
        ["n_dim", "logp_fn", "user_data", "shared_keys", "shared_data"],
    ),
    "_make_c_expand_func": (
        ["n_dim", "n_expanded", "expand_fn", "user_data", "shared_vars", "shared_data"],
        ["n_dim", "n_expanded", "expand_fn", "user_data", "shared_var_keys", "shared_data"],
    ),
}


# Compiled code on disk. It is pickled, and a pickle runs what it likes: a stranger must not write to the folder, and a
# file that was cut short or changed must not be read. Without the seam nothing is read or kept there.

_SEAL = b"bayescale-sha256:"
_said: set[str] = set()


def _say(message: str) -> None:
    """Warn once a process, whatever the filters of warnings are."""
    if message not in _said:
        _said.add(message)
        warnings.warn(BayescaleWarning(message), stacklevel=3)


class _SealedCache(caching.IndexDataCacheFile):
    """Numba's files of one function, each with a digest at its end, in a folder of the user alone.

    Pickles end before the digest: a process without this class reads the files too. What it wrote has no digest, and is
    compiled again here. Folders other than PyTensor's, such as those of other packages, are read as ever.
    """

    @property
    def _checked(self) -> bool:
        return Path(self._cache_path) == Path(numba_cache.NUMBA_CACHE_PATH)

    def load(self, key: Any) -> Any:
        return None if self._checked and not _private(Path(self._cache_path)) else super().load(key)

    def save(self, key: Any, data: Any) -> None:
        if not self._checked:
            super().save(key, data)
        elif _private(Path(self._cache_path)):
            try:
                super().save(key, data)
            except OSError as error:  # such as a full disk: the fit goes on with what is in memory
                _say(f"Compiled code is not kept in {self._cache_path}: {error.strerror or error}.")

    def _load_index(self) -> Any:
        return super()._load_index() if self._whole(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> Any:
        if not self._whole(Path(self._data_path(name))):
            raise OSError("damaged")  # which Numba takes for a file that is not there
        return super()._load_data(name)

    def _whole(self, path: Path) -> bool:
        if not self._checked:
            return True
        try:
            content = path.read_bytes()
        except OSError:
            return False
        body, seal, digest = content[: -len(_SEAL) - 32], content[-len(_SEAL) - 32 : -32], content[-32:]
        if seal == _SEAL and hashlib.sha256(body).digest() == digest:
            return True
        if not content.endswith(b"."):  # the end of a pickle, here of a process without this class
            path.unlink(missing_ok=True)
            _say(f"Damaged files of compiled code in {path.parent} are removed; the model is compiled again.")
        return False

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[Any]:
        content = BytesIO()
        yield content
        body = content.getvalue()
        with super()._open_for_write(filepath) as file:
            file.write(body + _SEAL + hashlib.sha256(body).digest() if self._checked else body)


def _private(folder: Path) -> bool:
    """Return whether nobody else can write compiled code to a folder; first close and empty one that was open."""
    if os.name != "posix":
        return True
    try:
        return _closed(folder)
    except OSError:  # it is gone, say
        return False


def _closed(folder: Path) -> bool:
    where = f"the folder of compiled code {folder}"
    for path in (folder, folder.parent):
        status = path.stat()
        others = status.st_mode & 0o022 and not (path == folder.parent and status.st_mode & 0o1000)
        mine = status.st_uid == os.geteuid()
        if not mine and (path == folder or status.st_uid != 0 or others):
            _say(f"Nothing is read from {where}: another user can write to it. Give another one: BAYESCALE_CACHE=...")
            return False
        if others and path == folder.parent and not path.name.startswith(".pytensor"):
            _say(f"Nothing is read from {where}: others can write to {path}. Make it private: chmod go-w {path}")
            return False
        if others:
            for file in [*folder.glob("*.nbi"), *folder.glob("*.nbc")]:
                file.unlink(missing_ok=True)
            _say(f"Others could write to {where}: it was emptied, and is private now.")
        if mine and (others or (path == folder and status.st_mode & 0o077)):
            path.chmod(status.st_mode & 0o700)
    return True


_OVERRIDDEN = ("_load_index", "_load_data", "_open_for_write")
if ENABLED and all(hasattr(caching.IndexDataCacheFile, name) for name in _OVERRIDDEN):
    caching.IndexDataCacheFile = _SealedCache
else:
    pytensor.config.numba__cache = False


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of a kernel with Numba, as PyTensor compiles its own; a division by zero gives infinity."""
    return _njit()(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function of a kernel into each of its callers, where sizes that are known unroll its loops."""
    return _njit(inline="always")(function)


def _njit(**options: Any) -> Any:
    return (numba_basic.numba_njit if ENABLED else numba.njit)(error_model="numpy", **options)


def register_kernel(op: type, *sources: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the Numba function of an Op, so that PyTensor may keep programs with it on disk.

    The decorated function takes the Op and its node. It returns the compiled function and a number below 1,000 for all
    that the function depends on beside its source, such as a fixed size.

    Parameters
    ----------
    op : type
    *sources : str
        All files from which the kernel is made. Their text is its version: other code, another entry on disk.
    """

    def register(make: Callable[..., Any]) -> Callable[..., Any]:
        if not ENABLED:
            numba_basic.numba_funcify.register(op)(lambda op, node, **_: make(op, node)[0])
            return make
        version = source_version(*sources)

        def versioned(op: Any, node: Any, **_: Any) -> tuple[Any, int]:
            function, size = make(op, node)
            return function, version * 1000 + size

        numba_basic.register_funcify_default_op_cache_key(op)(versioned)
        return make

    return register


def source_version(*sources: str) -> int:
    """Return a number of the text of files, 48 bits of a hash."""
    digest = hashlib.sha256()
    for source in sources:
        text = Path(source).read_bytes()
        digest.update(len(text).to_bytes(8, "big") + text)
    return int.from_bytes(digest.digest()[:6], "big")


@contextmanager
def fast_compile() -> Iterator[None]:
    """Have nutpie compile with the functions of this module, and pause the garbage collector.

    One thread at a time may compile. A nutpie whose functions have other names or arguments keeps its own: it compiles
    slower, no more.

    Examples
    --------
    >>> nutpie = importlib.import_module("nutpie.compile_pymc")
    >>> with fast_compile():
    ...     nutpie._make_c_logp_func.__module__
    'bayescale._fast_compile'
    >>> nutpie._make_c_logp_func.__module__
    'nutpie.compile_pymc'
    """
    if not ENABLED:
        yield
        return
    module = importlib.import_module("nutpie.compile_pymc")
    theirs = {name: getattr(module, name, None) for name in _REPLACED}
    ours: dict[str, Any] = {"_make_c_logp_func": _density, "_make_c_expand_func": _variables}
    known = all(
        function is not None and list(inspect.signature(function).parameters) in _REPLACED[name]
        for name, function in theirs.items()
    )
    collecting = gc.isenabled()
    gc.disable()
    try:
        for name, function in ours.items() if known else ():
            setattr(module, name, function)
        yield
    finally:
        for name, function in theirs.items() if known else ():
            setattr(module, name, function)
        if collecting:
            gc.enable()


# Of glibc's `mallopt`: the free memory at the top of a heap from which on it is given back to the system, and the size
# from which on an array is mapped by itself, to be given back when it is freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _MAPPED = 256 * 2**20, 32 * 2**20
# glibc maps arrays from 128 KiB on by themselves: matrices of this many scores. Below, nothing is gained.
LARGE_TABLE = 128 * 2**10 // 8


def keep_freed_memory(cells: int) -> bool:
    """Tell glibc to keep up to 256 MiB of freed memory, if the table is large; for the rest of the process.

    A gradient allocates the same matrices hundreds of times a second. By default glibc gives those of 2,000 models and
    100 benchmarks (20 of 1.6 MB) back to the system each time: 11 of the 24 ms of a gradient.

    Parameters
    ----------
    cells : int
        Models times benchmarks.

    Returns
    -------
    bool
        Whether it was told.
    """
    if not ENABLED or cells < LARGE_TABLE or not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(what, size) == 1 for what, size in ((_TRIM_THRESHOLD, _KEPT), (_MMAP_THRESHOLD, _MAPPED))
    )


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
    """Return PyTensor's program itself, under a key by which Numba finds it on disk.

    PyTensor keeps on disk a function that does nothing but call the program, since Numba would look for the program
    under the name of a temporary file. Compiling both is the same work twice: 4 s of a first compilation.
    """
    cached = getattr(importlib.import_module("pytensor.link.numba.cache"), "CACHED_SRC_FUNCTIONS", {})
    inner, key = program.py_func.__globals__.get("jitable_func"), cached.get(program.py_func)
    if inner is None or key is None:
        return program
    plain = inner.py_func
    function = FunctionType(plain.__code__.replace(co_filename="<string>"), plain.__globals__, plain.__name__)
    cached[function] = f"{key}_unwrapped"
    return numba_basic.numba_njit(function, cache=True)


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
