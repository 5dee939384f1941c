"""How far the approximations of `fit(..., method=...)` lie from a sample, and what they cost.

    python benchmarks/approximations.py --output approximations.csv

Fits the default spec to `base-llms` by NUTS, briefly by NUTS, and by each approximation with several seeds, from one
compiled program, and compares them with the long fit: medians in units of its sds, widths of 90% intervals over its
own, the share of its draws that these hold. Expected scores of the fitted models, observed and not, and of each
family's typical model a decade of compute beyond the largest.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.errors import ConvergenceWarning
from bayescale.model.data import design

WAYS: dict[str, dict[str, Any]] = {
    "nuts, short": {"draws": 100, "tune": 150, "chains": 2},
    "laplace": {"method": "laplace"},
    "pathfinder": {"method": "pathfinder"},
}


def quantities(posterior: bs.Posterior) -> dict[str, np.ndarray]:
    """Expected scores (draw, quantity) by kind."""
    draws = posterior.draws
    seen = draws.data.cells["observed"] > 0
    scores = draws.fitted_scores()
    ahead = np.array(design(np.nanmax(draws.data.covariates, axis=0) + 1.0, draws.data.coords["covariate"]))
    families = draws.family_scores(ahead).reshape((draws.size, -1))
    return {"observed": scores[:, seen], "not observed": scores[:, ~seen], "a decade ahead": families}


def distance(found: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Bias, width and content of the 90% intervals of `found`, by the draws `wanted`; columns are quantities."""
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95], axis=0)
    true_low, true_middle, true_high = np.quantile(wanted, [0.05, 0.5, 0.95], axis=0)
    bias = middle - true_middle
    return {
        "bias_sd": float(np.sqrt(np.mean((bias / wanted.std(axis=0)) ** 2))),
        "bias_points": float(100 * np.sqrt(np.mean(bias**2))),
        "width": float(np.median((high - low) / (true_high - true_low))),
        "holds": float(((wanted >= low) & (wanted <= high)).mean()),
    }


def main() -> None:
    """Fit, compare, print a table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("approximations.csv"))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    evals = bs.load_evals("base-llms")
    started = time.perf_counter()
    bs.fit("default", evals, draws=1, tune=1, chains=1, random_seed=0)
    print(f"compiled in {time.perf_counter() - started:.1f} s", flush=True)
    sampled = bs.fit("default", evals, random_seed=0)
    print(f"the long fit took {sampled.sampling['seconds']:.1f} s; converged: {sampled.converged}", flush=True)
    wanted = quantities(sampled)
    rows = []
    for way, settings in WAYS.items():
        for seed in range(1, asked.seeds + 1):
            used = time.process_time()
            posterior = bs.fit("default", evals, random_seed=seed, **settings)
            used = time.process_time() - used
            close = posterior.verdict.approximation
            about = {"way": way, "seed": seed, "seconds": posterior.sampling["seconds"], "cpu_seconds": used}
            about["pareto_k"] = np.nan if close is None else close.pareto_k
            rows += [about | {"of": of} | distance(x, wanted[of]) for of, x in quantities(posterior).items()]
            print(pd.DataFrame(rows[-3:]).round(2).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(asked.output, index=False)
    print(table.drop(columns="seed").groupby(["way", "of"], sort=False).mean().round(2).to_string())


if __name__ == "__main__":
    main()
