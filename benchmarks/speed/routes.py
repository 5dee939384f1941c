"""Sample the same posterior by several samplers and backends, and time compiling and sampling apart."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import bayescale as bs
from bayescale.inference.draws import read_draws
from bayescale.model.build import generative_model
from bayescale.model.coordinates.parameterization import Coordinates

SEED = 1


@dataclass(frozen=True)
class Seconds:
    """Wall-clock seconds, and processor seconds of this process and its finished children."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Seconds:
        """Return the seconds so far."""
        of = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return cls(time.perf_counter(), sum(used.ru_utime + used.ru_stime for used in of))

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(max(self.wall - other.wall, 0.0), max(self.processor - other.processor, 0.0))


@dataclass(frozen=True)
class Timed:
    """Draws of one route, and the seconds of compiling and sampling."""

    idata: Any
    compiling: Seconds
    sampling: Seconds


def _fit_module() -> Any:
    import importlib

    return importlib.import_module("bayescale.inference.sample")


def nutpie(spec: bs.Spec, evals: bs.Evals, settings: dict[str, Any]) -> Timed:
    """Sample as the package does: nutpie, compiled by Numba."""
    from bayescale.inference.compile import compiled_for

    started = Seconds.now()
    coordinates = Coordinates.of(spec, evals)
    compiled_for(coordinates)
    compiled = Seconds.now()
    idata = _fit_module()._nutpie(coordinates, **settings)
    return Timed(idata, compiled - started, Seconds.now() - compiled)


def compile_jax(spec: bs.Spec, evals: bs.Evals) -> Any:
    """Compile the density for nutpie by JAX, which also differentiates it, including the first call."""
    import nutpie as library

    from bayescale.model.kernels.jax_ops import register

    register()
    coordinates = Coordinates.of(spec, evals)
    model, start = generative_model(coordinates), coordinates.starting_point(np.random.default_rng(1))
    program = library.compile_pymc_model(model, backend="jax", gradient_backend="jax", initial_points=start)
    program._make_logp_func()(program._make_initial_points(SEED), **program._shared_data)
    return program


def nutpie_jax(spec: bs.Spec, evals: bs.Evals, settings: dict[str, Any]) -> Timed:
    """Sample by nutpie with the density compiled by JAX."""
    started = Seconds.now()
    program = compile_jax(spec, evals)
    compiled = Seconds.now()
    idata = _fit_module()._sample(program, **settings)
    return Timed(idata, compiled - started, Seconds.now() - compiled)


def pymc(spec: bs.Spec, evals: bs.Evals, settings: dict[str, Any]) -> Timed:
    """Sample by PyMC's own NUTS; compiling ends when the first draw arrives."""
    first: list[Seconds] = []

    def drawn(**_: Any) -> None:
        if not first:
            first.append(Seconds.now())

    started = Seconds.now()
    idata = _fit_module()._pymc(Coordinates.of(spec, evals), callback=drawn, **settings)
    return Timed(idata, first[0] - started, Seconds.now() - first[0])


def numpyro(spec: bs.Spec, evals: bs.Evals, settings: dict[str, Any]) -> Timed:
    """Sample by NumPyro, which compiles within its one call: a run of one draw measures the time of compiling."""
    run = _fit_module()._numpyro
    started = Seconds.now()
    coordinates = Coordinates.of(spec, evals)
    run(coordinates, **settings | {"draws": 1, "tune": 1})
    compiled = Seconds.now()
    idata = run(coordinates, **settings)
    compiling = compiled - started
    return Timed(idata, compiling, Seconds.now() - compiled - compiling)


ROUTES: dict[str, Callable[[bs.Spec, bs.Evals, dict[str, Any]], Timed]] = {
    "nutpie": nutpie,
    "pymc": pymc,
    "numpyro-vectorized": numpyro,
    "nutpie-jax": nutpie_jax,
}


def expected_scores(idata: Any, spec: bs.Spec, evals: bs.Evals, most: int = 1200) -> np.ndarray:
    """Return expected scores (chain, draw, score), a random subset of `most` where there are more."""
    tidy = _fit_module()._tidy(idata, evals)
    count = len(evals.model_names) * len(evals.benchmark_names)
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:most])
    parts = []
    for chain in range(tidy["posterior"].sizes["chain"]):
        for start in range(0, tidy["posterior"].sizes["draw"], 100):  # a hundred draws at a time, for memory
            some = tidy.isel(chain=[chain], draw=slice(start, start + 100))
            parts.append(read_draws(some, spec, evals).fitted_scores().reshape((-1, count))[:, chosen])
    return np.concatenate(parts).reshape((tidy["posterior"].sizes["chain"], -1, len(chosen)))
