"""Tables to fit: the public ones, and simulated ones of growing size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

import bayescale as bs

# Models x benchmarks, with three cells in ten observed.
GRID = {f"{m}x{b}": (m, b) for m, b in ((125, 25), (250, 50), (500, 100), (1000, 100), (2000, 100))}
DENSITY = 0.3
SIMULATED_FACTORS = 4
MODELS_OF_A_FAMILY = 10


def simulate(models: int, benchmarks: int, seed: int = 0) -> bs.Evals:
    """Simulate families of ten models over four decades of compute, a tenth unknown; two benchmarks are a testlet."""
    rng = np.random.default_rng(seed)
    family = np.arange(models) // MODELS_OF_A_FAMILY
    factors = SIMULATED_FACTORS
    log10_flops = rng.uniform(20.5, 24.5, models)
    offset = rng.normal(0, 1, (family[-1] + 1, factors))
    capability = 0.7 * (log10_flops - 22.5)[:, None] + offset[family] + rng.standard_normal((models, factors))
    loading = 0.25 + 0.1 * rng.standard_normal((benchmarks, factors))
    loading[np.arange(benchmarks), np.arange(benchmarks) % factors] += 0.4
    logit = capability @ loading.T - rng.normal(0.5, 0.8, benchmarks)
    floor = np.where(np.arange(benchmarks) % 3 == 0, 0.25, 0.0)
    mean = floor + 0.01 + (0.99 - floor) * special.expit(logit)
    items, precision = rng.integers(100, 2000, benchmarks), 400.0
    score = rng.binomial(items, rng.beta(mean * precision, (1 - mean) * precision)) / items
    seen = rng.random(score.shape) < DENSITY
    seen[np.arange(benchmarks) % models, np.arange(benchmarks)] = True
    rows, columns = np.nonzero(seen)
    names, titles = [f"model-{m}" for m in range(models)], [f"benchmark-{b}" for b in range(benchmarks)]
    flops = np.where(rng.random(models) < 0.1, np.nan, 10**log10_flops)
    pair = np.where(np.arange(benchmarks) >= benchmarks - 2, "pair", "")
    return bs.Evals(
        pd.DataFrame({"model": names, "family": [f"family-{f}" for f in family], "flops": flops}),
        pd.DataFrame({"benchmark": titles, "items": items, "floor": floor, "testlet": pair}),
        pd.DataFrame(
            {"model": np.array(names)[rows], "benchmark": np.array(titles)[columns], "score": score[rows, columns]}
        ),
        name=f"simulated {models}x{benchmarks}",
    )


def problem(size: str) -> tuple[bs.Spec, bs.Evals]:
    """Return spec and scores of a size: the name of a shipped table, or a key of `GRID`."""
    spec = bs.load_spec("default")
    if size in GRID:
        return spec.replace(factors=SIMULATED_FACTORS), simulate(*GRID[size])
    return spec, bs.load_evals(size)


SIZES: tuple[str, ...] = ("base-llms", "base-llms-all", *GRID)
