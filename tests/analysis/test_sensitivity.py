"""Sensitivity to priors, against densities by SciPy and priors that pull or do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulate import CONVERGED, Truth, posterior_near, simulation_spec

from bayescale.analysis.sensitivity import log_priors, prior_sensitivity
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior

Simulation = tuple[Evals, Truth]


def test_log_priors_are_scipys(posterior: Posterior) -> None:
    actual, draws = log_priors(posterior), posterior.draws
    slope = stats.norm.logpdf(draws.slope, 0, 2).sum(axis=(1, 2))
    np.testing.assert_allclose(actual["slope"], slope, rtol=1e-6)
    np.testing.assert_allclose(actual["family_sd"], stats.halfnorm.logpdf(draws.family_sd, scale=3), rtol=1e-6)
    np.testing.assert_allclose(actual["difficulty"], stats.norm.logpdf(draws.difficulty, 0, 1.5).sum(1), rtol=1e-6)


def test_every_prior_that_the_spec_uses_is_scaled(posterior: Posterior) -> None:
    unused = set(posterior.spec.unused_priors)
    assert set(log_priors(posterior)) == {n for n, _ in posterior.spec.priors} - unused - {"latent_covariate"}


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
