"""Fixed rotation: one loading matrix per rotation orbit, with the orbit's volume as Jacobian, checked numerically."""

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
from bayescale.model.coordinates.pilot import fit_pilot
from bayescale.model.coordinates.rotation import LowerTriangularRotation, loadings, representative, split_space
from bayescale.model.data import model_data
from bayescale.model.spec import Spec

# Benchmarks, factors, and how many of these have a fixed rotation.
SHAPES = [(1, 1, 1), (5, 1, 1), (5, 2, 2), (5, 3, 3), (6, 4, 4), (3, 3, 3), (6, 4, 1), (5, 5, 3), (8, 6, 3)]


def orthonormal(benchmarks: int, factors: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(benchmarks, factors)))[0]


def size(benchmarks: int, factors: int, rank: int) -> int:
    return benchmarks * factors - sum(factors - i for i in range(1, rank + 1))


def functions(reference: np.ndarray, rank: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    value, loading = pt.dvector(), pt.dmatrix()
    frame = [pt.as_tensor(part) for part in split_space(reference, rank)]
    transform = LowerTriangularRotation(rank, reference.shape[1])
    outputs = [transform.backward(value, *frame), transform.log_jac_det(value, *frame)]
    return (
        pytensor.function([value], outputs, mode="FAST_COMPILE"),
        pytensor.function([loading], transform.forward(loading, *frame), mode="FAST_COMPILE"),
    )


@pytest.fixture(scope="module", params=SHAPES, ids=[f"{b} benchmarks, K={k}, rank {r}" for b, k, r in SHAPES])
def case(request: pytest.FixtureRequest) -> tuple[np.ndarray, Callable[..., Any], Callable[..., Any], int, int, int]:
    benchmarks, factors, rank = request.param
    made = orthonormal(benchmarks, factors)
    return made, *functions(made, rank), benchmarks, factors, rank


def points(benchmarks: int, factors: int, rank: int, count: int = 6) -> np.ndarray:
    return 0.7 * np.random.default_rng(1).normal(size=(count, size(benchmarks, factors, rank)))


def assert_alike(one: np.ndarray, other: np.ndarray) -> None:
    """The same orbit: everything that no rotation changes is the same."""
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-6)


def test_forward_undoes_backward(case: Any) -> None:
    _, backward, forward, benchmarks, factors, rank = case
    for value in points(benchmarks, factors, rank):
        loading = backward(value)[0]
        assert loading.shape == (benchmarks, factors)
        again = forward(loading)
        if rank == factors:
            np.testing.assert_allclose(again, value, atol=1e-6)
        # Up to a rotation of the other factors among themselves.
        np.testing.assert_allclose(backward(again)[0][:, :rank], loading[:, :rank], atol=1e-6)
        assert_alike(backward(again)[0], loading)


def test_every_rotation_of_a_matrix_has_one_representative(case: Any) -> None:
    reference, backward, forward, benchmarks, factors, rank = case
    rng = np.random.default_rng(2)
    loading = rng.normal(size=(benchmarks, factors))
    representative = backward(forward(loading))[0]
    assert_alike(representative, loading)
    # Reflections too: they leave the posterior as it is.
    turns = [orthonormal(factors, factors, seed) for seed in range(3)]
    for turn in [*turns, np.diag(np.where(np.arange(factors), 1, -1))]:
        again = backward(forward(loading @ turn))[0]
        np.testing.assert_allclose(again[:, :rank], representative[:, :rank], atol=1e-6)
        assert_alike(again, representative)
    # Lower triangular with a positive diagonal in the basis.
    within = split_space(reference, rank)[0].T @ representative
    np.testing.assert_allclose(np.triu(within, 1), 0, atol=1e-9)
    assert (np.diagonal(within) > 0).all()


def test_loadings_of_zero_start_half_a_unit_along_the_basis(case: Any) -> None:
    """PyMC's default start has no direction, so no representative."""
    reference, backward, forward, benchmarks, factors, rank = case
    start = backward(forward(np.zeros((benchmarks, factors))))[0]
    np.testing.assert_allclose(start, 0.5 * split_space(reference, rank)[0] @ np.eye(rank, factors), atol=1e-9)


def test_the_bases_are_canonical() -> None:
    """Whatever signs and null vectors a LAPACK returns: by hand for one direction, (1, 2, 2) / 3."""
    basis, complement = split_space(np.array([[-1.0], [-2.0], [-2.0]]))
    np.testing.assert_allclose(basis, np.array([[1.0], [2.0], [2.0]]) / 3, atol=1e-14)
    # I - 2 v v' / v'v with v = (1, 2, 2) / 3 + (1, 0, 0).
    np.testing.assert_allclose(complement, np.array([[-2.0, -2.0], [2.0, -1.0], [-1.0, 2.0]]) / 3, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bases_depend_on_the_directions_alone(shape: tuple[int, int, int]) -> None:
    benchmarks, factors, rank = shape
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(benchmarks, factors))
    expected = split_space(reference, rank)
    noise = 1e-13 * rng.normal(size=reference.shape)
    for same in (-reference, reference @ orthonormal(factors, factors, 3), reference + noise):
        for actual, canonical in zip(split_space(same, rank), expected, strict=True):
            np.testing.assert_allclose(actual, canonical, atol=1e-9)


def numeric_log_volume(backward: Callable[..., Any], value: np.ndarray, factors: int, rank: int) -> float:
    """Volume of slice and orbit together: log |det| of the map (value, rotation generators) -> W at rotation zero.

    The generators that turn the other factors among themselves are left out.
    """
    step = 1e-5
    columns = []
    for i in range(len(value)):
        nudge = step * np.eye(len(value))[i]
        columns.append((backward(value + nudge)[0] - backward(value - nudge)[0]).ravel() / (2 * step))
    for i, j in ((i, j) for i, j in combinations(range(factors), 2) if i < rank):
        generator = np.zeros((factors, factors))
        generator[i, j], generator[j, i] = 1, -1
        columns.append((backward(value)[0] @ generator).ravel())
    return np.linalg.slogdet(np.array(columns))[1]


def test_the_jacobian_is_the_volume_of_slice_and_orbit(case: Any) -> None:
    """Exactly, for one factor, which has no orbit, as for several."""
    _, backward, _, benchmarks, factors, rank = case
    for value in points(benchmarks, factors, rank):
        assert numeric_log_volume(backward, value, factors, rank) == pytest.approx(float(backward(value)[1]), abs=1e-6)


def test_independent_normals_are_those_of_bartlett(case: Any) -> None:
    """Exactly, constant included: L of a square normal matrix G = L R has independent entries, chi on the diagonal.

    With R uniform over all rotations and reflections, their volume is what the density of one representative lacks:
    the product of the surfaces of the spheres of dimension 0 to K - 1. So W'W is Wishart, as under plain loadings. With
    r directions fixed it is the frame of their first r rows that is uniform: spheres of dimension K - r to K - 1.
    """
    _, backward, _, benchmarks, factors, rank = case
    order = np.arange(factors - rank + 1, factors + 1)
    orbit = np.sum(np.log(2) + order / 2 * np.log(np.pi) - gammaln(order / 2))
    rows, columns = np.tril_indices(rank)
    for value in points(benchmarks, factors, rank):
        loading, log_volume = backward(value)
        inside = value[: len(rows)]
        logs, below = inside[rows == columns], inside[rows != columns]
        # d(L^2) = 2 L^2 d(log L)
        exact = np.sum(stats.chi2.logpdf(np.exp(2 * logs), order[::-1]) + np.log(2) + 2 * logs)
        exact += stats.norm.logpdf(below).sum() + stats.norm.logpdf(value[len(rows) :]).sum()
        assert stats.norm.logpdf(loading).sum() + log_volume + orbit == pytest.approx(exact, abs=1e-9)


def pilot_loading(spec: Spec, evals: Evals) -> np.ndarray:
    assert isinstance(spec.factors, int)
    return fit_pilot(model_data(spec, evals), spec.factors).loading


def usable(reference: np.ndarray, benchmarks: int, factors: int) -> None:
    assert reference.shape == (benchmarks, factors)
    assert np.isfinite(reference).all()
    basis, complement = split_space(reference, rank=factors)
    frame = np.hstack([basis, complement])
    np.testing.assert_allclose(frame.T @ frame, np.eye(frame.shape[1]), atol=1e-9)
    # The reference lies in the subspace that it stands for.
    np.testing.assert_allclose(basis @ (basis.T @ reference), reference, atol=1e-9)


@pytest.mark.parametrize("factors", [1, 2, 4, 5])
def test_pilot_loadings_span_the_subspace_of_the_basis(evals: Evals, factors: int) -> None:
    usable(pilot_loading(Spec(factors=factors), evals), 5, factors)


def test_the_pilot_lies_near_the_loadings_that_made_the_scores() -> None:
    evals, truth = simulate(
        1, families=6, models=80, factors=2, items=(2000,) * 8, floors=(0.0,) * 8, testlets=("",) * 8,
        benchmark_slope_sd=0.0, family_benchmark_sd=0.0, unknown_compute=0, stated_error=0,
    )  # fmt: skip
    basis = split_space(pilot_loading(Spec(factors=2), evals))[0]
    true_basis = np.linalg.svd(truth.loading, full_matrices=False)[0]
    cosines = np.linalg.svd(basis.T @ true_basis)[1]
    assert (cosines > 0.9).all()


def test_a_pilot_exists_with_fewer_models_than_factors(evals: Evals) -> None:
    few = evals.select(models=evals.model_names[:2])
    usable(pilot_loading(Spec(factors=4), few), 5, 4)


def test_a_pilot_exists_for_a_benchmark_that_nobody_took(evals: Evals) -> None:
    none = evals.mask([(m, "bench-2") for m in evals.model_names])
    usable(pilot_loading(Spec(factors=2), none), 5, 2)


# The prior of loadings

OWN, COMMON = 0.4, 1.3
FRAMES = [(5, 2, True), (5, 4, True), (5, 2, False), (3, 5, False), (1, 1, True)]


def loading_model(benchmarks: int, factors: int, fixed: bool, own: float = OWN, common: float = COMMON) -> pm.Model:
    reference = orthonormal(benchmarks, factors) if fixed else np.zeros((benchmarks, factors))
    basis, complement = (pt.as_tensor(part) for part in split_space(reference))
    with pm.Model() as model:
        frame = (basis, complement) if fixed else None
        loadings("w", own, common, size=(benchmarks, factors), frame=frame, dims=None)
    return model


def covariance(benchmarks: int, own: float = OWN, common: float = COMMON) -> np.ndarray:
    return own**2 * np.eye(benchmarks) + common**2 * np.ones((benchmarks, benchmarks))


def test_loadings_are_made_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loading_model(5, 2, fixed=True)
        loading_model(5, 2, fixed=False)


@pytest.mark.parametrize(("own", "common"), [(OWN, COMMON), (1.5, 0.0), (0.01, 3.0)])
@pytest.mark.parametrize(("benchmarks", "factors", "fixed"), FRAMES)
def test_the_density_of_loadings_has_what_they_share_integrated_out(
    benchmarks: int, factors: int, fixed: bool, own: float, common: float
) -> None:
    model = loading_model(benchmarks, factors, fixed, own, common)
    (value,), (loading,) = model.value_vars, model.replace_rvs_by_values([model["w"]])
    outputs = [loading, model.logp(jacobian=False), model.logp(jacobian=True)]
    evaluate = pytensor.function([value], outputs, mode="FAST_COMPILE")
    start = model.initial_point()[value.name]
    at, plain, sampled = evaluate(start + 0.4 * np.random.default_rng(5).normal(size=start.shape))
    exact = stats.multivariate_normal.logpdf(at.T, np.zeros(benchmarks), covariance(benchmarks, own, common)).sum()
    assert plain == pytest.approx(exact, rel=1e-6)
    assert bool(sampled == plain) is not fixed


@pytest.mark.parametrize(("benchmarks", "factors", "fixed"), FRAMES)
def test_loadings_are_drawn_from_their_prior(benchmarks: int, factors: int, fixed: bool) -> None:
    model = loading_model(benchmarks, factors, fixed)
    draws = pm.draw(model["w"], draws=4000, random_seed=1, mode="FAST_COMPILE")
    assert draws.shape == (4000, benchmarks, factors)
    expected = np.kron(covariance(benchmarks), np.eye(factors))
    actual = draws.reshape(4000, -1)
    # Standard error of a sample covariance, times what the largest of a few hundred reaches.
    allowed = 4.5 * np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / 4000)
    assert (np.abs(actual.T @ actual / 4000 - expected) <= allowed).all()


@pytest.mark.parametrize(("benchmarks", "factors"), [(5, 1), (6, 4), (8, 6), (3, 3)])
def test_the_representative_of_a_reference_stays_where_it_is(benchmarks: int, factors: int) -> None:
    reference = np.random.default_rng(3).normal(size=(benchmarks, factors))
    rotation = representative(reference)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(factors), atol=1e-12)
    rank = split_space(reference)[0].shape[1]
    backward, forward = functions(reference, rank)
    start = reference @ rotation
    np.testing.assert_allclose(backward(forward(start))[0][:, :rank], start[:, :rank], atol=1e-9)
