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
    for node, run, inputs in _evaluated(program, point):
        rows.append({"operation": _name(node), "us": _time(run, inputs)})
    by_name = pd.DataFrame(rows).groupby("operation")["us"].agg(nodes="count", us="sum")
    return by_name.sort_values("us", ascending=False).reset_index()


def _evaluated(program: Any, point: np.ndarray) -> Iterator[tuple[Any, Any, list[Any]]]:
    """Yield nodes in the order in which they run, each with its compiled operation and copies of its inputs."""
    from pytensor.graph.basic import Constant
    from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

    graph = program.logp_func.maker.fgraph
    values: dict[Any, Any] = {v: program.shared_data.get(v.name, point) for v in graph.inputs}
    for node in graph.toposort():
        inputs = [v.data if isinstance(v, Constant) else values[v] for v in node.inputs]
        run = numba_funcify_and_cache_key(node.op, node=node)[0]
        yield node, run, [_plain(i, v) for i, v in zip(node.inputs, inputs, strict=True)]
        # By Numba: what a kernel leaves for its reverse mode, the plain form of the operation does not compute.
        call = _compiled(run, len(inputs), "return run({names})")
        outputs = call(*(_plain(i, v) for i, v in zip(node.inputs, inputs, strict=True)))
        outputs = outputs if len(node.outputs) > 1 else (outputs,)
        values |= dict(zip(node.outputs, outputs, strict=True))


def _plain(variable: Any, value: Any) -> Any:
    from pytensor.scalar.basic import ScalarType

    if isinstance(variable.type, ScalarType):
        return np.asarray(value).item()
    return np.array(value, copy=True) if isinstance(value, np.ndarray) else value


def _compiled(run: Any, inputs: int, body: str) -> Any:
    """Compile a function of `inputs` arguments, and a number of calls, that has one line."""
    names = ", ".join(f"x{i}" for i in range(inputs))
    scope: dict[str, Any] = {"run": run}
    exec(f"def function({names}, calls=1):\n    {body.format(names=names)}\n", scope)
    return numba.njit(scope["function"])


def _time(run: Any, inputs: list[Any]) -> float:
    loop = _compiled(run, len(inputs), "for _ in range(calls): run({names})")
    # An operation that overwrites an input works on its own result from the second call on: few calls keep it finite.
    loop(*inputs, 1)
    best = np.inf
    for _ in range(3):
        started = time.perf_counter()
        loop(*inputs, _CALLS)
        best = min(best, (time.perf_counter() - started) / _CALLS * 1e6)
    return best


def _name(node: Any) -> str:
    op = node.op
    name = type(op).__name__
    if name == "Elemwise":
        size = "cells" if node.outputs[0].type.ndim == 2 else "small"
        return f"elementwise, {size}"
    return name
