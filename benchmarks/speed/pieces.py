"""Measure one piece: ``python -m benchmarks.speed.pieces KIND SIZE ROUTE OUTPUT``, which `run` starts."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.sizes import problem

CHAINS, CORES = 4, 2
# Chains that JAX computes at once: those of a fit, and a number that fills a GPU.
AT_ONCE = (CHAINS, 64)


def peak_gib() -> float:
    """Return the peak memory of this process plus that of its largest child process, in GiB."""
    of = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in of) / 2**20


def since_process_start() -> float:
    """Return the seconds since `run` started this process."""
    return time.time() - float(os.environ["SPEED_STARTED"])


def settings() -> dict[str, Any]:
    """Return the sampler settings, from the environment that `run` sets."""
    return {
        "draws": int(os.environ["SPEED_DRAWS"]),
        "tune": int(os.environ["SPEED_TUNE"]),
        "chains": CHAINS,
        "cores": CORES,
        "target_accept": 0.8,
        "seed": 1,
        "progressbar": False,
    }


def sample(size: str, route: str, output: Path) -> dict[str, Any]:
    """Sample by one route from an empty cache on disk: seconds, memory, steps, effective draws and means."""
    import arviz as az

    from benchmarks.speed.routes import ROUTES, expected_scores

    spec, evals = problem(size)
    given = settings()
    timed = ROUTES[route](spec, evals, given)
    memory = peak_gib()
    stats = timed.idata["sample_stats"]
    steps = stats["n_steps"].to_numpy()
    scores = expected_scores(timed.idata, spec, evals)
    dataset = az.convert_to_dataset(scores)
    of_scores = (az.ess(dataset), az.ess(dataset, method="tail"), az.mcse(dataset), az.rhat(dataset))
    bulk, tail, mcse, rhat = (values["x"].to_numpy() for values in of_scores)
    np.savez(output.with_suffix(".npz"), mean=scores.mean(axis=(0, 1)), mcse=mcse)
    return {
        "compile_s": timed.compiling.wall,
        "sample_s": timed.sampling.wall,
        "compile_cpu_s": timed.compiling.processor,
        "sample_cpu_s": timed.sampling.processor,
        "peak_gib": memory,
        "draws": given["draws"] * CHAINS,
        "warm_up": given["tune"] / (given["tune"] + given["draws"]),
        "steps_a_draw": float(steps.mean()),
        "divergences": int(stats["diverging"].sum()),
        "bulk_ess": float(np.nanmin(bulk)),
        "tail_ess": float(np.nanmin(tail)),
        "rhat": float(np.nanmax(rhat)),
    }


def warm(size: str, route: str, output: Path) -> dict[str, Any]:
    """Compile in a new process, with the caches that `sample` left on disk."""
    from benchmarks.speed.routes import ROUTES

    spec, evals = problem(size)
    compiling = ROUTES[route](spec, evals, settings() | {"draws": 1, "tune": 1}).compiling
    return {"compile_s": compiling.wall, "compile_cpu_s": compiling.processor}


def _call(program: Any) -> Callable[[np.ndarray], float]:
    """Return the compiled gradient that nutpie calls, without the overhead of Python."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_size_t, *[ctypes.c_void_p] * 4)
    run, data = prototype(program.compiled_logp_func.address), program.user_data
    gradient, density = np.zeros(program.n_dim), np.zeros(1)

    def call(point: np.ndarray) -> float:
        run(len(point), point.ctypes.data, gradient.ctypes.data, density.ctypes.data, data.ctypes.data)
        return float(density[0])

    call.gradient = gradient  # type: ignore[attr-defined]
    return call


def microseconds(
    call: Callable[[Any], Any], points: list[Any], least: float = 2.0, clock: Callable[[], float] = time.thread_time
) -> float:
    """Return the time of one call (thread CPU time by default): the fastest round within `least` seconds."""
    best, until = np.inf, time.perf_counter() + least
    while time.perf_counter() < until:
        started = clock()
        for point in points:
            call(point)
        best = min(best, (clock() - started) / len(points) * 1e6)
    return best


def gradient(size: str, route: str, output: Path) -> dict[str, Any]:
    """Time one gradient of the compiled model."""
    from bayescale.inference.compile import compiled_for
    from bayescale.inference.parallel import one_thread_each
    from bayescale.model.coordinates.parameterization import Coordinates

    spec, evals = problem(size)
    started = time.perf_counter()
    program = compiled_for(Coordinates.of(spec, evals))
    compile_s = time.perf_counter() - started
    points = [program.initial_point_func(seed) for seed in range(20)]
    package = _call(program)
    with one_thread_each():  # as when chains are sampled
        package_us = microseconds(package, points)
    return {
        "cells": evals.n_scores,
        "models": len(evals.model_names),
        "benchmarks": len(evals.benchmark_names),
        "parameters": program.n_dim,
        "compile_s": compile_s,
        "package_us": package_us,
        "peak_gib": peak_gib(),
    }


def gradient_jax(size: str, route: str, output: Path) -> dict[str, Any]:
    """Time one gradient by JAX, of one chain and of several at once, in wall-clock time because XLA uses threads."""
    import jax

    from benchmarks.speed.routes import compile_jax

    spec, evals = problem(size)
    program = compile_jax(spec, evals)
    run, shared = program._make_logp_func(), program._shared_data
    points = [program._make_initial_points(seed) for seed in range(CHAINS)]
    density, data = program._raw_logp_fn, list(shared.values())
    at_once = jax.jit(jax.vmap(jax.value_and_grad(lambda x: density(x, *data)[0])))
    clock = time.perf_counter
    measured: dict[str, Any] = {"device": jax.devices()[0].device_kind}
    measured["jax_us"] = microseconds(lambda point: run(point, **shared), points, clock=clock)
    for chains in AT_ONCE:
        together = jax.device_put(np.stack([points[chain % CHAINS] for chain in range(chains)]))
        jax.block_until_ready(at_once(together))
        of_all = microseconds(lambda x: jax.block_until_ready(at_once(x)), [together], clock=clock)
        measured[f"jax_{chains}_at_once_us"] = of_all / chains
    return measured | {"peak_gib": peak_gib()}


def operations(size: str, route: str, output: Path) -> dict[str, Any]:
    """Time each operation of a gradient, and what a leapfrog step costs beyond it."""
    import nutpie

    from bayescale.inference.compile import compiled_for
    from bayescale.model.coordinates.parameterization import Coordinates
    from benchmarks.speed.operations import timed_operations

    spec, evals = problem(size)
    program = compiled_for(Coordinates.of(spec, evals))
    points = [program.initial_point_func(seed) for seed in range(20)]
    measured: dict[str, Any] = {"gradient_us": microseconds(_call(program), points)}
    common = {"tune": 300, "chains": 1, "cores": 1, "seed": 1, "progress_bar": False, "maxdepth": 6}
    for metric, low_rank in (("low-rank metric", True), ("diagonal metric", False)):
        used = time.process_time()
        idata = nutpie.sample(program, draws=300, save_warmup=True, low_rank_modified_mass_matrix=low_rank, **common)
        used = time.process_time() - used
        steps = sum(int(idata[group]["n_steps"].sum()) for group in ("sample_stats", "warmup_sample_stats"))
        measured[metric] = {"us_a_step": used / steps * 1e6, "steps": steps, "draws": 600}
    measured["operations"] = timed_operations(program, points[0]).round(2).to_dict("records")
    return measured


KINDS = {
    "sample": sample,
    "warm": warm,
    "gradient": gradient,
    "gradient-jax": gradient_jax,
    "operations": operations,
}


def main() -> None:
    """Measure one piece and write it as JSON, atomically."""
    from bayescale._files import atomic_write
    from benchmarks.speed.targets import TARGETS

    kind, size, route, output = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measured = (KINDS | TARGETS)[kind](size, route, output)
    measured |= {"kind": kind, "size": size, "route": route, "process_s": since_process_start()}
    with atomic_write(output) as temporary:
        temporary.write_text(json.dumps(measured, indent=1, default=float))


if __name__ == "__main__":
    main()
