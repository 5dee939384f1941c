"""Time the methods of a saved posterior.

    python benchmarks/reading.py POSTERIOR.nc [DRAWS]

DRAWS per chain are kept (default 1,000: 4,000 in all). Each line is one call on a fresh posterior, so that no call
reuses what an earlier one computed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

# Priors are drawn by PyMC, which takes 0.4 s to import, once a process.
import pymc  # noqa: F401

import bayescale as bs
from bayescale.analysis.variance import variance_shares


def calls(posterior: bs.Posterior) -> dict[str, Callable[[bs.Posterior], Any]]:
    """Return the timed calls by name."""
    evals = posterior.evals
    family, first, last = evals.families[0], evals.benchmark_names[0], evals.benchmark_names[-1]
    expected = posterior.forecast(family=family, flops=1e25).draws["expected_score"].median(("chain", "draw")).squeeze()
    given = {name: round(float(expected.sel(benchmark=name)), 2) for name in evals.benchmark_names[:3]}
    return {
        "forecast(family, flops)": lambda p: p.forecast(family=family, flops=1e25).summary(),
        "forecast(NEW_FAMILY, flops)": lambda p: p.forecast(family=bs.NEW_FAMILY, flops=1e25).summary(),
        f"forecast(family, flops, given {len(given)})": lambda p: p.forecast(family=family, flops=1e25, given=given),
        "predict()": lambda p: p.predict().summary(),
        "forecast(family, flops).probability()": lambda p: p.forecast(family=family, flops=1e25).probability(
            last, above=0.8
        ),
        "required_compute(benchmark, above)": lambda p: p.required_compute(last, 0.8, family).summary(),
        "effect(covariate)": lambda p: p.effect("log10_flops").summary(),
        "summary()": lambda p: p.summary(),
        "predictive_check()": lambda p: p.predictive_check().summary(),
        "suggest_benchmarks(forecast, 2)": lambda p: p.suggest_benchmarks(p.forecast(family=family, flops=1e25), 2),
        "to_arviz()": lambda p: p.to_arviz(),
        "expected_scores()": lambda p: p.expected_scores(),
        "capabilities()": lambda p: p.capabilities(),
        "loadings()": lambda p: p.loadings(),
        "factors": lambda p: p.factors,
        "variance_shares(posterior)": variance_shares,
        "efficiency().summary()": lambda p: p.efficiency().summary(),
        "equivalent_flops()": lambda p: p.equivalent_flops(),
        "emergence(benchmark).statement(0.5)": lambda p: p.emergence(last, family).statement(0.5),
        "uplift(benchmark, baseline)": lambda p: p.uplift(last, baseline=first, family=family).summary(),
        "explained_variance(benchmark, all others)": lambda p: p.explained_variance(
            last, family=family, flops=1e25
        ).summary(),
        "suggest_models(budget=8)": lambda p: p.suggest_models(8),
    }


def main(path: str, draws: int = 1000) -> None:
    """Print the seconds of each call, slowest first."""
    posterior = bs.Posterior.load(path)
    posterior = replace(posterior, idata=posterior.idata.isel(draw=slice(draws)))
    seconds = {}
    for name, call in calls(posterior).items():
        fresh = replace(posterior)
        fresh.draws  # noqa: B018 (arrays read from the file belong to loading)
        started = time.perf_counter()
        call(fresh)
        seconds[name] = time.perf_counter() - started
    print(
        f"{posterior.idata['posterior'].sizes['chain'] * draws} draws of {posterior.spec.name}, {posterior.evals.name}"
    )
    for name, value in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{value:6.2f} s   {name}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
