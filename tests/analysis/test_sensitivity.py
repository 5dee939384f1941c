"""Sensitivity to priors, against densities by SciPy and priors that pull or do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from simulate import CONVERGED, Truth, posterior_near, simulation_spec

from bayescale._arviz import dataset, with_groups
from bayescale.analysis.sensitivity import _moves, log_priors, prior_sensitivity
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.model.prior import Prior

Simulation = tuple[Evals, Truth]


def test_log_priors_are_scipys(posterior: Posterior) -> None:
    actual, draws = log_priors(posterior), posterior.draws
    slope = stats.norm.logpdf(draws.slope, 0, 2).sum(axis=(1, 2))
    np.testing.assert_allclose(actual["slope"], slope, rtol=1e-6)
    np.testing.assert_allclose(actual["family_sd"], stats.halfnorm.logpdf(draws.family_sd, scale=3), rtol=1e-6)
    np.testing.assert_allclose(actual["difficulty"], stats.norm.logpdf(draws.difficulty, 0, 1.5).sum(1), rtol=1e-6)


def test_every_prior_that_the_spec_uses_is_scaled(posterior: Posterior) -> None:
    unused = set(posterior.spec.unused_priors)
    assert set(log_priors(posterior)) == {n for n, _ in posterior.spec.priors} - unused - {"latent_covariate"} | {
        "floor"
    }
    floor = stats.beta.logpdf(posterior.draws.floor, *posterior.spec.floor.shapes(posterior.draws.data.floor))
    np.testing.assert_allclose(log_priors(posterior)["floor"], floor.sum(axis=1))


@pytest.mark.heavy
def test_a_prior_far_from_the_data_is_named_with_its_parameter(simulation: Simulation) -> None:
    """The third benchmark's is seven sds from one prior, and within one sd of the other."""
    evals, truth = simulation
    at = np.array([5.5, 5.5, 9.0, 5.0, 5.5])
    found = {}
    for prior in ("Normal(5.5, 0.5)", "Normal(9, 4)"):
        spec = simulation_spec(priors={"log_precision": prior, "difficulty": "Normal(0, 5)"})
        posterior = posterior_near(evals, truth, spec, convergence=CONVERGED, log_precision=at)
        table = prior_sensitivity(posterior, {"difficulty": posterior.idata["posterior"]["difficulty"]})
        found[prior] = table.attrs["conflicts"]
    assert found["Normal(5.5, 0.5)"]["log_precision"] == "bench-3: prior probability 5e-05"
    assert "log_precision" not in found["Normal(9, 4)"]
    assert "difficulty" not in found["Normal(5.5, 0.5)"]


def test_what_is_not_scaled_is_named(posterior: Posterior) -> None:
    sampled = dataset(posterior.idata["posterior"]).assign(latent_covariate=("latent_cell", np.zeros(2)))
    wider = dataclasses.replace(posterior, idata=with_groups(posterior.idata, {"posterior": sampled}))
    quantity = {"sd": posterior.idata["posterior"]["family_sd"]}
    reasons = prior_sensitivity(wider, quantity).attrs["left_out"]
    assert reasons["latent_covariate"].startswith("unknown covariates")
    assert {"loading", "family_offset", "capability"} <= set(reasons)
    assert not set(reasons) & set(log_priors(posterior))


@pytest.mark.heavy
def test_a_prior_that_pulls_is_seen_where_it_pulls(simulation: Simulation) -> None:
    """The same draws under a prior of family_sd that is far off, and narrow, and under one that is wide."""
    evals, truth = simulation
    tables = []
    for sigma in (0.1, 10):
        spec = simulation_spec().replace(priors={"family_sd": f"HalfNormal({sigma})"})
        posterior = posterior_near(evals, truth, spec, convergence=CONVERGED)
        quantity = posterior.idata["posterior"]["family_sd"]
        tables.append(prior_sensitivity(posterior, {"sd of families": quantity}).loc["sd of families"])
    narrow, wide = tables
    assert narrow["family_sd"] > 0.3
    assert wide["family_sd"] < 0.02
    assert narrow["slope"] < 0.05, "a prior of something else does not"
    assert narrow["diagnosis"] != "-"


def test_noise_alone_moves_nothing_and_a_dependence_does() -> None:
    """A log likelihood that varies by twenty nats, and a thousand draws: sensitivities of 0.1 and more by chance."""
    rng = np.random.default_rng(3)
    noise = 20 * rng.normal(size=(4, 250))
    values = rng.normal(size=(40, 4, 250))
    assert not any(_moves(noise, each) for each in values)
    assert all(_moves(noise + 4 * each, each) for each in values), "its mean"
    assert all(_moves(noise + 4 * each**2, each) for each in values), "its spread"


def test_a_quantity_on_which_prior_and_likelihood_pull_is_in_conflict(posterior: Posterior) -> None:
    """One made of both log densities, so that raising either to a power moves it."""
    prior = sum(log_priors(posterior).values())
    likelihood = posterior.draws.log_likelihood().sum(axis=1)
    both = prior / prior.std() - likelihood / likelihood.std()
    pulled = posterior.idata["posterior"]["family_sd"].copy(data=posterior.draws.by_chain(both))
    assert prior_sensitivity(posterior, {"pulled": pulled})["diagnosis"].tolist() == ["prior and data in conflict"]


def test_cells_of_a_quantity_are_rows(posterior: Posterior) -> None:
    forecast = posterior.forecast(family="Family-B", flops=1e25, random_seed=0)
    table = prior_sensitivity(posterior, {"score": forecast.draws["expected_score"]})
    assert table.index[0].startswith("score: Family-B")
    assert table.index[0].endswith("bench-1")
    assert len(table) == 5
    assert np.isfinite(table.drop(columns="diagnosis")).all(axis=None)


def test_draws_of_something_else_are_refused(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match="'mean' has no draws of this posterior"):
        prior_sensitivity(posterior, {"mean": posterior.expected_scores().mean("draw")})


def test_a_uniform_prior_moves_nothing(posterior: Posterior) -> None:
    assert posterior.spec.priors.item_share == Prior.parse("Beta(1, 1)")
    table = prior_sensitivity(posterior, {"sd of families": posterior.idata["posterior"]["family_sd"]})
    assert table.loc["sd of families", "item_share"] == 0
    assert table.loc["sd of families", "family_sd"] > 0
