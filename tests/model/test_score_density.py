"""The hot path of the likelihood: log-gamma, density and derivatives against SciPy and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxed import fixed, jaxed
from scipy import special, stats
from simulate import rise

from bayescale.model.curve import SHARE_STEPS
from bayescale.model.kernels.rising_factorial import log_gamma_and_digamma, log_rising_factorial
from bayescale.model.kernels.score_density import score_density

ITEMS = np.array([1319.0, SHARE_STEPS, 164.0, 1.0])


DIFFERENTIABLE = ("logit", "floor", "ceiling", "shape", "precision", "specific_sd")


def random_inputs(seed: int = 0) -> dict[str, np.ndarray]:
    """Scores near both ends too, precisions from 0.1 to a million, sigmoids and what is nearly Gompertz' curve.

    No cell is observed in the second row.
    """
    rng = np.random.default_rng(seed)
    size = (9, len(ITEMS))
    score = np.rint(rng.beta(0.5, 0.5, size) * ITEMS) / ITEMS
    observed = (rng.random(size) < 0.8).astype(float)
    observed[1] = 0
    return {
        "logit": rng.normal(0, 2, size),
        "floor": np.array([0.25, 1e-3, 0.1, 0.02]),
        "ceiling": np.array([1.0, 0.97, 1.0, 0.9]),
        "shape": np.array([1.0, 0.02, 0.6, 5.0]),
        "precision": 10.0 ** rng.uniform(-1, 6, len(ITEMS)),
        "specific_sd": np.array([0.0, 0.2, 0.05, 2.0]),
        "score": score,
        "observed": observed,
    }


def by_scipy(
    logit: Any, floor: Any, ceiling: Any, shape: Any, precision: Any, specific_sd: Any, score: Any, observed: Any
) -> np.ndarray:
    """The noise of the logit adds, to first order in its variance, (sd slope)^2 to that of the share of items."""
    mean = floor + (ceiling - floor) * rise(logit, shape)
    share = rise(logit, shape)
    slope = (ceiling - floor) * share * (1 - share**shape) * 0.5 / (1 - 2.0**-shape)
    extra = (specific_sd * slope) ** 2 / (mean * (1 - mean))
    correlation = 1 - precision / (precision + 1) / (1 + extra)  # of the items of one evaluation
    precision = 1 / correlation - 1
    a, b = mean * precision, (1 - mean) * precision
    n = ITEMS.astype(int)
    hits = np.rint(score * n).astype(int)
    counts = stats.betabinom.logpmf(hits, n, a, b)
    counts -= special.gammaln(n + 1) - special.gammaln(hits + 1) - special.gammaln(n - hits + 1)
    return np.where(observed > 0, counts, 0.0)


def symbolic(inputs: list[Any]) -> tuple[Any, Any]:
    """The density, and the gradient of a weighted sum of it."""
    *parameters, score, observed = inputs
    density = score_density(*parameters, ITEMS, score, observed)[0]
    weights = np.arange(1, 10)[:, None]
    return density, pytensor.grad((weights * density).sum(), inputs[: len(DIFFERENTIABLE)])


@pytest.fixture(scope="module", params=["FAST_COMPILE", pytest.param("NUMBA", marks=pytest.mark.heavy)])
def compiled(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], Callable[..., Any]]:
    inputs = [pt.as_tensor(value).type() for value in random_inputs().values()]
    density, gradient = symbolic(inputs)
    mode = request.param
    return pytensor.function(inputs, density, mode=mode), pytensor.function(inputs, gradient, mode=mode)


def test_the_density_is_scipys(compiled: tuple[Callable[..., Any], ...]) -> None:
    for seed in range(3):
        here = random_inputs(seed)
        np.testing.assert_allclose(compiled[0](*here.values()), by_scipy(**here), rtol=1e-6, atol=1e-6)


def test_the_gradient_is_that_of_finite_differences(compiled: tuple[Callable[..., Any], ...]) -> None:
    here = random_inputs()
    weights = np.arange(1, 10)[:, None]
    for name, exact in zip(DIFFERENTIABLE, compiled[1](*here.values()), strict=True):
        for index in np.ndindex(exact.shape):
            value = here[name][index]
            h = 1e-4 * (value if value and name != "logit" else 1.0)
            sides = []
            for sign in (1, -1):
                moved = here[name].copy()
                moved[index] += sign * h
                sides.append((weights * by_scipy(**here | {name: moved})).sum())
            assert exact[index] == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-4, abs=1e-4 / h * 1e-4), name


@numba.njit
def called(x):  # type: ignore[no-untyped-def]
    """PyTensor's functions have no entry from Python: called directly they bring the process down."""
    return log_gamma_and_digamma(x)


@settings(max_examples=300, deadline=None)
@given(st.floats(1e-6, 1e8))
def test_log_gamma_and_digamma_are_scipys(x: float) -> None:
    value, derivative = called(x)
    assert value == pytest.approx(special.gammaln(x), rel=1e-13, abs=1e-13)
    assert derivative == pytest.approx(special.digamma(x), rel=1e-13, abs=1e-13)


@numba.njit
def rising(x, n):  # type: ignore[no-untyped-def]
    return log_rising_factorial(x, n)


@settings(max_examples=300, deadline=None)
@given(st.floats(-6, 60), st.integers(0, SHARE_STEPS))
def test_rising_factorials_are_exact_where_log_gammas_differ_by_rounding_alone(log10_x: float, n: int) -> None:
    """Against the logs of their factors, x (x + 1) ... (x + n - 1), and the reciprocals of these."""
    x = 10.0**log10_x
    factors = x + np.arange(n)
    value, derivative = rising(x, float(n))
    scale = np.abs(np.log(factors)).sum()
    assert value == pytest.approx(np.log(factors).sum(), rel=1e-12, abs=1e-12 * max(scale, 1.0))
    assert derivative == pytest.approx((1 / factors).sum(), rel=1e-11)


def test_the_density_at_a_precision_beyond_all_is_the_binomials() -> None:
    here = random_inputs() | {"precision": np.full(len(ITEMS), 1e17), "specific_sd": np.zeros(len(ITEMS))}
    inputs = [pt.as_tensor(value).type() for value in here.values()]
    density, gradient = (pytensor.function(inputs, output, mode="NUMBA")(*here.values()) for output in symbolic(inputs))
    mean = here["floor"] + (here["ceiling"] - here["floor"]) * rise(here["logit"], here["shape"])
    hits = np.rint(here["score"] * ITEMS)
    expected = hits * np.log(mean) + (ITEMS - hits) * np.log1p(-mean)
    np.testing.assert_allclose(density, np.where(here["observed"] > 0, expected, 0.0), rtol=1e-9, atol=1e-9)
    weights = np.arange(1, 10)[:, None]
    by_mean = np.where(here["observed"] > 0, weights * (hits / mean - (ITEMS - hits) / (1 - mean)), 0.0)
    np.testing.assert_allclose(gradient[1], (by_mean * (1 - rise(here["logit"], here["shape"]))).sum(axis=0), rtol=1e-9)


@pytest.mark.heavy
def test_run_by_jax_it_is_the_same() -> None:
    here = random_inputs()
    inputs = fixed(here.values())
    density, gradient = symbolic(inputs)
    weights = np.arange(1, 10)[:, None]
    run, slopes = jaxed(inputs, [density, (weights * density).sum()], len(DIFFERENTIABLE))
    value, gradient = (pytensor.function(inputs, output, mode="FAST_COMPILE") for output in (density, gradient))
    point = list(here.values())
    np.testing.assert_allclose(run(*point)[0], value(*point), rtol=1e-5, atol=1e-4)
    for one, other in zip(slopes(*point), gradient(*point), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
