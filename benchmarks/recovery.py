"""Recovery of the number of capabilities: `scan_factors` on tables simulated with 2, 3 and 4 of them.

    python benchmarks/recovery.py FOLDER [SIMULATIONS]

All tables have the same models, families and compute, so that each number of factors is compiled once. A scan is right
when the number of factors that best predicts models never evaluated is off by one at most. Finished scans stay in
FOLDER, so the same command resumes an interrupted run.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from scipy import special

import bayescale as bs
from bayescale.inference import compile as compiled

FACTORS = range(1, 7)
TRUTHS = (2, 3, 4)
SAMPLING = {"draws": 300, "tune": 250, "chains": 2}
FOLDS = 3
FAMILIES, MODELS, BENCHMARKS, ITEMS = 8, 5, 12, 1000
RESIDUAL_SD, OFFSET_SD, PRECISION = 1.0, 1.0, 400.0


def simulate(factors: int, seed: int) -> bs.Evals:
    """Simulate scores of 40 models on 12 benchmarks, each of which loads mostly on one of the capabilities.

    Capabilities rise by 1.5 residual sds a decade over four decades; loadings are 0.8 on a benchmark's own capability
    and about 0.2 on the others. The equations are written out here, independent of the package.
    """
    layout, rng = np.random.default_rng(0), np.random.default_rng([factors, seed])
    family = np.repeat(np.arange(FAMILIES), MODELS)
    log10_flops = layout.uniform(20.5, 24.5, len(family))
    x = log10_flops - log10_flops.mean()
    offset = OFFSET_SD * rng.standard_normal((FAMILIES, factors))
    theta = 1.5 / np.sqrt(factors) * x[:, None] + offset[family]
    theta = theta + RESIDUAL_SD * rng.standard_normal(theta.shape)
    loading = 0.2 + 0.1 * rng.standard_normal((BENCHMARKS, factors))
    loading[np.arange(BENCHMARKS), np.arange(BENCHMARKS) % factors] += 0.6
    logit = theta @ loading.T - rng.normal(0, 0.7, BENCHMARKS)
    floor = np.where(np.arange(BENCHMARKS) % 3 == 0, 0.25, 0.02)
    mean = floor + (1 - floor) * special.expit(logit)
    score = rng.binomial(ITEMS, rng.beta(mean * PRECISION, (1 - mean) * PRECISION)) / ITEMS
    models = [f"model-{m}" for m in range(len(family))]
    benchmarks = [f"benchmark-{b}" for b in range(BENCHMARKS)]
    names = [f"family-{f}" for f in family]
    return bs.Evals(
        pd.DataFrame({"model": models, "family": names, "flops": 10**log10_flops}),
        pd.DataFrame({"benchmark": benchmarks, "items": ITEMS, "floor": np.where(floor > 0.1, 0.25, 0.0)}),
        pd.DataFrame(
            {"model": np.repeat(models, BENCHMARKS), "benchmark": benchmarks * len(models), "score": score.ravel()}
        ),
        name=f"{factors} factors, seed {seed}",
    )


def scan(truth: int, number: int, path: Path) -> None:
    """Scan one simulated table, unless its result exists, and write the result."""
    compiled.KEPT = len(FACTORS)  # keep every number of factors compiled
    if not path.exists():
        spec = bs.load_spec("default")
        result = bs.scan_factors(spec, simulate(truth, number), FACTORS, folds=FOLDS, jobs=1, **SAMPLING)
        result.summary().reset_index().to_csv(path, index=False)
        print(result, file=sys.stderr, flush=True)


def main(folder: Path, simulations: int = 10) -> None:
    """Run missing scans, one per core, then print the best number of factors of each."""
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    planned = [
        (TRUTHS[number % len(TRUTHS)], number, folder / f"simulation-{number}.csv") for number in range(simulations)
    ]
    joblib.Parallel(n_jobs=-1, batch_size=1)(joblib.delayed(scan)(*job) for job in planned)
    rows = []
    for truth, _, path in planned:
        table = pd.read_csv(path)
        order = [int(s.split()[0]) for s in table["spec"]]
        differences = table["difference_model"].round(1).tolist()
        rows.append({"truth": truth, "best": order[0], "order": order, "difference": differences})
    results = pd.DataFrame(rows)
    right = (results["best"] - results["truth"]).abs() <= 1
    print(results.to_string(index=False))
    print(f"within one of the truth: {right.sum()} of {len(right)}; {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
