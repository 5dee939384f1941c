"""Time forecasts with known scores on a saved posterior.

python benchmarks/forecast.py POSTERIOR.nc
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import bayescale as bs


def seconds(posterior: bs.Posterior, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Time a forecast for a known family and for a new one, without and with known scores."""
    taken = {}
    for title, family in (("known family", posterior.evals.families[0]), ("new family", bs.NEW_FAMILY)):
        draws = posterior.forecast(family=family, flops=1e25).draws["expected_score"]
        expected = draws.median(("chain", "draw")).squeeze()
        given = {name: round(float(expected.sel(benchmark=name)), 2) for name in posterior.evals.benchmark_names[:3]}
        for label, scores in (("", None), (f", given {', '.join(given)}", given)):
            started = clock()
            posterior.forecast(family=family, flops=1e25, given=scores)
            taken[f"{title}{label}"] = clock() - started
    return taken


def main() -> None:
    """Print the seconds of each forecast."""
    for title, value in seconds(bs.Posterior.load(sys.argv[1])).items():
        print(f"{value:6.2f} s   {title}")


if __name__ == "__main__":
    main()
