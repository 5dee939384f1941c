"""The gauge: one loading matrix per rotation orbit, with the orbit's volume as Jacobian, checked numerically."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import gammaln
from simulate import simulate

from bayescale.evals import Evals
from bayescale.model.data import model_data
from bayescale.model.gauge import TriangularGauge, loadings, split_space
from bayescale.model.reference import reference_loadings
from bayescale.spec import Spec

SHAPES = [(1, 1), (5, 1), (5, 2), (5, 3), (6, 4), (3, 3), (8, 6)]


def orthonormal(benchmarks: int, factors: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(benchmarks, factors)))[0]


def size(benchmarks: int, factors: int) -> int:
    return benchmarks * factors - factors * (factors - 1) // 2


def functions(reference: np.ndarray) -> tuple[Callable[..., Any], Callable[..., Any]]:
    value, loading = pt.dvector(), pt.dmatrix()
    gauge, frame = TriangularGauge(reference.shape[1]), [pt.as_tensor(part) for part in split_space(reference)]
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
        np.testing.assert_allclose(forward(loading), value, atol=1e-6)
        np.testing.assert_allclose(backward(forward(loading))[0], loading, atol=1e-6)


def test_every_rotation_of_a_matrix_has_one_representative(gauge: Any) -> None:
    reference, backward, forward, benchmarks, factors = gauge
    rng = np.random.default_rng(2)
    loading = rng.normal(size=(benchmarks, factors))
    value = forward(loading)
    representative = backward(value)[0]
    # The same orbit: everything that no rotation changes is the same.
    np.testing.assert_allclose(representative @ representative.T, loading @ loading.T, atol=1e-6)
    for seed in range(3):
        rotation = orthonormal(factors, factors, seed)
        np.testing.assert_allclose(forward(loading @ rotation), value, atol=1e-6)
    # Reflections too: they leave the posterior as it is.
    np.testing.assert_allclose(forward(loading * np.where(np.arange(factors), 1, -1)), value, atol=1e-6)
    # In the gauge: lower triangular with a positive diagonal in the reference's frame.
    within = split_space(reference)[0].T @ representative
    np.testing.assert_allclose(np.triu(within, 1), 0, atol=1e-9)
    assert (np.diagonal(within) > 0).all()


def test_loadings_of_zero_start_half_a_unit_along_the_reference(gauge: Any) -> None:
    """PyMC's default start has no direction, so no representative."""
    reference, backward, forward, benchmarks, factors = gauge
    value = forward(np.zeros((benchmarks, factors)))
    np.testing.assert_allclose(backward(value)[0], 0.5 * split_space(reference)[0], atol=1e-9)


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


def test_independent_normals_are_those_of_bartlett(gauge: Any) -> None:
    """Exactly, constant included: L of a square normal matrix G = L R has independent entries, chi on the diagonal.

    With R uniform over all rotations and reflections, their volume is what the density of one representative lacks:
    the product of the surfaces of the spheres of dimension 0 to K - 1. So W'W is Wishart, as under plain loadings.
    """
    _, backward, _, benchmarks, factors = gauge
    order = np.arange(1, factors + 1)
    orbit = np.sum(np.log(2) + order / 2 * np.log(np.pi) - gammaln(order / 2))
    rows, columns = np.tril_indices(factors)
    for value in points(benchmarks, factors):
        loading, log_volume = backward(value)
        inside = value[: len(rows)]
        logs, below = inside[rows == columns], inside[rows != columns]
        # d(L^2) = 2 L^2 d(log L)
        exact = np.sum(stats.chi2.logpdf(np.exp(2 * logs), order[::-1]) + np.log(2) + 2 * logs)
        exact += stats.norm.logpdf(below).sum() + stats.norm.logpdf(value[len(rows) :]).sum()
        assert stats.norm.logpdf(loading).sum() + log_volume + orbit == pytest.approx(exact, abs=1e-9)


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


# The prior of loadings

OWN, COMMON = 0.4, 1.3
FRAMES = [(5, 2, True), (5, 2, False), (3, 5, False), (1, 1, True)]


def loading_model(benchmarks: int, factors: int, gauged: bool, own: float = OWN, common: float = COMMON) -> pm.Model:
    reference = orthonormal(benchmarks, factors) if gauged else np.zeros((benchmarks, factors))
    frame = [pt.as_tensor(part) for part in split_space(reference)] if gauged else [pt.as_tensor(reference)]
    with pm.Model() as model:
        loadings("w", own, common, frame=frame, gauge_of=factors if gauged else 0, dims=None)
    return model


def covariance(benchmarks: int, own: float = OWN, common: float = COMMON) -> np.ndarray:
    return own**2 * np.eye(benchmarks) + common**2 * np.ones((benchmarks, benchmarks))


def test_loadings_are_made_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loading_model(5, 2, gauged=True)
        loading_model(5, 2, gauged=False)


@pytest.mark.parametrize(("own", "common"), [(OWN, COMMON), (1.5, 0.0), (0.01, 3.0)])
@pytest.mark.parametrize(("benchmarks", "factors", "gauged"), FRAMES)
def test_the_density_of_loadings_has_what_they_share_integrated_out(
    benchmarks: int, factors: int, gauged: bool, own: float, common: float
) -> None:
    model = loading_model(benchmarks, factors, gauged, own, common)
    (value,), (loading,) = model.value_vars, model.replace_rvs_by_values([model["w"]])
    outputs = [loading, model.logp(jacobian=False), model.logp(jacobian=True)]
    evaluate = pytensor.function([value], outputs, mode="FAST_COMPILE")
    start = model.initial_point()[value.name]
    at, plain, sampled = evaluate(start + 0.4 * np.random.default_rng(5).normal(size=start.shape))
    exact = stats.multivariate_normal.logpdf(at.T, np.zeros(benchmarks), covariance(benchmarks, own, common)).sum()
    assert plain == pytest.approx(exact, rel=1e-6)
    assert bool(sampled == plain) is not gauged


@pytest.mark.parametrize(("benchmarks", "factors", "gauged"), FRAMES)
def test_loadings_are_drawn_from_their_prior(benchmarks: int, factors: int, gauged: bool) -> None:
    model = loading_model(benchmarks, factors, gauged)
    draws = pm.draw(model["w"], draws=4000, random_seed=1, mode="FAST_COMPILE")
    assert draws.shape == (4000, benchmarks, factors)
    expected = np.kron(covariance(benchmarks), np.eye(factors))
    found = draws.reshape(4000, -1)
    # Standard error of a sample covariance, times what the largest of a few hundred reaches.
    allowed = 4.5 * np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / 4000)
    assert (np.abs(found.T @ found / 4000 - expected) <= allowed).all()
