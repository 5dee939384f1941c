"""The map from standard coordinates to the Gaussian levels: kernel, plain form, and the density it promises."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayescale.model.coordinates.hierarchy import levels as plain
from bayescale.model.kernels.levels import levels

MODELS, BENCHMARKS, FACTORS, COVARIATES, FAMILIES = 9, 5, 2, 2, 3


def simulation(observed: float) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n = BENCHMARKS + COVARIATES * FACTORS
    weight = rng.uniform(0.5, 30, (MODELS, BENCHMARKS)) * (rng.random((MODELS, BENCHMARKS)) < observed)
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


AS_IT_IS = pytensor.compile.mode.Mode(linker="py", optimizer=None)
SHAPES = ((BENCHMARKS + COVARIATES * FACTORS,), (FAMILIES, FACTORS), (MODELS, FACTORS), ())
INPUTS = [pt.as_tensor(value).type() for value in simulation(0.7).values()]


def evaluated(outputs: Any, mode: Any, observed: float, *, gradients: bool) -> list[np.ndarray]:
    """What a form returns, with the gradients of a weighted sum of it by the inputs that are no constants."""
    rng = np.random.default_rng(1)
    total = sum((rng.normal(size=shape) * value).sum() for value, shape in zip(outputs, SHAPES, strict=True))
    wanted = [*outputs, *(pytensor.grad(total, INPUTS[:8]) if gradients else [])]
    function = pytensor.function(INPUTS, wanted, mode=mode, on_unused_input="ignore")
    return function(*simulation(observed).values())  # type: ignore[no-any-return]


@cache
def plain_form(observed: float, *, gradients: bool) -> list[np.ndarray]:
    return evaluated(plain(*INPUTS, families=FAMILIES), AS_IT_IS, observed, gradients=gradients)


def compare(mode: Any, observed: float, *, gradients: bool) -> None:
    kernel = evaluated(levels(*INPUTS), mode, observed, gradients=gradients)
    reference = plain_form(observed, gradients=gradients)
    here = simulation(observed)
    names = ["top", "offset", "residual", "density"]
    names += [f"gradient by {name}" for name in list(here)[:8]] if gradients else []
    for name, one, other in zip(names, kernel, reference, strict=True):
        if name in ("gradient by weight", "gradient by logits"):  # of cells without a score the kernel needs none
            one, other = (np.where(here["weight"] > 0, value, 0) for value in (one, other))
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8, err_msg=name)


def test_the_kernel_is_the_plain_form() -> None:
    compare(AS_IT_IS, 0.7, gradients=False)


@pytest.mark.heavy
@pytest.mark.parametrize("observed", [1.0, 0.7, 0.2], ids=["complete", "most scores", "few scores"])
@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_the_kernel_is_the_plain_form_and_so_is_its_gradient(mode: str, observed: float) -> None:
    compare(mode, observed, gradients=True)
