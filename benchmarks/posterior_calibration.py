"""Calibration around a posterior: does the sampler still draw from the posterior when a few models more are known?

    python benchmarks/posterior_calibration.py SPEC EVALS FOLDER [SIMULATIONS [JOBS]]

Each simulation takes one draw of the posterior given EVALS as the truth, draws scores of `NEW` further models of known
families from it, and fits the spec to EVALS and these. The rank of the truth among the new draws is uniform if priors,
likelihood, sampler and forecasts agree, where the data are and not only where the priors are (Saeilynoja, Schmitt,
Buerkner & Vehtari 2025, arXiv:2502.03279). The ranked quantities are those of `calibration.py`. Finished simulations
stay in FOLDER, so the same command resumes an interrupted run.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from calibration import RANKED, draw, fitted, quantities, ranked, run

import bayescale as bs
from bayescale.inference.draws import Draws

NEW = 24
TRIES = 2000
SEED = 1
LONG = {"draws": 2000, "tune": 500, "chains": 4}


def further_models(evals: bs.Evals) -> pd.DataFrame:
    """Return the rows of `NEW` models of known compute, under new names.

    Their mean log10 compute is that of all, so that compute is centred where it was and priors keep their meaning.
    """
    known = evals.models[evals.models["flops"].notna()]
    compute = np.log10(known["flops"].to_numpy(float))
    rng = np.random.default_rng(SEED)
    chosen = [rng.choice(len(known), NEW, replace=False) for _ in range(TRIES)]
    best = min(chosen, key=lambda rows: abs(compute[rows].mean() - compute.mean()))
    rows = known.iloc[best].reset_index(drop=True)
    return rows.assign(model=rows["model"] + " again", flops_log10_sd=np.nan)


def simulate(
    spec: bs.Spec, evals: bs.Evals, models: pd.DataFrame, scores: np.ndarray, truths: list[Draws], number: int
) -> list[dict[str, object]]:
    """Fit the spec to the table with `scores` (simulation, model, benchmark) beside it, and rank the truth."""
    of_new = pd.DataFrame(scores[number], columns=evals.benchmark_names).assign(model=models["model"])
    long = of_new.melt(id_vars="model", var_name="benchmark", value_name="score")
    table = bs.Evals(
        pd.concat([evals.models, models], ignore_index=True),
        evals.benchmarks,
        pd.concat([evals.scores[["model", "benchmark", "score"]], long], ignore_index=True),
        name=f"simulation {number}",
    )
    posterior = fitted(spec, table, number)
    found = quantities(posterior.draws.thinned(RANKED))
    # Of the table itself alone: the truth has no capabilities of the further models.
    found["expected scores"] = found["expected scores"][:, : evals.matrix().size]
    return ranked(number, quantities(truths[number]), found, posterior.convergence)


def main(name: str, table: str, folder: Path, simulations: int = 100, jobs: int = -1) -> None:
    """Simulate around the posterior, then print the tests and plot the ranks."""
    spec, evals = bs.load_spec(name), bs.load_evals(table)
    posterior = bs.fit(spec, evals, random_seed=SEED, progressbar=False, **LONG)
    print(posterior.convergence)
    models = further_models(evals)
    forecast = posterior.forecast(
        family=models["family"].tolist(), flops=models["flops"].to_numpy(float), random_seed=SEED
    )
    drawn = forecast.draws["predicted_score"].transpose("chain", "draw", "model", "benchmark").to_numpy()
    scores = drawn.reshape((-1, *drawn.shape[2:]))
    chosen = np.linspace(0, len(scores) - 1, simulations).astype(int)
    truths = [posterior.draws.take(np.array([index])) for index in chosen]
    one = partial(simulate, spec, evals, models, scores[chosen], truths)
    ranks = run(one, folder / f"ranks-around-{spec.name}.csv", simulations, jobs)
    title = f"{spec.name}: {ranks['simulation'].nunique()} simulations around its posterior on {evals.name}"
    draw(ranks, folder / f"calibration-around-{spec.name}.png", title)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))
