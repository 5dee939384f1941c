"""Chains start on either side of what is expected of unknown compute, and where the coordinates were asked to start."""

from __future__ import annotations

import numpy as np
import pytest
from short_runs import short_run
from simulate import simulate

from bayescale.evals import Evals
from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.coordinates.unknown import unwhitened, whitening
from bayescale.model.data import unknown_cells
from bayescale.model.spec import Spec

FAMILY = np.array([0, 2, 0, 1, 2, 2])


def standardised(at: Coordinates, seed: int) -> np.ndarray:
    """The unknown values with which a chain starts, in prior sds from the prior mean."""
    z, found = at.starting_point(np.random.default_rng(seed))["latent_covariate_z"], at.whitening
    return found.centre + (found.scale * z[found.neighbour]).sum(axis=1)


@pytest.fixture(scope="module")
def undisclosed() -> Evals:
    return simulate(5, families=6, models=40, factors=2, unknown_compute=15, stated_error=0)[0]


def test_z_moves_values_by_the_step_asked_for() -> None:
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6))
    step = rng.normal(size=6)
    for found in (whitening(draws, FAMILY), unwhitened(FAMILY)):
        z = found.displacement(step)
        np.testing.assert_allclose((found.scale * z[found.neighbour]).sum(axis=1), step, atol=1e-10)


def test_in_some_chains_able_models_have_more_compute_than_expected_and_in_some_less(undisclosed: Evals) -> None:
    at = Coordinates.of(Spec(factors=2), undisclosed)
    rows, _ = unknown_cells(at.data)
    along = [float(np.corrcoef(standardised(at, seed), at.pilot.general[rows])[0, 1]) for seed in range(20)]
    assert max(along) > 0.8
    assert min(along) < -0.8


def test_chains_start_around_the_short_run_in_its_coordinates(undisclosed: Evals) -> None:
    """By one step of the general capability, and by no more than the short run's own spread beside it."""
    spec = Spec(factors=2)
    plain = Coordinates.of(spec, undisclosed)
    short = np.random.default_rng(2).normal(1.0, 0.1, size=(200, len(unknown_cells(plain.data)[0])))
    at = Coordinates(spec, plain.data, short_run(plain, unknown=short))
    starts = np.array([standardised(at, seed) for seed in range(200)])
    general = at.pilot.general[unknown_cells(at.data)[0]]
    assert np.abs(starts.mean(axis=0) - 1.0).max() < 4 * np.abs(general).max() / np.sqrt(200)
    direction = general / (general @ general)
    step = (starts - 1.0) @ direction
    assert 0.8 < step.std() < 1.2
    assert np.abs(starts - 1.0 - step[:, None] * general).max() < 1.0


def test_general_capability_orders_models_as_the_truth_does(undisclosed: Evals) -> None:
    at = Coordinates.of(Spec(factors=2), undisclosed)
    _, truth = simulate(5, families=6, models=40, factors=2, unknown_compute=15, stated_error=0)
    average = (truth.capability @ truth.loading.T).mean(axis=1)
    assert np.corrcoef(at.pilot.general, average)[0, 1] > 0.9
    assert (at.pilot.general.mean(), at.pilot.general.std()) == pytest.approx((0, 1))
