"""Whiten capabilities: a data-informed partial non-centring that leaves the posterior unchanged.

Given everything else, a model's capabilities are close to Gaussian: prior ``N(location, 1)`` and one nearly linear
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
    """Transform of a `capabilities` variable; its inputs are (location, loading, weight, response)."""

    name = "whitened"
    ndim_supp = 2

    @staticmethod
    def _conditional(location: Any, loading: Any, weight: Any, response: Any) -> tuple[Any, Any]:
        k = loading.shape[1]
        outer = (loading[:, :, None] * loading[:, None, :]).reshape((loading.shape[0], -1))
        precision = pt.eye(k)[None] + (weight @ outer).reshape((weight.shape[0], k, k))
        return precision, location + (weight * response) @ loading

    def __init__(self) -> None:
        self._last: tuple[tuple[Any, ...], list[Any]] | None = None

    def _whitened(self, value: Any, inputs: tuple[Any, ...]) -> list[Any]:
        # Value and Jacobian come from one node, so that the gradient is taken through it once and not twice.
        key = (value, *inputs[-4:])
        if self._last is None or any(a is not b for a, b in zip(self._last[0], key, strict=True)):
            self._last = (key, whiten(value, *self._conditional(*inputs[-4:])))
        return self._last[1]

    def backward(self, value: Any, *inputs: Any) -> Any:
        return self._whitened(value, inputs)[0]

    def forward(self, value: Any, *inputs: Any) -> Any:
        precision, linear = self._conditional(*inputs[-4:])
        lower = pt.linalg.cholesky(precision)
        centre = pt.linalg.solve_triangular(lower, linear, lower=True, b_ndim=1)
        return (lower.mT @ value[..., None])[..., 0] - centre

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        return self._whitened(value, inputs)[1].sum()


def _log_prior(value: Any, location: Any, loading: Any, weight: Any, response: Any) -> Any:
    return pm.logp(pm.Normal.dist(location, 1), value).sum()


def _draw_prior(
    location: Any, loading: Any, weight: Any, response: Any, rng: np.random.Generator, size: Any = None
) -> Any:
    return rng.normal(location, 1.0)


def _conditional_mean(rv: Any, size: Any, location: Any, loading: Any, weight: Any, response: Any) -> Any:
    """Return the initial value: the capabilities that the scores suggest, zero in whitened coordinates.

    The locations, PyMC's default, lie thousands of nats below the posterior, and chains that start there can end in a
    mode where one benchmark is noise (docs/model-notes.md).
    """
    return whiten(pt.zeros_like(location), *ConditionalWhitening._conditional(location, loading, weight, response))[0]


def capabilities(name: str, location: Any, *, loading: Any, weight: Any, response: Any, dims: Any) -> Any:
    """Make ``theta ~ Normal(location, 1)``, sampled in conditionally whitened coordinates.

    Parameters
    ----------
    location : tensor (model, factor)
    loading : tensor (benchmark, factor)
    weight, response : tensor (model, benchmark)
        Fisher information of each score on its logit, and the logit that the score alone suggests, less all effects
        other than ability (`bayescale.model.kernels.working_response`). They do not enter the density.
    """
    return pm.CustomDist(
        name,
        location,
        loading,
        weight,
        response,
        logp=_log_prior,
        random=_draw_prior,
        support_point=_conditional_mean,
        signature="(m,k),(b,k),(m,b),(m,b)->(m,k)",
        transform=ConditionalWhitening(),
        dims=dims,
    )
