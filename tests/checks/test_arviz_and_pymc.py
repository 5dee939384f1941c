"""ArviZ's and PyMC's own functions on a posterior, called as their users call them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from simulate import posterior_near, simulate, simulation_spec

from bayescale import Posterior, build_model
from bayescale._arviz import dataset, group_names
from bayescale.analysis.factors import align, aligned


@pytest.fixture(scope="module")
def idata(posterior: Posterior) -> Any:
    return posterior.to_arviz(random_seed=0)


# PyMC


@pytest.mark.heavy
def test_pymcs_posterior_predictive_is_the_posteriors(posterior: Posterior, tmp_path: Path) -> None:
    """Without its data containers PyMC draws capabilities from their prior, without an error."""
    known = simulate(unknown_compute=0, stated_error=0)  # the made-up draws hold no latent compute
    settings = {"chains": 2, "draws": 40, "spread": 0.02, "convergence": posterior.convergence}
    posterior = Posterior.load(posterior_near(*known, simulation_spec(), **settings).save(tmp_path / "p.nc"))
    with build_model(posterior.spec, posterior.evals):
        drawn = pm.sample_posterior_predictive(posterior.idata, random_seed=1, progressbar=False)
    replicated = drawn["posterior_predictive"]["score"]
    expected = posterior.expected_scores()
    assert float(np.sqrt(((replicated.mean(("chain", "draw")) - expected.mean(("chain", "draw"))) ** 2).mean())) < 0.02
    measured = posterior.predict(random_seed=1).draws["predicted_score"]
    np.testing.assert_allclose(replicated.std(("chain", "draw")), measured.std(("chain", "draw")), atol=0.02)


def test_constant_data_hold_the_containers_of_the_model(posterior: Posterior, tmp_path: Path) -> None:
    names = {data.name for data in build_model(posterior.spec, posterior.evals).data_vars}
    for one in (posterior, Posterior.load(posterior.save(tmp_path / "p.nc"))):
        constants = one.idata["constant_data"]
        assert names <= set(constants.data_vars)
        for name in names:
            np.testing.assert_array_equal(constants[name], posterior.draws.data.cells[name])


# ArviZ


def test_groups_are_of_the_observed_scores(posterior: Posterior, idata: Any) -> None:
    assert {"posterior", "observed_data", "posterior_predictive", "log_likelihood", "log_prior"} <= set(
        group_names(idata)
    )
    assert "log_likelihood" not in group_names(posterior.idata)
    count, scores = posterior.evals.n_scores, posterior.evals.scores.set_index(["model", "benchmark"])["score"]
    for group, dims in (
        ("observed_data", ("cell",)),
        ("posterior_predictive", ("chain", "draw", "cell")),
        ("log_likelihood", ("chain", "draw", "cell")),
    ):
        values = idata[group]["score"]
        assert (values.dims, values.sizes["cell"]) == (dims, count)
        assert np.isfinite(values).all()
    seen = idata["observed_data"]["score"]
    for cell in range(0, count, 5):
        one = seen.isel(cell=cell)
        stated = scores[(one["model"].item(), one["benchmark"].item())]
        assert one.item() == pytest.approx(stated, abs=0.002)  # the nearest item
    means = idata["posterior_predictive"]["score"].mean(("chain", "draw"))
    fitted = posterior.expected_scores().mean(("chain", "draw"))
    np.testing.assert_allclose(means, fitted.sel(model=means["model"], benchmark=means["benchmark"]), atol=0.01)


def test_loo_counts_the_observed_scores(posterior: Posterior, idata: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large k
        assert az.loo(idata).n_data_points == posterior.evals.n_scores
        assert az.loo(posterior.log_likelihood()).n_data_points == posterior.evals.n_scores


@pytest.mark.heavy
def test_posterior_predictive_plots_are_drawn(idata: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(az, "plot_ppc"):
            az.plot_ppc(idata.sel(draw=slice(0, 50)), num_pp_samples=20)
        else:
            az.plot_ppc_dist(idata.sel(draw=slice(0, 50)), num_samples=20)
    plt.close("all")


def test_power_scaling_reads_the_priors_and_the_likelihood(idata: Any) -> None:
    sensitivity = az.psens if hasattr(az, "psens") else az.psense
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(az, "psens"):
            values = [float(sensitivity(idata, component=c, var_names=["family_sd"])) for c in ("prior", "likelihood")]
            assert np.isfinite(values).all()
        else:
            assert np.isfinite(sensitivity(idata, group="prior", var_names=["family_sd"])["family_sd"])


def test_summary_of_named_variables_is_readable(posterior: Posterior) -> None:
    table = az.summary(posterior.idata, var_names=["slope", "loading"])
    assert "slope[log10_flops, capability 1]" in table.index
    assert len(table) == 1 + len(posterior.evals.benchmark_names)
    assert table.loc["slope[log10_flops, capability 1]", "mean"] > 0


# Aligned


def turned(posterior: Posterior, turns: np.ndarray) -> Posterior:
    group = dataset(posterior.idata["posterior"])
    names = ("slope", "loading", "capability", "family_offset")
    held = {n: (group[n].dims, np.einsum("cd...k,cdkl->cd...l", group[n].to_numpy(), turns)) for n in names}
    idata = posterior.idata.copy()
    idata["posterior"] = group.assign(held)
    return Posterior(idata, posterior.spec, posterior.evals, posterior.convergence, posterior.sampling)


def test_alignment_turns_what_has_factors_and_nothing_else() -> None:
    two = posterior_near(*simulate(factors=2), simulation_spec(2), draws=200, spread=0.05)
    turns = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 200, 2, 2)))[0]
    mixed = turned(two, turns)
    straight = Posterior.of(aligned(mixed))
    factors = align(mixed)
    for name, values in (
        ("loading", factors.loadings),
        ("slope", factors.slopes),
        ("capability", factors.capabilities),
    ):
        np.testing.assert_allclose(straight.idata["posterior"][name], values.to_numpy(), atol=1e-12)
    xr.testing.assert_allclose(straight.expected_scores(), mixed.expected_scores())
    for name in ("difficulty", "family_sd", "floor"):
        xr.testing.assert_identical(straight.idata["posterior"][name], mixed.idata["posterior"][name])
    # Draws of single loadings agree now, and capability grows with compute.
    rhat = az.rhat(dataset(straight.idata["posterior"])[["loading", "slope"]])
    assert float(rhat["loading"].max()) < 1.02
    slope = straight.idata["posterior"]["slope"].quantile(0.95, ("chain", "draw"))
    assert (slope > 0).all()


def test_capability_grows_with_compute_though_the_draws_say_the_reverse(posterior: Posterior) -> None:
    back = aligned(turned(posterior, -np.ones((4, 1000, 1, 1))))
    assert (back.idata["posterior"]["slope"].mean(("chain", "draw")) > 0).all()
