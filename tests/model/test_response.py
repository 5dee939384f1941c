"""The response curve and the observation noise, against SciPy and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from simulate import rise

from bayescale.model import curve as response
from bayescale.model.curve import (
    SHARE_STEPS,
    beta_shapes,
    effective_items,
    expected_score,
    log_likelihood_share,
    logit_of_share,
    logit_score,
    predict_score,
    score_slope,
)

few = settings(max_examples=60, deadline=None)
logits = st.floats(-12, 12)
floors = st.floats(0, 0.6)
means = st.floats(0.001, 0.999)
precisions = st.floats(1, 5000)


@few
@given(logit=logits, floor=floors, ceiling=st.floats(0.7, 1))
def test_expected_score_is_a_sigmoid_between_floor_and_ceiling(logit: float, floor: float, ceiling: float) -> None:
    mean = expected_score(logit, floor, ceiling)
    assert mean == pytest.approx(floor + (ceiling - floor) / (1 + np.exp(-logit)), abs=1e-12)
    assert floor <= mean <= ceiling
    assert expected_score(logit + 0.1, floor, ceiling) >= mean


@few
@given(logit=st.floats(-8, 8), floor=floors, ceiling=st.floats(0.7, 1))
def test_score_slope_is_the_derivative_of_the_expected_score(logit: float, floor: float, ceiling: float) -> None:
    step = 1e-5
    numeric = (expected_score(logit + step, floor, ceiling) - expected_score(logit - step, floor, ceiling)) / (2 * step)
    assert score_slope(expected_score(logit, floor, ceiling), floor, ceiling) == pytest.approx(numeric, abs=1e-9)


shapes = st.floats(-7, 2).map(np.exp)


@few
@given(logit=st.floats(-6, 6), shape=shapes)
def test_richards_curve_is_a_power_of_a_sigmoid_half_way_up_at_zero(logit: float, shape: float) -> None:
    share = expected_score(logit, 0.0, 1.0, shape)
    assert share == pytest.approx(rise(np.array(logit), shape), rel=1e-6, abs=1e-12)
    assert expected_score(0.0, 0.2, 0.9, shape) == pytest.approx(0.55)
    assert score_slope(0.55, 0.2, 0.9, shape) == pytest.approx(0.7 / 4)
    assert expected_score(logit + 0.1, 0.2, 0.9, shape) >= expected_score(logit, 0.2, 0.9, shape)


@few
@given(logit=st.floats(-6, 6), floor=floors, ceiling=st.floats(0.7, 1), shape=shapes)
def test_slope_and_inverse_of_richards_curve(logit: float, floor: float, ceiling: float, shape: float) -> None:
    step = 1e-5
    mean, above, below = (expected_score(logit + d, floor, ceiling, shape) for d in (0.0, step, -step))
    share = (mean - floor) / (ceiling - floor)
    assume(1e-6 < share < 1 - 1e-6)
    assert score_slope(mean, floor, ceiling, shape) == pytest.approx((above - below) / (2 * step), abs=1e-7)
    assert logit_of_share(share, shape) == pytest.approx(logit, abs=1e-4)


def test_with_shape_one_the_curve_is_the_sigmoid() -> None:
    logit = np.linspace(-8, 8, 33)
    np.testing.assert_allclose(expected_score(logit, 0.1, 0.9), 0.1 + 0.8 * special.expit(logit), rtol=1e-13)
    np.testing.assert_allclose(logit_of_share(special.expit(logit)), logit, rtol=1e-9)


def test_the_logit_is_ability_less_difficulty_plus_every_effect() -> None:
    assert logit_score(2.0, 0.5) == 1.5
    assert logit_score(2.0, 0.5, 0.25, -1.0) == 0.75


def test_extreme_logits_give_floor_and_ceiling_and_no_warning() -> None:
    # Far down the way from the floor is no number above zero any more, which is what is wanted.
    with np.errstate(all="raise", under="ignore"):
        for shape in (1e-5, 0.3, 1.0, 10.0):
            ends = expected_score(np.array([-1e4, 1e4]), 0.25, 0.9, shape)
            np.testing.assert_array_equal(ends, [0.25, 0.9])


@pytest.mark.parametrize("shape", [1e-5, 0.03, 2.5, 20.0])
def test_gradients_stay_finite_far_out(shape: float) -> None:
    logit, log_shape = pt.dvector(), pt.dscalar()
    total = expected_score(logit, 0.1, 1.0, pt.exp(log_shape)).sum()
    gradient = pytensor.function([logit, log_shape], pytensor.grad(total, [logit, log_shape]), mode="FAST_COMPILE")
    for value in gradient(np.array([-800.0, -30.0, 0.0, 30.0, 800.0]), np.log(shape)):
        assert np.isfinite(value).all()


@few
@given(mean=means, precision=precisions, items=st.integers(1, 5000))
def test_effective_items_is_what_the_beta_binomial_variance_says(mean: float, precision: float, items: int) -> None:
    a, b = beta_shapes(mean, precision)
    variance = stats.betabinom(items, a, b).var() / items**2
    assert mean * (1 - mean) / effective_items(items, precision) == pytest.approx(variance, rel=1e-6)


@few
@given(hits=st.integers(0, 400), one=means, other=means, precision=precisions)
def test_log_likelihood_of_counts_is_the_beta_binomials(hits: int, one: float, other: float, precision: float) -> None:
    """Up to a constant of the data: the difference between two means is the difference of the log-densities."""
    items = 400
    ours = np.diff(log_likelihood_share(hits / items, items, np.array([one, other]), precision)).item()
    theirs = [stats.betabinom.logpmf(hits, items, *beta_shapes(m, precision)) for m in (one, other)]
    assert ours == pytest.approx(theirs[1] - theirs[0], rel=1e-6, abs=1e-6)


@few
@given(score=st.floats(0.1, 0.9), one=st.floats(0.1, 0.9), other=st.floats(0.1, 0.9), precision=st.floats(2, 100))
def test_log_likelihood_of_a_share_is_nearly_the_betas(
    score: float, one: float, other: float, precision: float
) -> None:
    """Away from 0 and 1 steps are too fine to matter."""
    mean = np.array([one, other])
    ours = np.diff(log_likelihood_share(score, SHARE_STEPS, mean, precision)).item()
    theirs = np.diff(stats.beta.logpdf(score, *beta_shapes(mean, precision))).item()
    # By Stirling's series of Gamma(steps + a) / Gamma(steps), shapes change the ratio by precision^2 / steps at most.
    assert ours == pytest.approx(theirs, abs=precision**2 / SHARE_STEPS / 0.1 + 2e-3 * precision)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_a_share_at_the_end_is_likelier_the_nearer_the_mean(score: float) -> None:
    """A Beta density there is zero or endless; of a share in steps the probability tends to one."""
    mean = np.abs(score - np.array([0.3, 0.1, 1e-2, 1e-3, 1e-6, 0.0]))
    values = log_likelihood_share(score, SHARE_STEPS, mean, 400.0)
    log_choose = 0.0  # of no step, or of all
    assert (np.diff(values) > 0).all()
    assert values[-1] + log_choose == pytest.approx(0.0, abs=1e-6)


def test_log_likelihood_broadcasts_over_draws_and_mixes_counts_and_shares() -> None:
    mean = np.array([[0.2, 0.3], [0.4, 0.6], [0.5, 0.9]])
    precision = np.array([[50.0, 80.0], [60.0, 20.0], [100.0, 30.0]])
    score, items = np.array([0.25, 0.5]), np.array([40, SHARE_STEPS])
    values = log_likelihood_share(score, items, mean, precision)
    assert values.shape == (3, 2)
    a, b = beta_shapes(mean, precision)
    counts = stats.betabinom.logpmf(10, 40, a[:, 0], b[:, 0])
    np.testing.assert_allclose(values[:, 0] - values[0, 0], counts - counts[0], atol=1e-9)
    steps = stats.betabinom.logpmf(SHARE_STEPS // 2, SHARE_STEPS, a[:, 1], b[:, 1])
    np.testing.assert_allclose(values[:, 1] - values[0, 1], steps - steps[0], atol=1e-7)


def test_a_share_between_two_items_counts_as_the_nearest() -> None:
    mean = np.array([0.2, 0.7])
    near = log_likelihood_share(0.5012, 100, mean, 50.0)
    np.testing.assert_array_equal(near, log_likelihood_share(0.50, 100, mean, 50.0))


@pytest.mark.parametrize("items", [1, 7, 300, SHARE_STEPS])
@pytest.mark.parametrize("mean", [0.02, 0.5, 0.93])
def test_predicted_scores_have_the_moments_of_their_distribution(items: float, mean: float) -> None:
    size, precision = 60_000, 40.0
    draws = predict_score(np.full(size, mean), precision, items, np.random.default_rng(1))
    a, b = beta_shapes(mean, precision)
    exact = stats.betabinom(items, a, b)
    sd = exact.std() / items
    assert draws.shape == (size,)
    assert draws.min() >= 0
    assert draws.max() <= 1
    assert abs(draws.mean() - exact.mean() / items) < 4.5 * sd / np.sqrt(size)
    fourth = np.sqrt(np.mean((draws - draws.mean()) ** 4) / size)
    assert abs(draws.var() - sd**2) < 4.5 * fourth
    np.testing.assert_allclose(draws * items, np.rint(draws * items), atol=1e-9)


def test_predicted_scores_broadcast_and_certain_means_stay_certain() -> None:
    mean = np.array([0.0, 0.5, 1.0])
    draws = predict_score(
        np.tile(mean, (50, 1)), np.full((50, 1), 30.0), [10, SHARE_STEPS, 10], np.random.default_rng(0)
    )
    assert draws.shape == (50, 3)
    assert np.isfinite(draws).all()
    assert (draws[:, 0] == 0).all()
    assert (draws[:, 2] == 1).all()


def test_the_same_generator_gives_the_same_scores() -> None:
    one, other = (predict_score(np.full(9, 0.3), 20.0, 50, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


EQUATIONS = [
    "logit_score", "expected_score", "shaped expected_score", "logit_of_share", "shaped logit_of_share",
    "score_slope", "shaped score_slope", "beta_shapes", "effective_items",
]  # fmt: skip


@pytest.mark.parametrize("name", EQUATIONS)
def test_numpy_xarray_and_pytensor_read_the_same_equation(name: str) -> None:
    shaped, name = name.startswith("shaped"), name.split()[-1]
    function = getattr(response, name)
    rng = np.random.default_rng(0)
    arguments = {
        "logit_score": [rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(3, 4))],
        "expected_score": [rng.normal(size=(3, 4)), rng.uniform(0, 0.3, 4), rng.uniform(0.8, 1, 4)],
        "logit_of_share": [rng.uniform(0.1, 0.9, (3, 4))],
        "score_slope": [rng.uniform(0.4, 0.7, (3, 4)), rng.uniform(0, 0.3, 4), rng.uniform(0.8, 1, 4)],
        "beta_shapes": [rng.uniform(0, 1, (3, 4)), rng.uniform(5, 50, 4)],
        "effective_items": [rng.integers(5, 500, (3, 4)).astype(float), rng.uniform(5, 50, 4)],
    }[name]
    arguments += [rng.uniform(0.3, 9, 4)] if shaped else []

    def columns(result: Any) -> list[Any]:
        return list(result) if isinstance(result, tuple) else [result]

    plain = columns(function(*arguments))
    symbols = [pt.as_tensor(a).type() for a in arguments]
    compiled = pytensor.function(symbols, columns(function(*symbols)), mode="FAST_COMPILE")
    labelled = [xr.DataArray(a, dims=("model", "benchmark")[-a.ndim :]) for a in arguments]
    for numpy_value, tensor, array in zip(plain, compiled(*arguments), columns(function(*labelled)), strict=True):
        np.testing.assert_allclose(tensor, numpy_value, rtol=1e-12)
        by_name = array.transpose("model", "benchmark").to_numpy()
        np.testing.assert_allclose(by_name, numpy_value, rtol=1e-12)
