"""Compiled models, kept: other scores over the same models and benchmarks need no new compilation.

Compiling takes 3 to 35 s, and a backtest or a refit with one score hidden asks for the very same graph: all that
depends on which scores are observed sits in data containers (see `bayescale.model.build.containers`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._identity import identity
from bayescale.errors import FitError
from bayescale.model import model_data

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.model import ModelData
    from bayescale.model.spec import Spec

# A compiled model holds some hundred MB of machine code and graph; two serve a backtest and a notebook.
KEPT = 2


@dataclass(frozen=True)
class _Compiled:
    model: Any
    program: Any
    start: dict[str, Any]


_kept: OrderedDict[str, _Compiled] = OrderedDict()
_lock = Lock()


def compiled_for(spec: Spec, evals: Evals) -> Any:
    """Compile the model of `spec` for nutpie, or take the one that was compiled for the same coordinates.

    Parameters
    ----------
    spec : Spec
    evals : Evals

    Returns
    -------
    nutpie.CompiledModel
        With the scores of `evals`, and starting points from them alone.
    """
    from bayescale.model.build import containers, gauged
    from bayescale.model.coordinates.pilot import starting_point

    data = model_data(spec, evals)
    key = _structure(spec, data)
    with _lock:
        if key not in _kept:
            _kept[key] = _compile(spec, evals, data)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        compiled = _kept[key]
        values = containers(spec, data)
        # Starting points are computed by the PyMC model, draws by the compiled program: both get the data.
        for name, value in values.items():
            compiled.model.set_data(name, value)
        for name, value in starting_point(data, gauged(spec, data)).items():
            compiled.start[name].set_value(value)
        return with_data(compiled.program, values)


def with_data(program: Any, values: dict[str, np.ndarray]) -> Any:
    """Return the compiled program with other values in its data containers.

    Parameters
    ----------
    program : nutpie.CompiledModel
    values : dict of str to ndarray
        By the names of the containers. All must be containers of the program, but for empty arrays: they hold no data,
        and the compiler drops them.

    Returns
    -------
    nutpie.CompiledModel
        It shares the machine code with `program`, which keeps its own data.

    Raises
    ------
    FitError
        When the program does not take one of the containers: it would go on with the data that it was compiled for.
    """
    for name, value in values.items():
        if np.size(value) == 0:
            continue
        try:
            program = program.with_data(**{name: value})
        except KeyError:
            raise FitError(
                f"nutpie {version('nutpie')} does not take new values for {name!r}, so the compiled model would go on "
                "with the data of another fit. Install a version of nutpie that pyproject.toml allows: "
                "pip install --upgrade bayescale"
            ) from None
    return program


def _compile(spec: Spec, evals: Evals, data: ModelData) -> _Compiled:
    import nutpie
    import pytensor

    from bayescale._fast_compile import fast_compile, keep_freed_memory
    from bayescale.model.build import build_model, gauged
    from bayescale.model.coordinates.pilot import starting_point

    keep_freed_memory(cells=data.cells["observed"].size)
    model = build_model(spec, evals)
    points = starting_point(data, gauged(spec, data))
    start = {name: pytensor.shared(value, name=f"{name}_start") for name, value in points.items()}
    # Benchmarks and slopes start at rough estimates, families and models scattered: from scattered benchmarks one chain
    # in a dozen was caught where a capability spends itself on the noise of a single benchmark (a Heywood case).
    dims = model.named_vars_to_dims
    scattered = {v for v in model.free_RVs if v.name not in start and "benchmark" not in dims.get(v.name, ())[:1]}
    with fast_compile():  # under `_lock`
        program = nutpie.compile_pymc_model(model, freeze_model=False, jitter_rvs=scattered, initial_points=start)
    return _Compiled(model, program, start)


def _structure(spec: Spec, data: ModelData) -> str:
    """Return the identity of all that is compiled in: the spec, and the data but for the observed cells."""
    return identity(spec.identity, {f.name: getattr(data, f.name) for f in fields(data) if f.name != "cells"})
