"""Graphs as the NumPyro sampler runs them: traced by JAX, of fixed shapes, and differentiated by JAX itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest


def fixed(values: Iterable[np.ndarray]) -> list[Any]:
    """Symbols with the shapes of `values`."""
    return [pt.tensor(shape=value.shape, dtype="float64") for value in values]


def jaxed(inputs: list[Any], outputs: list[Any], count: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Outputs of `inputs`, and the gradient of the last, a scalar, with respect to the first `count` inputs."""
    jax = pytest.importorskip("jax")
    from pymc.sampling.jax import get_jaxified_graph

    from bayescale.model.kernels.jax_ops import register

    register()
    run = get_jaxified_graph(inputs, outputs)
    return run, jax.grad(lambda *at: run(*at)[-1], argnums=tuple(range(count)))
