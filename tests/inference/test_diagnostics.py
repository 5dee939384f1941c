"""Sampling and its diagnosis: has the sampler converged, and if not, what to do."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import Sampled
from scipy import stats
from simulate import Truth, cell_precision, posterior_near

from bayescale._arviz import group_names
from bayescale.errors import ConvergenceWarning, EvalsError, FitError, MissingDependencyError, SpecError
from bayescale.evals import Evals
from bayescale.inference.convergence import MAX_RHAT, ConvergenceReport
from bayescale.inference.diagnostics import diagnose
from bayescale.inference.draws import read_draws
from bayescale.methods import Posterior, fit
from bayescale.model import model_data
from bayescale.model.build import generative_model
from bayescale.model.coordinates.parameterization import PlainCoordinates
from bayescale.model.priors import SCALES
from bayescale.model.spec import Spec

Change = Callable[[Any], None]


def diagnosed(posterior: Posterior, change: Change | None = None, **isel: Any) -> ConvergenceReport:
    """Diagnose convergence after a change of the draws."""
    idata = copy.deepcopy(posterior.idata)
    if isel:
        idata = idata.isel(**isel)
    if change is not None:
        change(idata)
    return diagnose(idata, read_draws(idata, model_data(posterior.spec, posterior.evals)))


def problems(convergence: ConvergenceReport) -> str:
    return "\n".join(convergence.problems)


def test_independent_draws_pass_without_a_word(posterior: Posterior) -> None:
    convergence = diagnosed(posterior)
    assert convergence.converged
    assert posterior.converged
    assert convergence.problems == ()
    assert convergence == Posterior.from_draws(posterior.idata, posterior.spec, posterior.evals, {}).convergence
    assert (convergence.chains, convergence.draws, convergence.divergences) == (4, 4000, 0)
    assert convergence.rhat <= MAX_RHAT
    assert convergence.ess_bulk > 2500
    assert str(convergence).startswith("Converged. 4 chains, 4000 draws; 0 divergent")
    assert "expected scores" in str(convergence)


def test_what_decides_are_scores_forecasts_and_scales(posterior: Posterior) -> None:
    blocks = {b.name: b for b in diagnosed(posterior).blocks}
    assert [name for name, b in blocks.items() if b.required] == [
        "expected scores",
        "forecasts",
        "new family",
        "scales",
    ]
    assert blocks["new family"].quantities == len(posterior.evals.benchmark_names)
    assert blocks["expected scores"].quantities == posterior.evals.n_scores
    assert blocks["forecasts"].quantities == len(posterior.evals.families) * len(posterior.evals.benchmark_names)


def test_unknown_compute_that_chains_disagree_on_does_not_pass(posterior: Posterior) -> None:
    unknown = posterior.evals.models["flops"].isna().to_numpy()
    assert unknown.any()

    def far_in_one_chain(idata: Any) -> None:
        values = idata["posterior"]["covariate_value"]
        noise = np.random.default_rng(1).normal(size=values.shape) * unknown[:, None]
        noise[1] += 1.0 * unknown[:, None]
        values[:] = values + noise

    convergence = diagnosed(posterior, far_in_one_chain)
    assert not convergence.converged
    name = posterior.evals.models.loc[unknown, "model"].iloc[0]
    assert "R-hat of unknown covariates is" in problems(convergence)
    assert f"log10_flops of {name}" in problems(convergence)


def test_chains_in_different_modes_do_not_pass(posterior: Posterior) -> None:
    def shift_one_chain(idata: Any) -> None:
        idata["posterior"]["difficulty"].loc[{"chain": 2, "benchmark": "bench-2"}] += 1.0

    convergence = diagnosed(posterior, shift_one_chain)
    assert not convergence.converged
    assert convergence.rhat > 1.1
    assert len(convergence.problems) == 1, "whatever the number of blocks that see it"
    assert re.search(r"R-hat of expected scores is .*on bench-2.*, of forecasts .*: chain 2 is", problems(convergence))
    assert "chain 2 is an outlier; the other chains agree" in problems(convergence)
    assert "another random_seed" in problems(convergence)
    assert convergence.divergences == 0, "nothing but the comparison of chains shows it"
    assert str(convergence).startswith("NOT converged: do not report forecasts")


def test_of_chains_in_different_modes_it_says_what_compute_does_in_each(posterior: Posterior) -> None:
    def turn_slopes(idata: Any) -> None:
        idata["posterior"]["slope"].loc[{"chain": 1}] *= -1.0

    (problem,) = diagnosed(posterior, turn_slopes).problems
    said = re.search(r"one more unit of log10_flops moves the average benchmark by (.*) logits", problem)
    assert said
    gains = [float(number) for number in said[1].split(", ")]
    assert len(gains) == 4
    assert gains[1] < 0 < min(gains[0], *gains[2:])


def test_of_chains_that_differ_on_one_benchmark_it_names_the_benchmark(posterior: Posterior) -> None:
    def lower_floor_in_two_chains(idata: Any) -> None:
        idata["posterior"]["difficulty"].loc[{"chain": [0, 3], "benchmark": "bench-4"}] += 0.8

    report = diagnosed(posterior, lower_floor_in_two_chains)
    (problem,) = report.problems
    assert "the chains are in different modes. The chains differ on bench-4 alone" in problem
    assert problem.endswith("fit without it.")
    assert "fewer factors" not in problem
    # Of the others, what a diagnosis without the benchmark finds.
    rest = diagnosed(posterior)
    worst = [block.without_split_benchmarks() for block in report.blocks if block.required]
    assert all(block.rhat <= whole.rhat for block, whole in zip(worst, rest.blocks, strict=False))
    assert all(block.ess >= whole.ess for block, whole in zip(worst, rest.blocks, strict=False))
    said = f"R-hat {max(b.rhat for b in worst):.3f} at most, {min(b.ess for b in worst):.0f} effective draws at least"
    assert f"On all other benchmarks they converged ({said})." in problem
    assert not report.converged


def test_it_does_not_say_that_the_others_converged_where_they_did_not(posterior: Posterior) -> None:
    def also_a_little_apart_on_another(idata: Any) -> None:
        difficulty = idata["posterior"]["difficulty"]
        difficulty.loc[{"chain": [0, 3], "benchmark": "bench-4"}] += 0.8
        difficulty.loc[{"chain": [0, 1], "benchmark": "bench-2"}] += 0.2

    report = diagnosed(posterior, also_a_little_apart_on_another)
    assert 1.01 < max(block.without_split_benchmarks().rhat for block in report.blocks if block.required) < 1.1
    (problem, *_) = report.problems
    assert "On all other benchmarks" not in problem


def test_of_chains_that_differ_on_most_benchmarks_it_names_none(posterior: Posterior) -> None:
    def harder_in_two_chains(idata: Any) -> None:
        idata["posterior"]["difficulty"].loc[{"chain": [0, 3], "benchmark": ["bench-1", "bench-2", "bench-4"]}] += 0.8

    (problem,) = diagnosed(posterior, harder_in_two_chains).problems
    assert "alone" not in problem
    assert "use fewer factors or tighter priors." in problem


def test_capability_that_does_not_grow_with_compute_is_said_and_still_converged(posterior: Posterior) -> None:
    def turn_slopes(idata: Any) -> None:
        idata["posterior"]["slope"] *= -1.0

    convergence = diagnosed(posterior, turn_slopes)
    assert convergence.converged
    (problem,) = convergence.problems
    assert problem.startswith("The average benchmark does not gain from log10_flops (-")
    assert "'dated'" in problem


def test_chains_that_disagree_two_by_two_are_not_blamed_on_one(posterior: Posterior) -> None:
    def shift_two_chains(idata: Any) -> None:
        idata["posterior"]["difficulty"].loc[{"chain": [1, 2], "benchmark": "bench-2"}] += 1.0

    convergence = diagnosed(posterior, shift_two_chains)
    assert not convergence.converged
    assert "is an outlier" not in problems(convergence)
    assert "the chains are in different modes" in problems(convergence)


def test_a_mode_that_only_forecasts_show_does_not_pass(posterior: Posterior) -> None:
    """Slope and capabilities traded against each other: fitted scores agree, the future does not."""

    def steeper_in_one_chain(idata: Any) -> None:
        idata["posterior"]["slope"].loc[{"chain": 0}] += 1.0

    convergence = diagnosed(posterior, steeper_in_one_chain)
    blocks = {b.name: b for b in convergence.blocks}
    assert blocks["expected scores"].rhat < MAX_RHAT
    assert not convergence.converged
    assert "R-hat of forecasts is" in problems(convergence)
    assert "a decade ahead" in problems(convergence)


def test_turning_the_factors_from_draw_to_draw_changes_nothing(two_factors: Posterior) -> None:
    """Rotation-invariant priors leave loadings unidentified: convergence must not depend on them."""

    def turn(idata: Any) -> None:
        data = idata["posterior"]
        angle = np.random.default_rng(0).uniform(0, 2 * np.pi, (data.sizes["chain"], data.sizes["draw"]))
        angle[0] = 0.0
        rotation = np.stack([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 3, 0, 1)
        for name in ("loading", "slope", "capability", "family_offset"):
            data[name][:] = data[name].to_numpy() @ rotation

    before, after = diagnosed(two_factors), diagnosed(two_factors, turn)
    assert after.converged
    assert after.rhat == pytest.approx(before.rhat, abs=1e-6)
    assert after.ess_bulk == pytest.approx(before.ess_bulk, rel=1e-3)


def test_too_few_draws_do_not_pass_and_the_remedy_is_enough(posterior: Posterior) -> None:
    convergence = diagnosed(posterior, draw=slice(0, 60))
    assert not convergence.converged
    assert "the run is too short" in problems(convergence)
    assert 100 <= convergence.wanted_draws <= 400


@pytest.mark.parametrize("draws", [2, 3, 5])
def test_hardly_any_draws_are_diagnosed_without_nan(posterior: Posterior, draws: int) -> None:
    convergence = diagnosed(posterior, draw=slice(0, draws))
    assert not convergence.converged
    assert "nan" not in problems(convergence)


def test_chains_that_stand_still_do_not_pass(posterior: Posterior) -> None:
    def still(idata: Any) -> None:
        for values in idata["posterior"].data_vars.values():
            values[:] = values[:, :1].to_numpy()

    convergence = diagnosed(posterior, still)
    assert (convergence.converged, convergence.rhat) == (False, np.inf)
    assert convergence.wanted_draws == 2000


def test_one_chain_does_not_pass(posterior: Posterior) -> None:
    convergence = diagnosed(posterior, chain=slice(0, 1))
    assert not convergence.converged
    assert "One chain cannot show" in problems(convergence)
    assert "nan" not in problems(convergence)


@pytest.mark.parametrize(("count", "converged"), [(1, True), (3, True), (40, False)])
def test_many_divergences_do_not_pass_and_few_are_reported(posterior: Posterior, count: int, converged: bool) -> None:
    def diverge(idata: Any) -> None:
        idata["sample_stats"]["diverging"][0, :count] = True

    convergence = diagnosed(posterior, diverge)
    assert convergence.divergences == count
    assert convergence.converged is converged
    assert f"{count} of 4000 transitions diverged" in problems(convergence)
    assert "target_accept" in problems(convergence)


def test_trajectories_cut_off_are_reported(posterior: Posterior) -> None:
    def cut(idata: Any) -> None:
        idata["sample_stats"]["reached_max_treedepth"][:, :100] = True

    convergence = diagnosed(posterior, cut)
    assert convergence.converged
    assert convergence.max_depth_hits == 400
    assert "400 transitions reached the largest tree depth" in problems(convergence)


def test_energy_that_moves_slowly_is_reported(posterior: Posterior) -> None:
    def drift(idata: Any) -> None:
        steps = np.random.default_rng(0).standard_normal((4, 1000))
        idata["sample_stats"]["energy"][:] = np.cumsum(steps, axis=1)

    convergence = diagnosed(posterior, drift)
    assert convergence.bfmi < 0.1
    assert "BFMI" in problems(convergence)


def test_quantities_that_do_not_vary_are_not_diagnosed(posterior: Posterior) -> None:
    def fix(idata: Any) -> None:
        idata["posterior"]["log_precision"][:] = 5.0

    convergence = diagnosed(posterior, fix)
    assert convergence.converged
    assert next(b for b in convergence.blocks if b.name == "precision of scores").quantities == 0


def test_a_convergence_report_survives_text(posterior: Posterior) -> None:
    for convergence in (diagnosed(posterior), diagnosed(posterior, chain=slice(0, 1))):
        again = ConvergenceReport.model_validate_json(convergence.model_dump_json())
        assert str(again) == str(convergence)


def test_field_names_of_version_0_1_0_are_read(posterior: Posterior) -> None:
    def shift_one_chain(idata: Any) -> None:
        idata["posterior"]["difficulty"].loc[{"chain": 2, "benchmark": "bench-2"}] += 1.0

    convergence = diagnosed(posterior, shift_one_chain)
    assert convergence.blocks[0].required
    assert convergence.blocks[0].outlier_chain == 2
    before = convergence.model_dump_json().replace('"required":', '"gates":').replace('"outlier_chain":', '"apart":')
    assert ConvergenceReport.model_validate_json(before) == convergence


# Fitting


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"draws": 0}, "draws=0: a whole number, from 1 to"),
        ({"tune": -1}, "tune=-1: a whole number, from 1 to"),
        ({"chains": 0}, "chains=0: a whole number, from 1 to"),
        ({"target_accept": 1.0}, "target_accept=1.0 must lie between 0 and 1"),
        ({"target_accept": 80}, "target_accept=80 must lie between 0 and 1"),
        ({"nuts_sampler": "stan"}, "'stan' is not one of nutpie, pymc, numpyro"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_computed(
    evals: Evals, settings: dict, message: str
) -> None:
    with pytest.raises(FitError, match=message):
        fit(Spec(factors=1), evals, **settings)


def test_an_unknown_spec_is_refused(evals: Evals) -> None:
    with pytest.raises(SpecError, match="Did you mean 'one_factor'"):
        fit("onefactor", evals)


def test_empty_evals_are_refused(evals: Evals) -> None:
    with pytest.raises(EvalsError, match="no score to fit"):
        fit(Spec(factors=1), evals.mask(evals.matrix() >= 0))


def test_a_sampler_that_is_not_installed_says_how_to_install_it(evals: Evals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bayescale\[numpyro\]'"):
        fit(Spec(factors=1), evals, nuts_sampler="numpyro")


def test_a_fit_has_the_groups_dims_and_statistics_of_pymc(sampled: Sampled, posterior: Posterior) -> None:
    idata = sampled.posterior.idata
    assert {"posterior", "sample_stats", "observed_data", "constant_data"} <= set(group_names(idata))
    for group in ("posterior", "sample_stats"):
        assert dict(idata[group].sizes)["chain"] == 2
        assert dict(idata[group].sizes)["draw"] == 60
    # The made-up posterior, which most tests use, has the same variables with the same dims.
    made_up = posterior.idata["posterior"]
    for name, variable in made_up.data_vars.items():
        assert idata["posterior"][name].dims == variable.dims, name
        for dim in set(variable.dims) - {"draw", "chain"}:
            assert idata["posterior"][dim].to_numpy().tolist() == made_up[dim].to_numpy().tolist()
    statistics = set(idata["sample_stats"].data_vars)
    assert {"diverging", "energy", "lp", "tree_depth", "n_steps", "step_size", "reached_max_treedepth"} <= statistics
    assert "acceptance_rate" in statistics
    np.testing.assert_array_equal(idata["observed_data"]["score"], sampled.posterior.evals.matrix())
    constant = idata["constant_data"]
    np.testing.assert_array_equal(constant["items"], sampled.posterior.evals.benchmarks["items"])
    np.testing.assert_array_equal(constant["flops"], sampled.posterior.evals.models["flops"])
    assert constant["family_of_model"].to_numpy().tolist() == sampled.posterior.evals.models["family"].tolist()


def test_only_variables_in_their_own_units_are_kept(sampled: Sampled) -> None:
    """As PyMC does: the coordinates of the sampler (`*__`) are no business of the user's."""
    assert [name for name in sampled.posterior.idata["posterior"].data_vars if name.endswith("__")] == []


def test_the_draws_are_in_their_domains_and_fit_the_scores(sampled: Sampled) -> None:
    data = sampled.posterior.idata["posterior"]
    assert ((data["floor"] >= 0) & (data["floor"] <= 1)).all()
    for name in set(SCALES) - set(sampled.posterior.spec.unused_priors):
        assert (data[name] > 0).all()
    expected = sampled.posterior.expected_scores()
    assert expected.dims == ("chain", "draw", "model", "benchmark")
    assert ((expected >= 0) & (expected <= 1)).all()
    distance = np.abs(expected.median(("chain", "draw")) - sampled.posterior.evals.matrix())
    assert float(distance.mean()) < 0.05


def test_the_same_seed_gives_the_same_draws_and_another_seed_others(sampled: Sampled) -> None:
    fits = (sampled.posterior, sampled.same_seed, sampled.other_seed)
    first, same, other = (p.idata["posterior"]["difficulty"].to_numpy() for p in fits)
    np.testing.assert_array_equal(first, same)
    assert not (first == other).any()
    assert not (first[0] == first[1]).any()


def test_a_fit_that_is_too_short_warns_with_remedies_and_so_does_its_forecast(sampled: Sampled) -> None:
    posterior = sampled.posterior
    assert not posterior.converged
    issued = [w for w in sampled.warnings if issubclass(w.category, ConvergenceWarning)]
    assert len(issued) == 1
    assert "NOT converged" in str(issued[0].message)
    assert "Use about" in str(issued[0].message)
    with pytest.warns(ConvergenceWarning, match="did not converge.*run is too short"):
        forecast = posterior.forecast(family="Family-A", flops=1e25, random_seed=0)
    assert np.isfinite(forecast.draws["predicted_score"]).all()


def test_what_was_done_is_on_record(sampled: Sampled) -> None:
    sampling = sampled.posterior.sampling
    assert (sampling["draws"], sampling["tune"], sampling["chains"], sampling["random_seed"]) == (60, 80, 2, 1)
    assert sampling["nuts_sampler"] == "nutpie"
    assert sampling["seconds"] > 0
    text = " ".join(repr(sampled.posterior).split())
    assert "2 chains, 120 draws (nutpie" in text
    assert "NOT converged" in text


def test_the_summary_stands_beside_what_was_observed(sampled: Sampled) -> None:
    posterior = sampled.posterior
    table = posterior.summary(prob=0.8)
    columns = ["model", "benchmark", "observed", "median", "lower", "upper"]
    assert table.columns.tolist() == columns
    assert len(table) == len(posterior.evals.model_names) * len(posterior.evals.benchmark_names)
    assert table["observed"].notna().sum() == posterior.evals.n_scores
    row = table.set_index(["model", "benchmark"]).loc[("Family-A-0", "bench-1")]
    assert row["observed"] == posterior.evals.matrix().sel(model="Family-A-0", benchmark="bench-1").item()
    cell = posterior.expected_scores(["Family-A-0"]).sel(benchmark="bench-1").to_numpy()
    np.testing.assert_allclose(row[["lower", "median", "upper"]].astype(float), np.quantile(cell, [0.1, 0.5, 0.9]))
    with pytest.raises(EvalsError, match="Did you mean 'Family-A-0'"):
        posterior.expected_scores(["family-a-0"])


def test_a_posterior_holds_the_public_variables_and_no_coordinates_of_the_sampler(sampled: Sampled) -> None:
    posterior = sampled.posterior
    plain = generative_model(PlainCoordinates.of(posterior.spec, posterior.evals))
    assert set(posterior.idata["posterior"].data_vars) == {v.name for v in plain.unobserved_RVs}


def test_the_log_likelihood_is_one_value_per_draw_and_score_and_that_of_scipy(posterior: Posterior) -> None:
    idata = posterior.log_likelihood()
    assert "log_likelihood" not in group_names(posterior.idata)
    values = idata["log_likelihood"]["score"]
    assert dict(values.sizes) == {"chain": 4, "draw": 1000, "cell": posterior.evals.n_scores}
    expected, draws = posterior.expected_scores(), posterior.idata["posterior"]
    noise = np.exp(draws["log_precision"]), draws["specific_sd"], draws["floor"], draws["curve_shape"]
    scores = posterior.evals.scores.set_index(["model", "benchmark"])["score"]
    stated = posterior.evals.benchmarks.set_index("benchmark")["items"]
    kinds = set()
    for cell in range(0, posterior.evals.n_scores, 7):
        here = {dim: values[dim].to_numpy()[cell] for dim in ("model", "benchmark")}
        mean = expected.sel(here).to_numpy()
        phi = cell_precision(mean, *(part.sel(benchmark=here["benchmark"]).to_numpy() for part in noise))
        observed, counted = scores[tuple(here.values())], np.isfinite(stated[here["benchmark"]])
        items = int(stated[here["benchmark"]]) if counted else 10_000  # steps of a hundredth of a point
        exact = stats.betabinom.logpmf(round(observed * items), items, mean * phi, (1 - mean) * phi)
        np.testing.assert_allclose(values.isel(cell=cell), exact, rtol=1e-5, atol=1e-5)
        kinds.add(bool(counted))
    assert kinds == {True, False}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayescale.errors.ConvergenceWarning")
def test_pymcs_own_sampler_gives_the_same_posterior_object(evals: Evals) -> None:
    settings = {"draws": 50, "tune": 50, "chains": 2, "cores": 1, "random_seed": 1, "progressbar": False}
    posterior = fit(Spec(factors=1), evals, nuts_sampler="pymc", **settings)
    assert posterior.sampling["nuts_sampler"] == "pymc"
    assert {"diverging", "energy", "lp", "tree_depth", "n_steps", "step_size"} <= set(
        posterior.idata["sample_stats"].data_vars
    )
    distance = np.abs(posterior.expected_scores().median(("chain", "draw")) - evals.matrix())
    assert float(distance.mean()) < 0.05
    assert np.isfinite(posterior.forecast(family="Family-A", flops=1e25, random_seed=0).draws["predicted_score"]).all()


def test_the_made_up_posteriors_can_leave_effects_out(simulation: tuple[Evals, Truth]) -> None:
    """A spec without an effect leaves its variables out; everything that reads the draws takes them as zero."""
    bare = Spec(factors=1, common_loading=False, family_offsets=False, family_benchmark=False, testlets=False)
    posterior = posterior_near(*simulation, bare)
    assert posterior.converged
    assert "scales" not in {b.name for b in posterior.convergence.blocks}
    assert (posterior.draws.family_offset == 0).all()
