"""Sampling distribution of coverage: errors on one benchmark are correlated, so 313 forecasts count for far fewer.

    python benchmarks/joint_coverage.py FOLDER [SPEC]

FOLDER holds the finished fits of a backtest (`benchmarks/backtest.py SPEC FOLDER`, or `fits/` of `bayescale backtest`).
Joint posterior draws of the hidden scores take the place of the observed scores, which gives the distribution of
coverage under a posterior that is exactly right.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bayescale._intervals import tails
from bayescale.evaluation.backtest import load_tasks, make_folds
from bayescale.evaluation.backtest.job import ResultCache, make_jobs
from bayescale.evaluation.backtest.run import resolve_methods

TASKS = ["emergent", "post_training", "leaderboard_v2"]
REPLICATIONS = 1000


def main(folder: str, spec: str = "default") -> None:
    """Print observed coverage, and its 90% range under a posterior that is exactly right."""
    jobs = make_jobs(resolve_methods([spec]), make_folds(load_tasks(TASKS)), random_seed=0)
    forecasts = [p for job in jobs if (p := ResultCache(Path(folder)).read(job)) is not None]
    if not forecasts:
        sys.exit(f"No finished fits of {spec!r} in {folder}, made by this code: run benchmarks/backtest.py first.")
    rng = np.random.default_rng(0)
    cells = sum(p.draws.shape[1] for p in forecasts)
    print(f"{len(forecasts)} fits, {cells} hidden scores")
    for prob in (0.5, 0.9):
        covered, expected = 0, np.zeros(REPLICATIONS)
        for p in forecasts:
            low, high = np.quantile(p.draws, tails(prob), axis=0)
            observed = p.cells["score"].to_numpy()
            replicated = p.draws[rng.integers(0, len(p.draws), REPLICATIONS)]
            covered += ((low <= observed) & (observed <= high)).sum()
            expected += ((low <= replicated) & (replicated <= high)).sum(axis=1)
        least, most = np.quantile(expected / cells, [0.05, 0.95])
        nominal = f"if exactly right, {least:.3f} to {most:.3f} nine times in ten"
        print(f"{prob:.0%} intervals cover {covered / cells:.3f}; {nominal}")


if __name__ == "__main__":
    main(*sys.argv[1:])
