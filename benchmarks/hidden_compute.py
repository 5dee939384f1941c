"""Hide disclosed training compute, and see whether the posterior holds it.

    python benchmarks/hidden_compute.py [SPEC [SEED]]

A seed splits the models of `frontier` that disclose their compute into three parts; models of one maker with the same
compute, variants of one training run, are in the same part. Each part in turn loses its compute (and tokens), the spec
(default `dated`) is fitted, and `posterior.compute()` is compared with what was disclosed. The scores of these models
stay visible: the question is what compute a model had whose scores are known. All figures of `frontier` are stated with
an error, 0.29 decades mostly; `coverage` is of the interval for the compute itself, `coverage with error` of one that
has the error of the statement in it, too. Three fits of 2 chains, 300 + 300 draws.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale import Evals

PARTS = 3
SAMPLING = {"draws": 300, "tune": 300, "chains": 2, "cores": 2, "progressbar": False}


def split(models: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the part (model,) that hides each model's compute, -1 where there is none to hide."""
    disclosed = models["flops"].notna().to_numpy()
    run = pd.factorize(models["organization"].astype(str) + models["flops"].astype(str))[0]
    part_of_run = np.random.default_rng(seed).permutation(run.max() + 1) % PARTS
    return np.where(disclosed, part_of_run[run], -1)


def hide(evals: Evals, rows: np.ndarray) -> Evals:
    """Return the tables without the compute of some models, nor the tokens from which it would follow."""
    models = evals.models.copy()
    models.loc[rows, ["flops", "flops_log10_sd", "tokens_t"]] = np.nan
    return Evals(models, evals.benchmarks, evals.scores, name=evals.name)


def found(posterior: bs.Posterior, models: pd.DataFrame, rows: np.ndarray, seed: int) -> pd.DataFrame:
    """Return a row per hidden model: its error in decades, and whether 90% intervals hold what was disclosed."""
    stated = np.log10(models["flops"].to_numpy(float)[rows])
    draws = posterior.compute().log10_flops.transpose("chain", "draw", "model").to_numpy()
    draws = draws.reshape(-1, draws.shape[-1])[:, rows]
    sd = models["flops_log10_sd"].fillna(0.0).to_numpy(float)[rows]
    noisy = draws + sd * np.random.default_rng(seed).standard_normal(draws.shape)
    held = {}
    for name, values in {"coverage": draws, "coverage with error": noisy}.items():
        low, high = np.quantile(values, [0.05, 0.95], axis=0)
        held |= {name: (low <= stated) & (stated <= high), name.replace("coverage", "width"): high - low}
    size = np.where(models["params_b"].notna()[rows], "size known", "size unknown")
    return pd.DataFrame({"size": size, "error": np.abs(np.median(draws, axis=0) - stated), **held})


def table(cells: pd.DataFrame) -> pd.DataFrame:
    """Summarise over all hidden models, and by whether their size is known."""
    groups = {"all": cells, **dict(iter(cells.groupby("size")))}
    rows = {}
    for name, of in groups.items():
        numbers = of.drop(columns=["size", "error"]).mean()
        rows[name] = {"models": len(of), "median error": of["error"].median(), **numbers}
    return pd.DataFrame(rows).T.round(3)


def main(spec: str = "dated", seed: str = "1") -> None:
    """Print the table after each part, with R-hat and seconds of its fit."""
    warnings.simplefilter("ignore")
    evals, cells = bs.load_evals("frontier"), []
    part = split(evals.models, int(seed))
    for number in range(PARTS):
        rows, started = np.flatnonzero(part == number), time.perf_counter()
        posterior = bs.fit(spec, hide(evals, rows), random_seed=int(seed) + number, **SAMPLING)
        rhat = max(block.rhat for block in posterior.convergence.blocks if block.required)
        cells.append(found(posterior, evals.models, rows, int(seed)))
        print(f"part {number + 1}: R-hat {rhat:.3f}, {time.perf_counter() - started:.0f} s", flush=True)
        print(table(pd.concat(cells)).to_string(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
