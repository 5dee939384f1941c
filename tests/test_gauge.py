"""The gauge: one loading matrix per rotation orbit, with the orbit's volume as Jacobian, checked numerically."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from simulate import simulate

from bayescale.evals import Evals
from bayescale.model.data import model_data
from bayescale.model.gauge import ProcrustesGauge, split_space
from bayescale.model.reference import reference_loadings
from bayescale.spec import Spec

SHAPES = [(1, 1), (5, 1), (5, 2), (5, 3), (6, 4), (3, 3)]


def orthonormal(benchmarks: int, factors: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(benchmarks, factors)))[0]


def size(benchmarks: int, factors: int) -> int:
    return benchmarks * factors - factors * (factors - 1) // 2


def functions(reference: np.ndarray) -> tuple[Callable[..., Any], Callable[..., Any]]:
    value, loading = pt.dvector(), pt.dmatrix()
    gauge, frame = ProcrustesGauge(reference.shape[1]), [pt.as_tensor(part) for part in split_space(reference)]
    outputs = [gauge.backward(value, *frame), gauge.log_jac_det(value, *frame)]
    return (
        pytensor.function([value], outputs, mode="FAST_COMPILE"),
        pytensor.function([loading], gauge.forward(loading, *frame), mode="FAST_COMPILE"),
    )


@pytest.fixture(scope="module", params=SHAPES, ids=[f"{b} benchmarks, K={k}" for b, k in SHAPES])
def gauge(request: pytest.FixtureRequest) -> tuple[np.ndarray, Callable[..., Any], Callable[..., Any], int, int]:
    benchmarks, factors = request.param
    made = orthonormal(benchmarks, factors)
    return made, *functions(made), benchmarks, factors


def points(benchmarks: int, factors: int, count: int = 6) -> np.ndarray:
    return 0.7 * np.random.default_rng(1).normal(size=(count, size(benchmarks, factors)))


def test_forward_undoes_backward(gauge: Any) -> None:
    _, backward, forward, benchmarks, factors = gauge
    for value in points(benchmarks, factors):
        loading = backward(value)[0]
        assert loading.shape == (benchmarks, factors)
        np.testing.assert_allclose(forward(loading), value, atol=1e-3)
        np.testing.assert_allclose(backward(forward(loading))[0], loading, atol=1e-5)


def test_every_rotation_of_a_matrix_has_one_representative(gauge: Any) -> None:
    _, backward, forward, benchmarks, factors = gauge
    rng = np.random.default_rng(2)
    loading = rng.normal(size=(benchmarks, factors))
    value = forward(loading)
    representative = backward(value)[0]
    # The same orbit: everything that no rotation changes is the same.
    np.testing.assert_allclose(representative @ representative.T, loading @ loading.T, atol=1e-4)
    for seed in range(3):
        rotation = orthonormal(factors, factors, seed)
        np.testing.assert_allclose(forward(loading @ rotation), value, atol=1e-4)
    # In the gauge: symmetric and positive definite in the reference's frame.
    within = split_space(gauge[0])[0].T @ representative
    np.testing.assert_allclose(within, within.T, atol=1e-9)
    assert (np.linalg.eigvalsh(within) > 0).all()


def numeric_log_volume(backward: Callable[..., Any], value: np.ndarray, factors: int) -> float:
    """Volume of slice and orbit together: log |det| of the map (value, rotation generators) -> W at rotation zero."""
    step = 1e-5
    columns = []
    for i in range(len(value)):
        nudge = step * np.eye(len(value))[i]
        columns.append((backward(value + nudge)[0] - backward(value - nudge)[0]).ravel() / (2 * step))
    for i, j in combinations(range(factors), 2):
        generator = np.zeros((factors, factors))
        generator[i, j], generator[j, i] = 1, -1
        columns.append((backward(value)[0] @ generator).ravel())
    return np.linalg.slogdet(np.array(columns))[1]


def test_the_jacobian_is_the_volume_of_slice_and_orbit(gauge: Any) -> None:
    """Exactly, for one factor, which has no orbit, as for several."""
    _, backward, _, benchmarks, factors = gauge
    for value in points(benchmarks, factors):
        assert numeric_log_volume(backward, value, factors) == pytest.approx(float(backward(value)[1]), abs=1e-6)


def test_the_jacobian_is_the_product_of_pairs_of_eigenvalues() -> None:
    """The docstring's formula, with eigenvalues instead of the compound matrix."""
    factors, benchmarks = 4, 6
    backward, _ = functions(np.eye(benchmarks)[:, :factors])
    constants = []
    for value in points(benchmarks, factors):
        loading, log_volume = backward(value)
        eigenvalues = np.linalg.eigvalsh(loading[:factors])
        orbit = sum(np.log(a + b) for a, b in combinations(eigenvalues, 2))
        cholesky = factors * np.log(2) + sum((factors - i + 1) * value[i] for i in range(factors))
        constants.append(log_volume - orbit - cholesky)
    np.testing.assert_allclose(constants, 0, atol=1e-9)


def test_moments_that_no_rotation_changes_are_those_of_independent_normals() -> None:
    """Under a standard normal prior W'W is Wishart: E tr = BK, E det = B (B - 1) for K = 2; sampled in the gauge."""
    benchmarks, factors = 4, 2
    backward, _ = functions(orthonormal(benchmarks, factors))
    rng = np.random.default_rng(3)

    def density(value: np.ndarray) -> tuple[float, np.ndarray]:
        loading, log_volume = backward(value)
        return -0.5 * np.sum(loading**2) + log_volume, loading

    value = np.zeros(size(benchmarks, factors))
    current, loading = density(value)
    traces, determinants = [], []
    for i in range(9000):
        proposal = value + 0.55 * rng.normal(size=value.shape)
        proposed, moved = density(proposal)
        if np.log(rng.random()) < proposed - current:
            value, current, loading = proposal, proposed, moved
        if i >= 600:
            gram = loading.T @ loading
            traces.append(np.trace(gram))
            determinants.append(np.linalg.det(gram))
    for samples, exact in ((traces, benchmarks * factors), (determinants, benchmarks * (benchmarks - 1))):
        batches = np.array(samples).reshape(30, -1).mean(axis=1)
        error = batches.std(ddof=1) / np.sqrt(len(batches))
        assert error < 0.2 * exact
        assert abs(np.mean(samples) - exact) < 4.5 * error


def usable(reference: np.ndarray, benchmarks: int, factors: int) -> None:
    assert reference.shape == (benchmarks, factors)
    assert np.isfinite(reference).all()
    basis, complement = split_space(reference)
    frame = np.hstack([basis, complement])
    np.testing.assert_allclose(frame.T @ frame, np.eye(frame.shape[1]), atol=1e-9)
    # The reference lies in the subspace that it stands for.
    np.testing.assert_allclose(basis @ (basis.T @ reference), reference, atol=1e-9)


@pytest.mark.parametrize("factors", [1, 2, 4, 5])
def test_the_reference_spans_the_subspace_of_the_gauge(evals: Evals, factors: int) -> None:
    usable(reference_loadings(model_data(Spec(factors=factors), evals), factors), 5, factors)


def test_the_reference_lies_near_the_loadings_that_made_the_scores() -> None:
    evals, truth = simulate(
        1, families=6, models=80, factors=2, items=(2000,) * 8, floors=(0.0,) * 8, testlets=("",) * 8,
        benchmark_slope_sd=0.0, bent_sd=0.0, unknown_compute=0, stated_error=0,
    )  # fmt: skip
    basis = split_space(reference_loadings(model_data(Spec(factors=2), evals), 2))[0]
    true_basis = np.linalg.svd(truth.loading, full_matrices=False)[0]
    cosines = np.linalg.svd(basis.T @ true_basis)[1]
    assert (cosines > 0.9).all()


def test_a_reference_exists_with_fewer_models_than_factors(evals: Evals) -> None:
    few = evals.select(models=evals.model_names[:2])
    usable(reference_loadings(model_data(Spec(factors=4), few), 4), 5, 4)


def test_a_reference_exists_for_a_benchmark_that_nobody_took(evals: Evals) -> None:
    none = evals.mask([(m, "bench-2") for m in evals.model_names])
    usable(reference_loadings(model_data(Spec(factors=2), none), 2), 5, 2)
