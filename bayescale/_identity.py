"""SHA-256 hashes of content: equal content has the same identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def identity(*parts: Any) -> str:
    """Hash values in a canonical serialisation, in which every part carries its type and its length.

    Parameters
    ----------
    *parts
        None, booleans, numbers, texts, bytes, NumPy arrays (by dtype, shape and content), sequences and mappings of
        such values, and values that have an `identity` of their own, such as `Spec` and `Evals`. A list equals the
        tuple of its parts, and a mapping is the same in any order; 1, 1.0, True and "1" differ.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    TypeError
        For a value of another kind.

    Examples
    --------
    >>> identity("ab", "c") == identity("a", "bc")
    False
    >>> identity({"draws": 100, "tune": 50}) == identity({"tune": 50, "draws": 100})
    True
    """
    return hashlib.sha256(_serialised(parts)).hexdigest()


def stored_identity(*texts: str) -> str:
    """Hash texts, end to end: the scheme of the identities that are stored in saved posteriors, and checked on reading.

    These are the identities of `Spec` (its JSON), `Evals` (the JSON of its tables) and `Posterior` (the identities of
    both). A change here or in these texts makes every saved file unreadable.

    Examples
    --------
    >>> stored_identity("ab", "c") == stored_identity("abc")
    True
    """
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def _serialised(value: Any) -> bytes:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return _framed("none", b"")
    if isinstance(value, bool):  # before integers, which truth values are too
        return _framed("bool", str(value).encode())
    if isinstance(value, int):
        return _framed("int", str(int(value)).encode())
    if isinstance(value, float):
        return _framed("float", float(value).hex().encode())
    if isinstance(value, str):
        return _framed("str", value.encode())
    if isinstance(value, bytes):
        return _framed("bytes", value)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        array = value.astype(value.dtype.newbyteorder("<"))
        kind = repr((np.lib.format.dtype_to_descr(array.dtype), array.shape)).encode()
        return _framed("array", _framed("dtype", kind) + array.tobytes())
    if isinstance(value, list | tuple):
        return _framed("sequence", b"".join(map(_serialised, value)))
    if isinstance(value, Mapping):
        return _framed("mapping", b"".join(sorted(_serialised((k, v)) for k, v in value.items())))
    if isinstance(own := getattr(value, "identity", None), str):
        return _framed("value", _serialised((type(value).__name__, own)))
    raise TypeError(f"A {type(value).__name__} has no identity: give numbers, texts, arrays, or sequences of them.")


def _framed(kind: str, content: bytes) -> bytes:
    return f"{kind}:{len(content)}:".encode() + content
