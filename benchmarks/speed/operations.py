"""Time every operation of a compiled gradient alone, on its own inputs.

Numba compiles the graph into one function that profilers cannot see into. So each node is compiled again by itself and
called in a loop on its values at a starting point. Savings by inlining are not counted: compare the sum of the parts
with the time of the whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pandas as pd

_CALLS = 400


def timed_operations(program: Any, point: np.ndarray) -> pd.DataFrame:
    """Return the microseconds of each operation of a program compiled by nutpie, slowest first.

    Parameters
    ----------
    program : nutpie.CompiledModel
        Of the Numba backend.
    point : ndarray
        Position in the sampler's coordinates.

    Returns
    -------
    DataFrame
        One row a kind of operation: ``operation, nodes, us``.
    """
    rows = []
    for node, inputs in _evaluated(program, point):
        rows.append({"operation": _name(node), "us": _time(node, inputs)})
    by_name = pd.DataFrame(rows).groupby("operation")["us"].agg(nodes="count", us="sum")
    return by_name.sort_values("us", ascending=False).reset_index()


def _evaluated(program: Any, point: np.ndarray) -> Iterator[tuple[Any, list[Any]]]:
    """Yield nodes in the order in which they run, each with copies of its inputs."""
    from pytensor.graph.basic import Constant

    graph = program.logp_func.maker.fgraph
    values: dict[Any, Any] = {v: program.shared_data.get(v.name, point) for v in graph.inputs}
    for node in graph.toposort():
        inputs = [v.data if isinstance(v, Constant) else values[v] for v in node.inputs]
        copies = [np.array(v, copy=True) if isinstance(v, np.ndarray | np.generic) else v for v in inputs]
        yield node, [_plain(i, v) for i, v in zip(node.inputs, copies, strict=True)]
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        node.op.prepare_node(node, storage_map=None, compute_map=None, impl="py")
        node.op.perform(node, copies, storage)
        values |= {variable: output[0] for variable, output in zip(node.outputs, storage, strict=True)}


def _plain(variable: Any, value: Any) -> Any:
    from pytensor.scalar.basic import ScalarType

    if isinstance(variable.type, ScalarType):
        return np.asarray(value).item()
    return np.array(value, copy=True) if isinstance(value, np.ndarray) else value


def _time(node: Any, inputs: list[Any]) -> float:
    from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

    run = numba_funcify_and_cache_key(node.op, node=node)[0]
    names = ", ".join(f"x{i}" for i in range(len(inputs)))
    scope: dict[str, Any] = {"run": run}
    exec(f"def loop(calls, {names}):\n    for _ in range(calls):\n        run({names})\n", scope)
    loop = numba.njit(scope["loop"])
    # An operation that overwrites an input works on its own result from the second call on: few calls keep it finite.
    loop(1, *inputs)
    best = np.inf
    for _ in range(3):
        started = time.perf_counter()
        loop(_CALLS, *inputs)
        best = min(best, (time.perf_counter() - started) / _CALLS * 1e6)
    return best


def _name(node: Any) -> str:
    op = node.op
    name = type(op).__name__
    if name == "Elemwise":
        size = "cells" if node.outputs[0].type.ndim == 2 else "small"
        return f"elementwise, {size}"
    return name
