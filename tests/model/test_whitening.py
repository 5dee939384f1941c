"""Whitening: other coordinates for the sampler, the same density; each piece against NumPy and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from jaxed import fixed, jaxed
from scipy import stats

from bayescale.model.coordinates.whitening import ConditionalWhitening, capabilities
from bayescale.model.kernels.whiten import whiten, whiten_gradient

Small = dict[str, np.ndarray]


def numbers(rows: int = 6, k: int = 3, benchmarks: int = 5, seed: int = 0) -> Small:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(rows, k, k))
    return {
        "z": rng.normal(size=(rows, k)),
        "root": root,
        "precision": root @ root.swapaxes(1, 2) + np.eye(k),
        "linear": rng.normal(size=(rows, k)),
        "location": rng.normal(size=(rows, k)),
        "loading": rng.normal(size=(benchmarks, k)),
        "weight": rng.gamma(2.0, 20.0, (rows, benchmarks)) * (rng.random((rows, benchmarks)) < 0.8),
        "response": rng.normal(size=(rows, benchmarks)),
        "theta": rng.normal(size=(rows, k)),
    }


def formula(z: np.ndarray, precision: np.ndarray, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P^-1 h + L^-T z and the log-Jacobian, row by row, with explicit inverses."""
    theta, log_jacobian = np.empty_like(z), np.empty(len(z))
    for m in range(len(z)):
        root = np.linalg.inv(np.linalg.cholesky(precision[m])).T
        theta[m] = np.linalg.inv(precision[m]) @ linear[m] + root @ z[m]
        log_jacobian[m] = np.linalg.slogdet(root)[1]
    return theta, log_jacobian


def op_functions(mode: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The operation, and the gradient of a scalar of it with respect to z, a root of the precision, and linear."""
    z, root, linear = pt.dmatrix(), pt.dtensor3(), pt.dmatrix()
    precision = root @ root.mT + pt.eye(root.shape[2])[None]
    theta, log_jacobian = whiten(z, precision, linear)
    scalar = pt.sum(pt.sin(theta)) + pt.sum(log_jacobian * pt.arange(1, z.shape[0] + 1))
    gradients = pytensor.grad(scalar, [z, root, linear])
    inputs = [z, root, linear]
    return (
        pytensor.function(inputs, [theta, log_jacobian, scalar], mode=mode),
        pytensor.function(inputs, gradients, mode=mode),
    )


@pytest.fixture(scope="module")
def plain() -> tuple[Callable[..., Any], Callable[..., Any]]:
    return op_functions("FAST_COMPILE")


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_operation_is_its_formula(plain: tuple[Callable[..., Any], ...], k: int) -> None:
    given = numbers(k=k)
    theta, log_jacobian, _ = plain[0](given["z"], given["root"], given["linear"])
    expected = formula(given["z"], given["precision"], given["linear"])
    np.testing.assert_allclose(theta, expected[0], rtol=1e-10)
    np.testing.assert_allclose(log_jacobian, expected[1], rtol=1e-10)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_gradient_is_that_of_finite_differences(plain: tuple[Callable[..., Any], ...], k: int) -> None:
    value, gradient = plain
    given = numbers(rows=3, k=k)
    point = [given["z"], given["root"], given["linear"]]
    step = 1e-6
    for position, exact in enumerate(gradient(*point)):
        numeric = np.empty_like(exact)
        for index in np.ndindex(exact.shape):
            sides = []
            for sign in (1, -1):
                moved = [p.copy() for p in point]
                moved[position][index] += sign * step
                sides.append(value(*moved)[2])
            numeric[index] = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(exact, numeric, rtol=1e-5, atol=1e-6)


def test_compiled_by_numba_it_is_the_same() -> None:
    inputs = [pt.dmatrix(), pt.dtensor3(), pt.dmatrix()]
    adjoints = [pt.dmatrix(), pt.dvector()]
    outputs = [*whiten(*inputs), *whiten_gradient(*inputs, *adjoints)]
    compiled, reference = (pytensor.function([*inputs, *adjoints], outputs, mode=m) for m in ("NUMBA", "FAST_COMPILE"))
    for k in (1, 3):
        given = numbers(rows=7, k=k, seed=k)
        point = (given["z"], given["precision"], given["linear"], given["theta"], given["theta"][:, 0])
        for one, other in zip(compiled(*point), reference(*point), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.heavy
def test_run_by_jax_it_is_the_same(plain: tuple[Callable[..., Any], ...]) -> None:
    given = numbers()
    point = [given["z"], given["root"], given["linear"]]
    z, root, linear = fixed(point)
    theta, log_jacobian = whiten(z, root @ root.mT + np.eye(3), linear)
    scalar = pt.sum(pt.sin(theta)) + pt.sum(log_jacobian * np.arange(1, len(given["z"]) + 1))
    run, gradient = jaxed([z, root, linear], [theta, log_jacobian, scalar], 3)
    for ours, reference in zip((run, gradient), plain, strict=True):
        for one, other in zip(ours(*point), reference(*point), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def transform() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """From z to theta, z again, and the log-Jacobian of `ConditionalWhitening`."""
    z, inputs = pt.dmatrix(), [pt.dmatrix() for _ in range(4)]
    change = ConditionalWhitening()
    theta = change.backward(z, *inputs)
    outputs = [theta, change.forward(theta, *inputs), change.log_jac_det(z, *inputs)]
    return pytensor.function([z, *inputs], outputs, mode="FAST_COMPILE")


NAMES = ("z", "location", "loading", "weight", "response")


@pytest.mark.parametrize("k", [1, 3])
def test_forward_undoes_backward(transform: Callable[..., Any], k: int) -> None:
    given = numbers(k=k)
    _, again, _ = transform(*(given[n] for n in NAMES))
    np.testing.assert_allclose(again, given["z"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("k", [1, 3])
def test_the_log_jacobian_is_the_numeric_one(transform: Callable[..., Any], k: int) -> None:
    given = numbers(rows=3, k=k)
    rest = [given[n] for n in NAMES[1:]]
    size, step = given["z"].size, 1e-5
    matrix = np.empty((size, size))
    for i in range(size):
        nudge = np.zeros(size)
        nudge[i] = step
        nudge = nudge.reshape(given["z"].shape)
        up, down = (transform(given["z"] + s * nudge, *rest)[0] for s in (1, -1))
        matrix[:, i] = ((up - down) / (2 * step)).ravel()
    assert np.linalg.slogdet(matrix)[1] == pytest.approx(transform(given["z"], *rest)[2], abs=1e-7)


def test_whitened_coordinates_are_standard_normal_when_the_working_model_is_the_truth(
    transform: Callable[..., Any],
) -> None:
    """The point of it: theta | working responses ~ Normal, and z is that Normal's standard coordinate."""
    given = numbers(rows=1, k=3)
    loading, weight = given["loading"], given["weight"][0]
    precision = np.eye(3) + (loading * weight[:, None]).T @ loading
    mean = np.linalg.solve(precision, given["location"][0] + (weight * given["response"][0]) @ loading)
    zs = np.random.default_rng(0).normal(size=(4000, 1, 3))
    thetas = np.array([transform(z, *(given[n] for n in NAMES[1:]))[0][0] for z in zs])
    np.testing.assert_allclose(thetas.mean(0), mean, atol=4.5 * np.sqrt(np.diag(np.linalg.inv(precision)).max() / 4000))
    np.testing.assert_allclose(np.cov(thetas.T), np.linalg.inv(precision), atol=0.1 * np.linalg.inv(precision).max())


def capability_model(given: Small) -> pm.Model:
    with pm.Model() as model:
        capabilities(
            "theta",
            pt.as_tensor(given["location"]),
            loading=pt.as_tensor(given["loading"]),
            weight=pt.as_tensor(given["weight"]),
            response=pt.as_tensor(given["response"]),
            dims=None,
        )
    return model


def test_the_density_of_capabilities_is_normal_around_their_location_whatever_the_weights() -> None:
    given = numbers()
    model = capability_model(given)
    (value,) = model.value_vars
    (theta,) = model.replace_rvs_by_values([model["theta"]])
    outputs = [theta, model.logp(jacobian=False), model.logp(jacobian=True)]
    evaluate = pytensor.function([value], outputs, mode="FAST_COMPILE")
    for seed in range(3):
        z = np.random.default_rng(seed).normal(size=given["location"].shape)
        theta_value, plain_density, sampled_density = evaluate(z)
        expected = formula(
            z,
            np.eye(3) + np.einsum("mb,bk,bl->mkl", given["weight"], given["loading"], given["loading"]),
            given["location"] + (given["weight"] * given["response"]) @ given["loading"],
        )
        np.testing.assert_allclose(theta_value, expected[0], rtol=1e-9, atol=1e-12)
        by_hand = stats.norm.logpdf(theta_value, given["location"], 1).sum()
        assert plain_density == pytest.approx(by_hand, rel=1e-7)
        assert sampled_density == pytest.approx(by_hand + expected[1].sum(), rel=1e-7)


def test_the_sampler_starts_at_the_capabilities_that_the_scores_suggest() -> None:
    given = numbers()
    start = capability_model(given).initial_point()
    np.testing.assert_allclose(start["theta_whitened__"], 0, atol=1e-9)


def test_capabilities_are_drawn_from_their_prior() -> None:
    given = numbers()
    draws = pm.draw(capability_model(given)["theta"], draws=4000, random_seed=1, mode="FAST_COMPILE")
    assert draws.shape == (4000, 6, 3)
    np.testing.assert_allclose(draws.mean(0), given["location"], atol=4.5 / np.sqrt(4000))
    np.testing.assert_allclose(draws.std(0), 1, atol=0.06)
