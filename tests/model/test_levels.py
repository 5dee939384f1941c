"""The map from standard coordinates to the Gaussian levels: kernel, plain form, and the density it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayescale.model.coordinates.hierarchy import levels as plain
from bayescale.model.kernels.levels import levels

MODELS, BENCHMARKS, FACTORS, COVARIATES, FAMILIES = 9, 5, 2, 2, 3


def simulation() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n = BENCHMARKS + COVARIATES * FACTORS
    weight = rng.uniform(0.5, 30, (MODELS, BENCHMARKS)) * (rng.random((MODELS, BENCHMARKS)) < 0.7)
    return {
        "top": rng.normal(size=n),
        "offset": rng.normal(size=(FAMILIES, FACTORS)),
        "residual": rng.normal(size=(MODELS, FACTORS)),
        "weight": weight,
        "logits": rng.normal(size=(MODELS, BENCHMARKS)),
        "loading": rng.normal(size=(BENCHMARKS, FACTORS)),
        "x": rng.normal(size=(MODELS, COVARIATES)),
        "sd": np.array(1.7),
        "family": rng.integers(0, FAMILIES, MODELS),
        "mean": rng.normal(size=n),
        "prior": rng.uniform(0.1, 2, n),
    }


def functions(mode: str) -> Any:
    here = simulation()
    inputs = [pt.as_tensor(value).type() for value in here.values()]
    weights = np.random.default_rng(1)
    pairs = []
    for outputs, how in ((levels(*inputs), mode), (plain(*inputs, families=FAMILIES), "FAST_COMPILE")):
        total = sum((weights.normal(size=shape) * value).sum() for value, shape in zip(outputs, SHAPES, strict=True))
        pairs.append(pytensor.function(inputs, [*outputs, *pytensor.grad(total, inputs[:8])], mode=how))
        weights = np.random.default_rng(1)
    return pairs


SHAPES = ((BENCHMARKS + COVARIATES * FACTORS,), (FAMILIES, FACTORS), (MODELS, FACTORS), ())


@pytest.mark.parametrize("mode", ["FAST_COMPILE", pytest.param("NUMBA", marks=pytest.mark.heavy)])
def test_the_kernel_is_the_plain_form_and_so_is_its_gradient(mode: str) -> None:
    kernel, reference = functions(mode)
    here = simulation()
    names = ("top", "offset", "residual", "density", *(f"gradient by {name}" for name in list(here)[:8]))
    for name, one, other in zip(names, kernel(*here.values()), reference(*here.values()), strict=True):
        if name in ("gradient by weight", "gradient by logits"):  # of cells without a score the kernel needs none
            one, other = (np.where(here["weight"] > 0, value, 0) for value in (one, other))
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8, err_msg=name)
