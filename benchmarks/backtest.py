"""Time the backtest of a spec: seconds per fit and in total.

    python benchmarks/backtest.py [SPEC] [FOLDER]

The folder keeps finished fits: give a new one to time all of them.
"""

from __future__ import annotations

import sys
import tempfile
import time

from bayescale.evaluation.backtest import backtest


def main() -> None:
    """Time one backtest of the 15 averaged tasks."""
    spec = sys.argv[1] if len(sys.argv) > 1 else "default"
    folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="backtest-")
    started = time.perf_counter()
    result = backtest([spec], tasks=["emergent", "post_training", "leaderboard_v2"], directory=folder)
    total = time.perf_counter() - started
    fits = result.scores.dropna(subset="seconds").drop_duplicates("seconds")
    print(fits[["task", "seconds", "rhat", "ess", "divergences"]].to_string(index=False))
    print(f"{total:.0f} s in total, compiling included")


if __name__ == "__main__":
    main()
