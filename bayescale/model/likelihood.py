"""Beta-binomial counts, as cheap as they can be said.

PyMC's own BetaBinomial evaluates nine log-gammas a cell and six digammas for the gradient. Of these, three depend on
the data alone and two on the benchmark alone; four of each remain. Tests compare it with SciPy's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.response import beta_shapes


def beta_binomial(
    name: str, *, items: Any, mean: Any, precision: Any, benchmark: Any, choose: Any, observed: Any
) -> Any:
    """Make observed counts ``n y ~ BetaBinomial(n, mean precision, (1 - mean) precision)``.

    Parameters
    ----------
    items, precision : tensor (benchmark,)
        `items` is 0 for benchmarks without items, of which there is no cell here.
    mean, choose : tensor (cell,)
        Expected share, and the log of the binomial coefficient (`log_choose`).
    benchmark : tensor (cell,)
        Index of each cell's benchmark.
    observed : tensor (cell,)
        Counts.
    """
    constant = pt.gammaln(precision) - pt.gammaln(items + precision)
    return pm.CustomDist(
        name,
        items[benchmark],
        mean,
        precision[benchmark],
        constant[benchmark] + choose,
        logp=_log_density,
        random=_draw,
        signature="(),(),(),()->()",
        dtype="int64",
        observed=observed,
    )


def _log_density(value: Any, items: Any, mean: Any, precision: Any, constant: Any) -> Any:
    a, b = beta_shapes(mean, precision)
    return constant + pt.gammaln(value + a) - pt.gammaln(a) + pt.gammaln(items - value + b) - pt.gammaln(b)


def _draw(
    items: Any, mean: Any, precision: Any, constant: Any, rng: np.random.Generator, size: Any = None
) -> np.ndarray:
    share = rng.beta(*beta_shapes(mean, precision), size=size)
    return rng.binomial(np.asarray(items, dtype=np.int64), share)
