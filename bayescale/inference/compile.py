"""Cache of compiled models: other scores of the same models and benchmarks need no new compilation.

Compiling takes 3 to 35 s, and a backtest or a refit with one score hidden asks for the very same graph: all that
depends on which scores are observed is in data containers (`Coordinates.arrays`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._identity import identity
from bayescale.errors import FitError

if TYPE_CHECKING:
    from bayescale.model.coordinates.parameterization import Coordinates

# A compiled model holds some hundred MB of machine code and graph; two serve a backtest and a notebook.
KEPT = 2
_OFF_PEAK = 0.01


@dataclass(frozen=True)
class _Compiled:
    model: Any
    program: Any
    start: dict[str, Any]
    lock: Any = field(default_factory=Lock)


_kept: OrderedDict[str, _Compiled] = OrderedDict()
_lock = Lock()


def compiled_for(coordinates: Coordinates) -> Any:
    """Compile the model for nutpie, or take the one that was compiled for the same models and benchmarks.

    Parameters
    ----------
    coordinates : Coordinates
        With the spec and the data of this fit.

    Returns
    -------
    nutpie.CompiledModel
        With the scores of this fit, and starting points from them alone.
    """
    key = _structure(coordinates)
    with _lock:
        if key not in _kept:
            _kept[key] = _compile(coordinates)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        compiled = _kept[key]
    return replace(
        with_data(compiled.program, coordinates.arrays),
        initial_point_func=_own_start(compiled, coordinates),
    )


def _own_start(compiled: _Compiled, coordinates: Coordinates) -> Any:
    """Return the function of nutpie's starting points, for these data alone.

    The PyMC model computes them, of which all fits of one structure share one: each sets its data when it starts.
    """
    arrays = coordinates.arrays
    unknown = not coordinates.data.cells["observed"].any(axis=0).all()

    def initial_point(seed: Any = None) -> np.ndarray:
        points = coordinates.starting_point(np.random.default_rng(seed))
        with compiled.lock:
            for name, value in arrays.items():
                compiled.model.set_data(name, value)
            for name, value in points.items():
                compiled.start[name].set_value(value)
            point = compiled.program.initial_point_func(seed)
        # A benchmark without scores starts where its prior has its peak, and nutpie takes no gradient of exactly zero.
        return point + _OFF_PEAK * np.random.default_rng(seed).normal(size=point.shape) if unknown else point

    return initial_point


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


def _compile(coordinates: Coordinates) -> _Compiled:
    import nutpie
    import pytensor

    from bayescale._fast_compile import fast_compile, keep_freed_memory
    from bayescale.model.build import generative_model

    keep_freed_memory(cells=coordinates.data.cells["observed"].size)
    model = generative_model(coordinates)
    points = coordinates.starting_point(np.random.default_rng())
    start = {name: pytensor.shared(value, name=f"{name}_start") for name, value in points.items()}
    # Benchmarks and slopes start at rough estimates, families and models scattered: from scattered benchmarks one chain
    # in a dozen was caught where a capability spends itself on the noise of a single benchmark (a Heywood case).
    dims = model.named_vars_to_dims
    scattered = {v for v in model.free_RVs if v.name not in start and "benchmark" not in dims.get(v.name, ())[:1]}
    with fast_compile():  # under `_lock`
        program = nutpie.compile_pymc_model(model, freeze_model=False, jitter_rvs=scattered, initial_points=start)
    return _Compiled(model, program, start)


def _structure(coordinates: Coordinates) -> str:
    """Return the identity of all that is compiled in: the spec, and the data but for the observed cells."""
    data = coordinates.data
    return identity(
        coordinates.spec.identity, {f.name: getattr(data, f.name) for f in fields(data) if f.name != "cells"}
    )
