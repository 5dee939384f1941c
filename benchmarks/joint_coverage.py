"""How far coverage may stray by chance: forecasts of one benchmark err together, so 313 of them are worth far fewer.

    python benchmarks/joint_coverage.py FOLDER [SPEC]

FOLDER holds the finished fits of a backtest (`benchmarks/backtest.py SPEC FOLDER`, or `fits/` of `bayescale backtest`).
Each joint draw of the hidden scores stands in turn for the observed scores; the coverage of the intervals then has the
distribution that it would have if the posterior were exactly right.
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
WORLDS = 1000


def main(folder: str, spec: str = "default") -> None:
    """Print coverage seen, and the middle 90% of what a posterior that is exactly right would show."""
    jobs = make_jobs(resolve_methods([spec]), make_folds(load_tasks(TASKS)), random_seed=0)
    forecasts = [p for job in jobs if (p := ResultCache(Path(folder)).read(job)) is not None]
    if not forecasts:
        sys.exit(f"No finished fits of {spec!r} in {folder}, made by this code: run benchmarks/backtest.py first.")
    rng = np.random.default_rng(0)
    cells = sum(p.draws.shape[1] for p in forecasts)
    print(f"{len(forecasts)} fits, {cells} hidden scores")
    for prob in (0.5, 0.9):
        seen, expected = 0, np.zeros(WORLDS)
        for p in forecasts:
            low, high = np.quantile(p.draws, tails(prob), axis=0)
            came, worlds = p.cells["score"].to_numpy(), p.draws[rng.integers(0, len(p.draws), WORLDS)]
            seen += ((low <= came) & (came <= high)).sum()
            expected += ((low <= worlds) & (worlds <= high)).sum(axis=1)
        least, most = np.quantile(expected / cells, [0.05, 0.95])
        reference = f"if exactly right, {least:.3f} to {most:.3f} nine times in ten"
        print(f"{prob:.0%} intervals cover {seen / cells:.3f}; {reference}")


if __name__ == "__main__":
    main(*sys.argv[1:])
