"""Whiten normal variables: a data-informed partial non-centring that leaves the posterior unchanged.

Given everything else, capabilities and family offsets are close to Gaussian: a normal prior, and one nearly linear
observation per score. Their scale in one direction is set by thousands of items and in another by the prior alone, so
neither the centred nor the non-centred form suits a sampler with one step size. `ConditionalWhitening` samples ``z``
with ``theta = conditional mean + conditional square root * z`` and adds the exact log-Jacobian (Papaspiliopoulos,
Roberts & Skold 2007; Gorinova, Moore & Hoffman 2020). Measurements are in docs/model-notes.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

from bayescale.model.kernels.whiten import whiten


class ConditionalWhitening(Transform):
    """Transform of a `whitened_normal` variable; its last inputs are the precision and linear term to whiten by."""

    name = "whitened"
    ndim_supp = 2

    def __init__(self) -> None:
        self._last: tuple[tuple[Any, ...], list[Any]] | None = None

    def _whitened(self, value: Any, inputs: tuple[Any, ...]) -> list[Any]:
        # Value and Jacobian come from one node, so that the gradient is taken through it once and not twice.
        key = (value, *inputs[-2:])
        if self._last is None or any(a is not b for a, b in zip(self._last[0], key, strict=True)):
            self._last = (key, whiten(*key))
        return self._last[1]

    def backward(self, value: Any, *inputs: Any) -> Any:
        return self._whitened(value, inputs)[0]

    def forward(self, value: Any, *inputs: Any) -> Any:
        precision, linear = inputs[-2:]
        lower = pt.linalg.cholesky(precision)
        centre = pt.linalg.solve_triangular(lower, linear, lower=True, b_ndim=1)
        return (lower.mT @ value[..., None])[..., 0] - centre

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        return self._whitened(value, inputs)[1].sum()


def _log_prior(value: Any, location: Any, precision: Any, linear: Any) -> Any:
    return pm.logp(pm.Normal.dist(location, 1), value).sum()


def _draw_prior(location: Any, precision: Any, linear: Any, rng: np.random.Generator, size: Any = None) -> Any:
    return rng.normal(location, 1.0)


def _conditional_mean(rv: Any, size: Any, location: Any, precision: Any, linear: Any) -> Any:
    """Return the initial value: what the scores suggest, zero in whitened coordinates.

    The locations, PyMC's default, lie thousands of nats below the posterior, and chains that start there can end in a
    mode where one benchmark is noise (docs/model-notes.md).
    """
    return whiten(pt.zeros_like(location), precision, linear)[0]


def whitened_normal(name: str, location: Any, *, precision: Any, linear: Any, dims: Any) -> Any:
    """Make ``Normal(location, 1)``, sampled in conditionally whitened coordinates.

    Parameters
    ----------
    location : tensor (row, factor)
    precision : tensor (row, factor, factor)
    linear : tensor (row, factor)
        Precision and linear term (precision times mean) of each row given the scores, about right. They do not enter
        the density.
    """
    return pm.CustomDist(
        name,
        location,
        precision,
        linear,
        logp=_log_prior,
        random=_draw_prior,
        support_point=_conditional_mean,
        signature="(m,k),(m,k,k),(m,k)->(m,k)",
        transform=ConditionalWhitening(),
        dims=dims,
    )
