"""Weights and working logits of scores, and the operation that computes them with their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from jaxed import fixed, jaxed
from scipy.special import expit, logit

from bayescale.model.curve import SHARE_STEPS, Curve, effective_items
from bayescale.model.kernels.working_response import margins, observed_response, working_response

ITEMS = np.array([1319.0, SHARE_STEPS, 164.0, 50.0])
MOVING = ("floor", "ceiling", "shape", "precision")


def random_inputs() -> dict[str, np.ndarray]:
    """Scores everywhere, some beyond the margins; no score at all in the second row."""
    rng = np.random.default_rng(0)
    size = (30, len(ITEMS))
    observed = (rng.random(size) < 0.8).astype(float)
    observed[1] = 0
    return {
        "floor": np.array([0.25, 1e-3, 0.1, 0.02]),
        "ceiling": np.array([1.0, 0.97, 1.0, 0.9]),
        "shape": np.array([1.0, 0.02, 0.6, 5.0]),
        "precision": np.array([400.0, 90.0, 1000.0, 30.0]),
        "score": rng.beta(0.5, 0.5, size),
        "share": rng.uniform(1e-3, 0.99, size),
        "observed": observed,
    }


def plain(floor: Any, ceiling: Any, shape: Any, precision: Any, score: Any, share: Any, observed: Any) -> np.ndarray:
    pair = working_response(score, share, Curve(floor, ceiling, shape), precision, ITEMS)
    return np.array([np.where(observed > 0, value, 0.0) for value in pair])


def symbolic(inputs: list[Any]) -> tuple[list[Any], list[Any]]:
    """Weights and logits, and the gradient of a weighted sum of both."""
    floor, ceiling, shape, precision, score, share, observed = inputs
    pair = list(observed_response(score, share, observed, Curve(floor, ceiling, shape), precision, ITEMS))
    total = sum(((1 + n) * np.arange(1, 31)[:, None] * value).sum() for n, value in enumerate(pair))
    return pair, pytensor.grad(total, inputs[: len(MOVING)])


@pytest.mark.parametrize("mode", ["FAST_COMPILE", pytest.param("NUMBA", marks=pytest.mark.heavy)])
def test_the_operation_is_the_equation_and_its_gradient_that_of_finite_differences(mode: str) -> None:
    here = random_inputs()
    inputs = [pt.as_tensor(value).type() for value in here.values()]
    pair, gradient = (pytensor.function(inputs, output, mode=mode) for output in symbolic(inputs))
    np.testing.assert_allclose(np.array(pair(*here.values())), plain(**here), rtol=1e-9)
    weights = np.array([1, 2])[:, None, None] * np.arange(1, 31)[:, None]
    for name, exact in zip(MOVING, gradient(*here.values()), strict=True):
        for index in range(len(ITEMS)):
            h = 1e-6 * here[name][index]
            sides = []
            for sign in (1, -1):
                moved = here[name].copy()
                moved[index] += sign * h
                sides.append((weights * plain(**here | {name: moved})).sum())
            assert exact[index] == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-5), (name, index)


@pytest.mark.heavy
def test_run_by_jax_it_is_the_same() -> None:
    here = random_inputs()
    inputs = fixed(here.values())
    pair, gradient = symbolic(inputs)
    total = sum(((1 + n) * np.arange(1, 31)[:, None] * value).sum() for n, value in enumerate(pair))
    run, slopes = jaxed(inputs, [*pair, total], len(MOVING))
    point = list(here.values())
    np.testing.assert_allclose(np.array(run(*point)[:2]), plain(**here), rtol=1e-4, atol=1e-4)
    ours = pytensor.function(inputs, gradient, mode="FAST_COMPILE")(*point)
    for one, other in zip(slopes(*point), ours, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3)


def working(score: np.ndarray, **settings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = score.shape[1]
    given = {
        "floor": np.full(count, 0.25),
        "ceiling": np.ones(count),
        "precision": np.full(count, 200.0),
        "items": np.full(count, 1000.0),
    } | settings
    curve = Curve(given["floor"], given["ceiling"], 1.0)
    low, high = margins(given["floor"], given["ceiling"], effective_items(given["items"], given["precision"]))
    share = ((score - given["floor"]) / (given["ceiling"] - given["floor"])).clip(low, 1 - high)
    return working_response(given["floor"] + (given["ceiling"] - given["floor"]) * share, share, curve,
                            given["precision"], given["items"])  # fmt: skip


def test_the_working_response_is_the_logit_and_its_information() -> None:
    score = np.array([[0.4, 0.7]])
    weight, response = working(score)
    share = (score - 0.25) / 0.75
    np.testing.assert_allclose(response, logit(share), rtol=1e-9)
    information = 201 / (1 + 200 / 1000)
    slope = 0.75 * expit(response) * (1 - expit(response))
    np.testing.assert_allclose(weight, information * slope**2 / (score * (1 - score)), rtol=1e-9)


def test_scores_below_floor_and_at_the_ends_count_as_those_at_the_margins() -> None:
    weight, response = working(np.array([[0.0, 0.1, 0.25, 1.0]]))
    low, high = margins(0.25, 1.0, 201 / (1 + 200 / 1000))
    np.testing.assert_allclose(response, [[logit(low), logit(low), logit(low), -logit(high)]], rtol=1e-9)
    assert np.isfinite(weight).all()
    assert (weight > 0).all()


@pytest.mark.parametrize("floor", [0.0, 0.002, 0.25])
@pytest.mark.parametrize("ceiling", [0.9, 1.0])
@pytest.mark.parametrize("items", [100.0, 10_000.0])
def test_scores_at_floor_and_ceiling_count_about_as_much_as_a_prior(floor: float, ceiling: float, items: float) -> None:
    ends = np.array([[floor, ceiling]])
    settings = {"floor": np.full(2, floor), "ceiling": np.full(2, ceiling), "precision": np.full(2, 400.0)}
    weight, response = working(ends, **settings, items=np.full(2, items))
    assert ((weight > 0.4) & (weight < 2)).all()
    low, high = margins(floor, ceiling, 401 / (1 + 400 / items))
    np.testing.assert_allclose(response, [[logit(low), -logit(high)]], rtol=1e-6)
