"""Prior of slopes under which capability grows with compute: the average benchmark rises.

A slope that is symmetric about zero lets half of all curves fall. Times ``2 G(a' beta)``, with G the distribution
function of a variable symmetric about zero and a any vector that does not depend on beta, its density still integrates
to one (Azzalini 1985, Scandinavian Journal of Statistics 12:171). Here G is the logistic one, and a the loadings,
averaged over benchmarks, times `STEEPNESS`: of a slope and its negative nearly all density goes to the one that rises.
No rotation of the factors changes ``a' beta``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import get_ident
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.model.curve import log_sigmoid
from bayescale.model.prior import Prior

# Per logit that the average benchmark rises in a decade: one that falls by 0.1 has a quarter of the odds.
STEEPNESS = 10.0


def log_rising(loading: Any, slope: Any, rises: np.ndarray) -> Any:
    """Return the log of ``2 G(a' beta)``, added up over the covariates with which capability grows.

    Parameters
    ----------
    loading : tensor (benchmark, factor)
    slope : tensor (covariate, factor)
    rises : ndarray of bool (covariate,)
    """
    return pt.sum(rises * (np.log(2.0) + log_sigmoid(STEEPNESS * (slope @ loading.mean(axis=0)))))


def rising_slopes(
    name: str, priors: Sequence[Prior], loading: Any, rises: np.ndarray, *, factors: int, dims: tuple[str, str]
) -> Any:
    """Make slopes (covariate, factor) with the priors of their covariates, those of the rising ones skewed."""

    def log_density(value: Any, loading: Any, _: Any) -> Any:
        densities = [prior.log_density(value[place]).sum() for place, prior in enumerate(priors)]
        return sum(densities) + log_rising(loading, value, rises)

    def draw(loading: np.ndarray, zeros: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        slope = np.stack([each(rng) for each in _drawers(tuple(priors), factors, get_ident())])
        falls = rng.logistic(size=len(rises)) > STEEPNESS * (slope @ loading.mean(axis=0))
        return np.where((falls & rises)[:, None], -slope, slope)

    zeros = np.zeros((len(rises), factors))  # its shape is that of the slopes
    signature = "(b,k),(c,k)->(c,k)"
    return pm.CustomDist(name, loading, zeros, logp=log_density, random=draw, signature=signature, dims=dims)


@lru_cache(maxsize=64)
def _drawers(priors: tuple[Prior, ...], factors: int, thread: int) -> list[Callable[[np.random.Generator], np.ndarray]]:
    # Of a thread its own: a function of PyTensor has one place for its inputs.
    return [prior.drawer(factors) for prior in priors]
