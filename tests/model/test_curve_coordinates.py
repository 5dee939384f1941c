"""Floors and shapes of a benchmark are sampled uncorrelated, and its loadings in the unit that they determine."""

from __future__ import annotations

import numpy as np
import pytensor
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from short_runs import short_run
from simulate import simulate

from bayescale.model.build import generative_model
from bayescale.model.coordinates.curves import around, whitened_curves
from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.spec import Spec


def draws_of(correlation: float, follow: float, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Two parts of two benchmarks that correlate, and loadings of the first that grow with its first part."""
    rng = np.random.default_rng(2)
    values = rng.multivariate_normal([1, 2], [[0.04, 0.2 * correlation], [0.2 * correlation, 1]], size=(count, 2))
    turned = rng.normal(size=(count, 1, 3))
    loading = turned / np.linalg.norm(turned, axis=-1, keepdims=True) * np.ones((count, 2, 1))
    loading[:, 0] *= np.exp(follow * (values[:, 0, :1] - 1) / 0.2)
    return values, loading


@given(st.floats(-0.8, 0.8))
@settings(max_examples=30, deadline=None)
def test_z_is_standard_and_uncorrelated_where_the_short_run_was(correlation: float) -> None:
    values, loading = draws_of(correlation, 0.0)
    found = whitened_curves(values, loading)
    z = np.linalg.solve(found.scale, (values - found.centre)[..., None])[..., 0]
    for benchmark in range(2):
        # Less the weight of the prior, 22 of 4,022 draws.
        assert np.cov(z[:, benchmark].T) == pytest.approx(np.eye(2), abs=0.06)
    assert found.log_volume == pytest.approx(np.linalg.slogdet(found.scale)[1].sum())


@pytest.mark.parametrize("follow", [0.0, 0.1, -0.3])
def test_the_unit_of_loadings_is_the_regression_of_their_length_on_the_curve(follow: float) -> None:
    """Beside that of the average benchmark, of two: half remains. Rotations of the factors change nothing."""
    found = whitened_curves(*draws_of(0.6, follow))
    assert found.steepness[0] == pytest.approx([follow / 2, 0], abs=0.02)
    assert found.steepness[1] == pytest.approx([0, 0], abs=0.02)


def test_a_short_run_that_says_nothing_of_the_shape_moves_it_by_itself() -> None:
    values, loading = draws_of(0.0, 0.0)
    found = whitened_curves(values[..., :1], loading)
    assert found.scale.shape == (2, 1, 1)
    assert found.scale.ravel() == pytest.approx([0.2, 0.2], abs=0.02)


def test_a_short_run_that_stood_still_or_found_no_floor_has_coordinates_too() -> None:
    evals = simulate(models=8)[0]
    spec = Spec(factors=2)
    plain = Coordinates.of(spec, evals)
    still = short_run(plain, floor=np.zeros((50, 5)), curve_shape=np.full((50, 5), 0.2))
    found = Coordinates(spec, plain.data, still).curve_whitening
    assert all(np.isfinite(part).all() for part in found)
    assert (np.diagonal(found.scale, axis1=1, axis2=2) > 0).all()


def test_without_a_short_run_the_coordinates_are_logit_and_log_themselves() -> None:
    found = around(np.array([[-2.0, 0.5], [1.0, 0.0]]))
    assert np.array_equal(found.scale, [np.eye(2)] * 2)
    assert not found.steepness.any()
    assert found.log_volume == 0


def at_the_start(at: Coordinates) -> dict[str, np.ndarray]:
    """Floors and shapes where PyMC starts."""
    model = generative_model(at)
    names = [name for name in ("floor", "curve_shape") if name in model.named_vars]
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        values = model.compile_fn(
            model.replace_rvs_by_values([model[name] for name in names]),
            inputs=model.value_vars,
            on_unused_input="ignore",
        )(model.initial_point(random_seed=0))
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize(
    ("form", "parts"),
    [
        ({"curve": "richards"}, ("floor", "curve_shape")),
        ({"curve": "sigmoid"}, ("floor",)),
        ({"curve": "richards", "floor": {"learned": False}}, ("curve_shape",)),
        ({"curve": "sigmoid", "floor": {"learned": False}}, ()),
    ],
)
def test_what_is_learned_of_a_curve_starts_at_its_prior(form: dict, parts: tuple[str, ...]) -> None:
    evals = simulate(models=8)[0]
    at = Coordinates.of(Spec(factors=1, **form), evals)
    assert at.curve_parts == parts
    start = at_the_start(at)
    expected = at.data.floor if "floor" not in parts else np.where(at.data.floor > 0, at.data.floor, 0.015)
    np.testing.assert_allclose(start["floor"], expected, rtol=1e-9)
    if "curve_shape" in parts:
        assert start["curve_shape"] == pytest.approx(np.full(5, np.log(2) / 4), rel=0.1)  # the median of Exponential(4)


def test_chains_start_around_the_curves_of_the_short_run() -> None:
    """One standard normal step in each part: no chain starts where another one does."""
    evals = simulate(models=8)[0]
    spec = Spec(factors=2)
    plain = Coordinates.of(spec, evals)
    at = Coordinates(spec, plain.data, short_run(plain))
    starts = np.array([at.starting_point(np.random.default_rng(seed))["curve_z"] for seed in range(400)])
    assert np.abs(starts.mean(axis=0)).max() < 4 / np.sqrt(400)
    assert starts.std(axis=0) == pytest.approx(np.ones((5, 2)), abs=4 / np.sqrt(800))
    assert not plain.starting_point(np.random.default_rng(1))["curve_z"].any()
