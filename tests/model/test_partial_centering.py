"""Partly centred loadings: the distribution of the equations, and no funnel."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from short_runs import short_run
from simulate import simulate

from bayescale import load_spec
from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.coordinates.partial_centering import narrowed, widened

BENCHMARKS = 4


def compiled() -> pytensor.compile.Function:
    """Give the loadings of the model (benchmark, factor) for those that are sampled, and their own sd."""
    loading = pt.tensor("loading", shape=(BENCHMARKS, BENCHMARKS))
    own, error, common = pt.dscalars("own", "error", "common")
    wider = widened(own, error)
    made = narrowed(loading, own, wider, common)
    return pytensor.function([loading, own, error, common], [made, wider], mode="FAST_COMPILE")


MAP = compiled()


def covariance(own_sd: float, common_sd: float) -> np.ndarray:
    """Covariance of the loadings of the benchmarks on one factor, by the equations."""
    return own_sd**2 * np.eye(BENCHMARKS) + common_sd**2 * np.ones((BENCHMARKS, BENCHMARKS))


@given(own=st.floats(1e-4, 3), error=st.floats(0, 1), common=st.floats(1e-3, 3))
def test_loadings_have_the_covariance_of_the_equations(own: float, error: float, common: float) -> None:
    columns, wider = MAP(np.eye(BENCHMARKS), own, error, common)
    made = columns @ covariance(float(wider), common) @ columns.T
    np.testing.assert_allclose(made, covariance(own, common), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("own", [1e-3, 0.05, 0.2, 1.0])
def test_given_scores_the_sd_of_a_sampled_loading_does_not_change_with_the_own_sd(own: float) -> None:
    """Of a difference of two benchmarks' loadings, whose scores determine each with sd 0.05."""
    error = 0.05
    columns, wider = MAP(np.eye(BENCHMARKS), own, error, 0.5)
    precision = columns.T @ columns / error**2 + np.linalg.inv(covariance(float(wider), 0.5))
    difference = np.array([1, -1, 0, 0])
    assert np.sqrt(difference @ np.linalg.inv(precision) @ difference / 2) == pytest.approx(error)


def test_the_error_is_that_of_the_best_determined_benchmark_beyond_what_all_share() -> None:
    at = Coordinates.of(load_spec("one_factor"), simulate()[0])
    rng = np.random.default_rng(1)
    sds = np.array([0.3, 0.4, 0.02, 0.3, 0.35])
    own = rng.normal(2.0, sds, size=(4000, 5))
    short = short_run(at, draws=4000, loading=(own + rng.normal(size=(4000, 1)))[..., None] + 10)
    # Less the average, whose own sd is 0.14.
    assert short.loading_error == pytest.approx(np.hypot(0.02 * 0.8, np.sqrt((sds**2).sum() - 0.02**2) / 5), rel=0.05)
    assert Coordinates(at.spec, at.data, short).arrays["loading_error"] == short.loading_error
