"""Efficiencies: the truth comes back, rotations leave them alone, and equal compute means equal scores."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
from simulate import Truth, posterior_near, simulate, simulation_spec
from test_factors import random_rotations, turned

from bayescale._arviz import dataset, with_groups
from bayescale.analysis.efficiency import Efficiency
from bayescale.errors import ConvergenceWarning, ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.model.spec import Spec


@pytest.fixture(scope="module")
def simulation_of_two() -> tuple[Evals, Truth]:
    return simulate(factors=2)


@pytest.fixture(scope="module")
def efficiency(two_factors: Posterior) -> Efficiency:
    return two_factors.efficiency("Family-B", along="capabilities")


def with_values(posterior: Posterior, **values: Any) -> Posterior:
    """The same posterior with other draws of some variables, broadcast to their shape."""
    held = dataset(posterior.idata["posterior"]).copy()
    for name, value in values.items():
        held[name] = (held[name].dims, np.array(np.broadcast_to(value, held[name].shape)))
    idata = with_groups(posterior.idata, {"posterior": held})
    return dataclasses.replace(posterior, idata=idata)


def test_the_truth_comes_back(efficiency: Efficiency, simulation_of_two: tuple[Evals, Truth]) -> None:
    truth = simulation_of_two[1]
    wanted = truth.efficiency - truth.efficiency[1]
    assert np.ptp(wanted) > 0.5
    np.testing.assert_allclose(efficiency.log10_multiplier.median(("chain", "draw")), wanted, atol=0.05)
    table = efficiency.summary(prob=0.99).set_index("family").loc[truth.families]
    inside = (np.log10(table["lower"]) <= wanted) & (wanted <= np.log10(table["upper"]))
    assert inside.all()
    assert (np.diff(efficiency.summary()["multiplier"]) <= 0).all()


def test_along_benchmarks_it_is_the_best_multiplier_in_logits(
    two_factors: Posterior, simulation_of_two: tuple[Evals, Truth]
) -> None:
    truth = simulation_of_two[1]
    moved = truth.loading @ truth.slope
    wanted = np.array([np.linalg.lstsq(moved[:, None], truth.loading @ a, rcond=None)[0][0] for a in truth.offset])
    wanted -= wanted[1]
    actual = two_factors.efficiency("Family-B", along="benchmarks").log10_multiplier.median(("chain", "draw"))
    np.testing.assert_allclose(actual, wanted, atol=0.05)
    assert (
        np.abs(wanted - truth.efficiency + truth.efficiency[1]).max() > 0.1
    )  # another measure than along capabilities
    with pytest.raises(ForecastError, match="Did you mean 'benchmarks'"):
        two_factors.efficiency(along="benchmark")  # type: ignore[arg-type]


def test_per_benchmark_the_own_effects_count(posterior: Posterior, simulation: tuple[Evals, Truth]) -> None:
    truth = simulation[1]
    efficiency = posterior.efficiency("Family-C")
    slope = truth.loading @ truth.slope + truth.benchmark_slope
    wanted = (truth.offset @ truth.loading.T + truth.family_benchmark) / slope
    wanted -= wanted[2]
    kept = [name for name in truth.benchmarks if name not in efficiency.no_slope]
    assert len(kept) >= 4
    columns = [truth.benchmarks.index(name) for name in kept]
    actual = efficiency.benchmark_log10_multiplier.sel(benchmark=kept).median(("chain", "draw"))
    np.testing.assert_allclose(actual, wanted[:, columns], atol=0.08)
    np.testing.assert_allclose(efficiency.compute_slopes.mean(("chain", "draw")), slope, atol=0.02)


def test_the_reference_is_exactly_at_zero(efficiency: Efficiency) -> None:
    assert (efficiency.log10_multiplier.sel(family="Family-B") == 0).all()
    assert (efficiency.multipliers.sel(family="Family-B") == 1).all()
    on_benchmarks = efficiency.benchmark_log10_multiplier.sel(family="Family-B").drop_sel(
        benchmark=list(efficiency.no_slope)
    )
    assert (on_benchmarks == 0).all()
    assert efficiency.summary().set_index("family").loc["Family-B", "more_efficient"] == 0.5


def test_the_default_reference_has_the_most_models(posterior: Posterior, simulation: tuple[Evals, Truth]) -> None:
    assert posterior.efficiency().reference == "Family-A"  # the first of four with three models each
    evals, truth = simulation
    renamed = evals.models.assign(family=evals.models["family"].replace({"Family-B": "Family-C"}))
    merged = Evals(renamed, evals.benchmarks, evals.scores)
    assert merged.largest_families == ["Family-C", "Family-A", "Family-D"]
    three = dataclasses.replace(truth, offset=truth.offset[:3], family_benchmark=truth.family_benchmark[:3])
    assert posterior_near(merged, three, simulation_spec()).efficiency().reference == "Family-C"


@pytest.mark.parametrize("along", ["capabilities", "benchmarks"])
def test_no_rotation_of_the_factors_changes_an_efficiency(two_factors: Posterior, along: Any) -> None:
    again = turned(two_factors, random_rotations(two_factors))
    assert not np.allclose(again.draws.slope, two_factors.draws.slope)
    before, after = (p.efficiency("Family-B", along) for p in (two_factors, again))
    np.testing.assert_allclose(after.log10_multiplier, before.log10_multiplier, atol=1e-10)
    np.testing.assert_allclose(after.benchmark_log10_multiplier, before.benchmark_log10_multiplier, atol=1e-7)
    for of in ("typical", "single"):
        np.testing.assert_allclose(after.equivalent_flops(of), before.equivalent_flops(of), rtol=1e-8)


@pytest.mark.parametrize("along", ["capabilities", "benchmarks"])
def test_at_equivalent_compute_the_reference_scores_the_same(two_factors: Posterior, along: Any) -> None:
    """With offsets along beta and no effects of their own a multiplier of compute is all that families differ by."""
    slope = two_factors.idata["posterior"]["slope"].isel(covariate=0).to_numpy()[:, :, None]
    worth = np.array([0.0, 0.4, -0.3, 1.1])[:, None]
    alike = with_values(two_factors, family_offset=worth * slope, family_benchmark=0.0, benchmark_slope=0.0)
    efficiency = alike.efficiency("Family-C", along)
    np.testing.assert_allclose(efficiency.log10_multiplier[0, 0], worth[:, 0] + 0.3)
    draws, flops = alike.draws, 3e22
    x = np.log10(flops) - draws.data.centre
    mine = draws.family_scores(x)[:, 3]
    equivalent = np.log10(flops * efficiency.multipliers.sel(family="Family-D").to_numpy()[0, 0]) - draws.data.centre
    np.testing.assert_allclose(draws.family_scores(equivalent)[:, 2], mine, atol=1e-10)
    assert np.abs(draws.family_scores(x)[:, 2] - mine).max() > 0.1
    kept = [name for name in two_factors.evals.benchmark_names if name not in efficiency.no_slope]
    on_benchmarks = efficiency.benchmark_log10_multiplier.sel(benchmark=kept, family="Family-D")
    np.testing.assert_allclose(on_benchmarks, 1.4, atol=1e-6)


def test_probabilities_are_shares_of_draws_and_add_up(efficiency: Efficiency) -> None:
    table = efficiency.probabilities()
    assert list(table.index) == list(table.columns) == efficiency.families
    np.testing.assert_allclose(table + table.T, 1.0)
    np.testing.assert_allclose(np.diag(table), 0.5)
    log10 = efficiency.log10_multiplier
    wanted = float((log10.sel(family="Family-A") > log10.sel(family="Family-D")).mean())
    assert efficiency.probability("Family-A", "Family-D") == pytest.approx(wanted)
    assert table.loc["Family-A", "Family-D"] == pytest.approx(wanted)
    # The reference does not matter: it moves all families alike.
    other = efficiency.posterior.efficiency("Family-D", along="capabilities").probabilities()
    np.testing.assert_allclose(other, table, atol=1e-3)
    on_one = efficiency.probabilities("bench-1")
    assert efficiency.probability("Family-A", "Family-D", "bench-1") == pytest.approx(
        on_one.loc["Family-A", "Family-D"]
    )
    assert not np.allclose(on_one, table, atol=0.01)


def test_equivalent_flops_of_typical_models(posterior: Posterior) -> None:
    efficiency, models = posterior.efficiency("Family-A"), posterior.evals.models
    flops = posterior.equivalent_flops("Family-A")
    assert flops.dims == ("chain", "draw", "model")
    assert flops["family"].to_numpy().tolist() == models["family"].tolist()
    exact = (models["flops"].notna() & models["flops_log10_sd"].isna()).to_numpy()
    assert (~exact).sum() == 2
    multiplier = efficiency.multipliers.sel(family=models["family"].tolist()).to_numpy()
    np.testing.assert_allclose(flops[..., exact], (models["flops"].to_numpy() * multiplier)[..., exact])
    # Where compute is unknown or stated with error, the posterior of the true value is what is multiplied.
    latent = 10 ** (posterior.draws.data.centre[0] + posterior.draws.by_chain(posterior.draws.covariate[..., 0]))
    np.testing.assert_allclose(flops, latent * multiplier)
    table = efficiency.summary(prob=0.8, by="model").set_index("model")
    assert table["compute"].iloc[0] == "with error"
    assert table["compute"].iloc[-1] == "unknown"
    assert set(table["compute"][1:-1]) == {"reported"}
    assert np.isnan(table["flops"].iloc[-1])
    np.testing.assert_allclose(
        table[["lower", "equivalent_flops", "upper"]].T, flops.quantile([0.1, 0.5, 0.9], ("chain", "draw"))
    )


def test_equivalent_flops_of_single_models_are_their_capability(posterior: Posterior) -> None:
    flops = posterior.equivalent_flops("Family-A", of="single")
    draws = posterior.draws
    # The typical model of the reference with that compute has the same capability: one factor, so nothing is lost.
    x = np.log10(flops.to_numpy()) - draws.data.centre[0]
    slope, offset = (draws.by_chain(v[..., 0]) for v in (draws.slope, draws.family_offset))
    there = x * slope + offset[..., [0]]
    np.testing.assert_allclose(there, draws.by_chain(draws.capability[..., 0]), atol=1e-9)
    with pytest.raises(ForecastError, match="Did you mean 'single'"):
        posterior.equivalent_flops(of="singel")  # type: ignore[arg-type]


def test_a_benchmark_that_may_not_rise_with_compute_has_no_efficiency(posterior: Posterior) -> None:
    loading = posterior.idata["posterior"]["loading"].to_numpy().copy()
    loading[:, :, 1] -= loading[:, :, 1].mean()
    flat = with_values(posterior, loading=loading, benchmark_slope=0.0).efficiency("Family-A")
    assert list(flat.no_slope) == ["bench-2"]
    assert "zero or negative" in flat.no_slope["bench-2"]
    assert np.isnan(flat.benchmark_log10_multiplier.sel(benchmark="bench-2")).all()
    assert np.isfinite(flat.benchmark_log10_multiplier.drop_sel(benchmark="bench-2")).all()
    table = flat.summary(by="benchmark")
    here = table["benchmark"] == "bench-2"
    assert table.loc[here, ["multiplier", "upper", "more_efficient"]].isna().all(axis=None)
    assert table.loc[~here, ["multiplier", "more_efficient"]].notna().all(axis=None)
    for ask in (flat.log10_multiplier_on, flat.probabilities):
        with pytest.raises(ForecastError, match=r"no efficiency of its own.*overall"):
            ask("bench-2")
    assert "No efficiency on bench-2" in repr(flat)


def test_names_are_public(efficiency: Efficiency) -> None:
    assert efficiency.log10_multiplier.dims == ("chain", "draw", "family")
    assert efficiency.benchmark_log10_multiplier.dims == ("chain", "draw", "family", "benchmark")
    assert efficiency.compute_slopes.dims == ("chain", "draw", "benchmark")
    overall = "family models multiplier lower upper more_efficient"
    assert list(efficiency.summary().columns) == overall.split()
    assert list(efficiency.summary(by="benchmark").columns) == ["benchmark", *overall.split()]
    by_model = "model compute flops equivalent_flops lower upper"
    assert list(efficiency.summary(by="model").columns) == by_model.split()
    text = repr(efficiency)
    assert "compute multipliers relative to Family-B" in text.replace("\n", " ")
    assert text.splitlines()[-1].startswith("Next: ")


def test_what_has_no_efficiency_says_why(simulation: tuple[Evals, Truth], posterior: Posterior) -> None:
    evals, truth = simulation
    without = posterior_near(evals, truth, simulation_spec(family_offsets=False))
    with pytest.raises(ForecastError, match="no family offsets: under it all families are equally efficient"):
        without.efficiency()
    other = posterior_near(evals, truth, Spec(factors=1, covariates=("log10_params", "log10_tokens")))
    with pytest.raises(ForecastError, match=r"predicts from log10_params and log10_tokens.*log10_flops"):
        other.equivalent_flops()
    with pytest.raises(ForecastError, match="Did you mean 'Family-A'"):
        posterior.efficiency("family-a")
    efficiency = posterior.efficiency()
    with pytest.raises(ForecastError, match="Did you mean 'Family-A'"):
        efficiency.probability("Family-B", "family-a")
    with pytest.raises(ForecastError, match="Did you mean 'bench-"):
        efficiency.probability("Family-A", "Family-B", "bench1")
    with pytest.raises(ForecastError, match="Did you mean 'family'"):
        efficiency.summary(by="families")  # type: ignore[arg-type]
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        efficiency.summary(prob=90)


def test_a_posterior_that_did_not_converge_warns_at_the_callers_line(posterior: Posterior) -> None:
    convergence = posterior.convergence.model_copy(update={"converged": False, "problems": ("Use more draws.",)})
    not_converged = dataclasses.replace(posterior, convergence=convergence)
    asked = (
        not_converged.efficiency,
        not_converged.equivalent_flops,
        lambda: not_converged.emergence("bench-1", random_seed=0),
        lambda: not_converged.forecast(family="Family-A", flops=1e25, random_seed=0),
    )
    for ask in asked:
        with pytest.warns(
            ConvergenceWarning, match=r"come.* from a posterior that did not converge. Use more"
        ) as caught:
            ask()
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        posterior.efficiency()
