"""R-hat and effective draws of many quantities equal ArviZ's of each."""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest

from bayescale.inference.mixing import effective_draws, rhat


def draws(chains: int, length: int, seed: int) -> np.ndarray:
    """Chains of autoregressions from antithetic to nearly stuck, some in a mode of their own, some with ties."""
    rng = np.random.default_rng(seed)
    memory = np.array([-0.9, -0.5, 0.0, 0.3, 0.9, 0.99, 0.999, 0.5, 0.2])
    values = np.zeros((chains, length, len(memory)))
    values[:, 0] = rng.normal(size=(chains, len(memory)))
    for t in range(1, length):
        values[:, t] = memory * values[:, t - 1] + rng.normal(size=(chains, len(memory)))
    values[0, :, 7] += 3.0
    values[:, :, 8] = np.round(values[:, :, 8])
    return values


@pytest.mark.parametrize(("chains", "length"), [(4, 400), (2, 101), (3, 60), (1, 80), (4, 9), (4, 5), (4, 4)])
@pytest.mark.parametrize("seed", [1, 2])
def test_they_equal_arvizs(chains: int, length: int, seed: int) -> None:
    values = draws(chains, length, seed)
    bulk, tail = effective_draws(values)
    dataset = az.convert_to_dataset({"x": values})
    np.testing.assert_allclose(bulk, az.ess(dataset)["x"], rtol=1e-9)
    np.testing.assert_allclose(tail, az.ess(dataset, method="tail", prob=(0.05, 0.95))["x"], rtol=1e-9)
    expected = az.rhat(dataset)["x"] if chains > 1 else np.full(values.shape[2], np.nan)
    np.testing.assert_allclose(rhat(values), expected, rtol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_hardly_any_draws_say_nothing(length: int) -> None:
    values = draws(4, length, seed=1)
    assert np.isnan(rhat(values)).all()
    assert all(np.isnan(found).all() for found in effective_draws(values))
