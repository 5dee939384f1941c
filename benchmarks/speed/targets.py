"""Time what a user waits for: the default fit in a new process, a second fit, and forecasts from it."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import bayescale as bs

MANY = 10_000
# Draws for the forecast of many models: as many as a report carries.
THINNED = 400


def fit(size: str, route: str, output: Path) -> dict[str, Any]:
    """Time `bayescale.fit` in this new process, and save the posterior for `forecasts`."""
    from benchmarks.speed.pieces import peak_gib, settings, since_process_start
    from benchmarks.speed.routes import Seconds
    from benchmarks.speed.sizes import problem

    spec, evals = problem(size)
    given = settings()
    lengths = {name: given[name] for name in ("draws", "tune", "chains", "cores", "progressbar")}
    posterior = bs.fit(spec, evals, random_seed=1, **lengths)
    seconds, convergence, used = since_process_start(), posterior.convergence, Seconds.now().processor
    posterior.save(output.with_suffix(".nc"))
    matrix = evals.matrix()
    masked = evals.mask(matrix.notnull() & (np.arange(matrix.size).reshape(matrix.shape) % 10 == 0))
    measured = {
        "from_process_start_s": seconds,
        "cpu_s": used,
        "rhat": convergence.rhat,
        "ess": convergence.ess_bulk,
        "peak_gib": peak_gib(),
    }
    from bayescale.inference.compile import compiled_for
    from bayescale.model.coordinates.parameterization import Coordinates

    started = time.perf_counter()
    compiled_for(Coordinates.of(spec, masked))
    return measured | {"second_compile_s": time.perf_counter() - started, "seconds": posterior.sampling["seconds"]}


def forecasts(size: str, route: str, output: Path) -> dict[str, Any]:
    """Time a forecast with known scores, and one of many models at once."""
    from benchmarks.forecast import seconds
    from benchmarks.speed.pieces import peak_gib

    posterior = bs.Posterior.load(next(output.parent.glob(f"fit-*--{size}--*.nc")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measured: dict[str, Any] = {
            "forecast_s": seconds(posterior),
            "forecast_cpu_s": seconds(posterior, time.process_time),
        }
    before = peak_gib()
    idata = posterior.idata.isel(draw=slice(None, None, posterior.idata["posterior"].sizes["draw"] * 4 // THINNED))
    few = bs.Posterior.from_draws(idata, posterior.spec, posterior.evals, posterior.sampling)
    flops = np.logspace(21, 26, MANY)
    started, used = time.perf_counter(), time.process_time()
    summary = few.forecast(family=posterior.evals.families[0], flops=flops).draws["expected_score"]
    measured |= {"many_s": time.perf_counter() - started, "many_cpu_s": time.process_time() - used}
    measured |= {"many_peak_gib": peak_gib(), "before_gib": before}
    return measured | {"many_draws": summary.sizes["chain"] * summary.sizes["draw"]}


TARGETS = {"fit-cold": fit, "fit-warm": fit, "forecasts": forecasts}
