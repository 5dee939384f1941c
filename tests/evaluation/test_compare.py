"""Specs side by side, without sampling: fits are draws around the truth, densities are checked by hand."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import SHORT
from scipy import stats
from scipy.special import logsumexp
from simulate import Truth, posterior_near, simulate, simulation_spec

from bayescale import _arviz
from bayescale.errors import BacktestWarning, EvaluationError, FitError
from bayescale.evals import Evals
from bayescale.evaluation.compare import Assessment, Comparison, compare, scan_factors, scan_priors
from bayescale.evaluation.compare.assess import Plan, held_out_elpd, loo, make_splits
from bayescale.evaluation.compare.comparison import clustered_se
from bayescale.methods import Posterior
from bayescale.model.curve import expected_score, logit_score

Simulation = tuple[Evals, Truth]
QUESTION = MappingProxyType({"family": "Family-B", "flops": 1e25})


# Splits


@pytest.mark.parametrize("left_out", ["model", "family"])
def test_every_model_is_hidden_once_and_whole(evals: Evals, left_out: Any) -> None:
    splits = make_splits(evals, left_out, 4)
    hidden = [m for split in splits for m in split.models]
    assert sorted(hidden) == sorted(set(evals.scores["model"]))
    for split in splits:
        assert not set(split.evals.scores["model"]) & set(split.models)
        assert split.evals.model_names == evals.model_names, "one compiled model serves all folds"
        assert len(split.evals) + evals.scores["model"].isin(split.models).sum() == len(evals)


def test_families_stay_whole(evals: Evals) -> None:
    family = evals.models.set_index("model")["family"]
    for split in make_splits(evals, "family", 2):
        assert not set(family[list(split.models)]) & set(family[split.evals.scores["model"].unique()])


def test_too_many_folds_are_refused_with_the_number_there_is(evals: Evals) -> None:
    with pytest.raises(EvaluationError, match="folds=5: only 4 families have scores"):
        make_splits(evals, "family", 5)
    with pytest.raises(EvaluationError, match="needs at least 2"):
        make_splits(evals, "model", 1)


# Densities


def test_the_density_of_a_hidden_score_is_the_average_of_beta_binomials(simulation: Simulation) -> None:
    """One score of a known family: simulate its capability and testlet effect, and average SciPy's mass function."""
    evals, truth = simulation
    name = "Family-B-5"
    only = evals.mask((evals.matrix().benchmark != "bench-4") & (evals.matrix().model == name))
    posterior = posterior_near(only, truth, simulation_spec(), spread=0.02)
    actual = held_out_elpd(posterior, only, (name,), 0)[name]

    draws, rng, repeats = posterior.draws, np.random.default_rng(1), 200
    row, b = evals.model_names.index(name), evals.benchmark_names.index("bench-4")
    score = only.matrix().sel(model=name, benchmark="bench-4").item()
    family = int(draws.data.family_index[row])
    location = np.einsum("sc,sck->sk", draws.covariate[:, row], draws.slope) + draws.family_offset[:, family]
    ability = location + rng.standard_normal((repeats, *location.shape))
    logit = logit_score(
        np.einsum("rsk,sk->rs", ability, draws.loading[:, b]),
        draws.difficulty[:, b],
        np.einsum("sc,sc->s", draws.benchmark_slope[:, b], draws.covariate[:, row]),
        draws.testlet_sd * rng.standard_normal((repeats, draws.size)),
        draws.family_benchmark[:, family, b],
    )
    mean = expected_score(logit, draws.floor[:, b], 1.0, draws.curve_shape[:, b])
    precision = draws.precision[:, b]
    mass = stats.betabinom.logpmf(round(score * 300), 300, mean * precision, (1 - mean) * precision)
    assert actual == pytest.approx(logsumexp(mass) - np.log(mass.size), abs=0.05)


def test_a_family_of_which_nothing_was_seen_counts_as_new(simulation: Simulation) -> None:
    """Its offset in the posterior is a draw from the population, and must not enter twice or be believed."""
    evals, truth = simulation
    (split,) = [s for s in make_splits(evals, "family", 4) if "Family-B-1" in s.models]
    right = posterior_near(split.evals, truth, simulation_spec())
    absurd = posterior_near(split.evals, truth, simulation_spec(), family_offset=truth.offset + 50)
    values = [held_out_elpd(p, evals, split.models, 0) for p in (right, absurd)]
    pd.testing.assert_series_equal(*values)


@pytest.mark.heavy
def test_densities_are_of_all_scores_together(simulation: Simulation) -> None:
    """Scores of one model share its capability: on average their density beats the product of each alone."""
    evals, truth = simulation
    matrix, difference = evals.matrix(), 0.0
    for split in make_splits(evals, "model", 4):
        posterior = posterior_near(split.evals, truth, simulation_spec())
        together = held_out_elpd(posterior, evals, split.models, 0)
        alone = [
            held_out_elpd(posterior, evals.mask(matrix.model.isin(split.models) & (matrix.benchmark != b)), names, 0)
            for b in evals.benchmark_names
            if (names := tuple(matrix.sel(model=list(split.models), benchmark=b).dropna("model").model.to_numpy()))
        ]
        difference += together.sum() - pd.concat(alone).sum()
    assert difference > 0.25 * len(evals.model_names)


def test_a_family_is_scored_jointly(simulation: Simulation) -> None:
    """Its models share its offset: where offsets differ widely, the joint density beats the product of the models'."""
    evals, truth = simulation
    (split,) = [s for s in make_splits(evals, "family", 4) if "Family-B-1" in s.models]
    posterior = posterior_near(split.evals, truth, simulation_spec(), spread=0.02)
    posterior.__dict__["draws"] = dataclasses.replace(posterior.draws, family_sd=np.full(posterior.draws.size, 8.0))
    together = held_out_elpd(posterior, evals, split.models, 0, "family")
    alone = held_out_elpd(posterior, evals, split.models, 0)
    assert together.index.tolist() == ["Family-B"]
    assert together["Family-B"] > alone.sum() + 1
    (one,) = held_out_elpd(posterior, evals, split.models[:1], 0, "family")
    assert one == pytest.approx(alone.iloc[0], abs=0.05)


def test_likelihoods_are_compared_by_the_mass_of_one_item(simulation: Simulation) -> None:
    """The same expected scores and precision under both: their grids of 300 to 2,000 items and 10,000 steps differ."""
    evals, truth = simulation
    fitted = {
        name: posterior_near(evals, truth, simulation_spec(likelihood=name), spread=0.02, log_precision=3.0)
        for name in ("beta_binomial", "beta")
    }
    by_score = {name: _arviz.pointwise(loo(posterior)) for name, posterior in fitted.items()}
    items = evals.benchmarks["items"].to_numpy()
    _, column = np.nonzero(fitted["beta"].draws.data.cells["observed"])
    np.testing.assert_allclose(by_score["beta"], by_score["beta_binomial"], atol=0.3)
    free = np.isinf(items[column]) | np.isnan(items[column])
    np.testing.assert_array_equal(by_score["beta"][free], by_score["beta_binomial"][free])
    # On grids of their own they were apart by the log of steps per item.
    own = fitted["beta"].draws.log_likelihood().mean(axis=0) - fitted["beta_binomial"].draws.log_likelihood().mean(
        axis=0
    )
    np.testing.assert_allclose(own[~free], -np.log(10_000 / items[column][~free]), atol=0.3)
    assert not np.allclose(own[~free], 0, atol=1)
    matrix = evals.matrix()
    hidden = evals.mask((matrix.model == "Family-B-5") & (matrix.benchmark != ""))
    elpd = [
        held_out_elpd(posterior_near(hidden, truth, p.spec, spread=0.02, log_precision=3.0), evals, ("Family-B-5",), 0)
        for p in fitted.values()
    ]
    assert elpd[0].item() == pytest.approx(elpd[1].item(), abs=1)


# Comparison


SCORES = simulate()[0].n_scores


def assessment(posterior: Posterior, shift: float = 0.0, seed: int = 0) -> Assessment:
    rng = np.random.default_rng(seed)
    names = {"model": posterior.evals.model_names, "family": posterior.evals.families}
    base = np.random.default_rng(9).normal(5, 2, 12)
    by = {b: pd.Series(base[: len(n)] + shift + 0.1 * rng.standard_normal(len(n)), n) for b, n in names.items()}
    cells = 2 + 0.3 * rng.standard_normal((4, 500, SCORES)) + shift
    likelihood = xr.Dataset({"score": (("chain", "draw", "cell"), cells)})
    loo = _arviz.loo(_arviz.inference_data({"log_likelihood": likelihood}), "score", reff=1)
    folds = pd.DataFrame({"left_out": ["model"], "fold": [1], "models": [3], "rhat": [1.02], "seconds": [1.0]})
    return Assessment(posterior, loo, by, folds, 12.0)


@pytest.fixture
def comparison(posterior: Posterior, two_factors: Posterior) -> Comparison:
    parts = {"worse": assessment(posterior, -1.0, 1), "better": assessment(two_factors, 0.0, 2)}
    return Comparison(parts, dict(QUESTION))


def test_the_table_puts_the_best_first_and_counts_from_it(comparison: Comparison) -> None:
    table = comparison.summary()
    assert list(table.index) == ["better", "worse"]
    parts = comparison.assessments
    by_hand = parts["worse"].held_out["model"] - parts["better"].held_out["model"]
    assert table.loc["worse", "difference_model"] == pytest.approx(by_hand.sum())
    # Four families of three models: sums over a family are what is independent.
    sums = (by_hand - by_hand.mean()).groupby(by_hand.index.str[:8]).sum()
    assert table.loc["worse", "dse_model"] == pytest.approx(np.sqrt(4 / 3 * (sums**2).sum()))
    families = parts["worse"].held_out["family"] - parts["better"].held_out["family"]
    assert table.loc["worse", "dse_family"] == pytest.approx(np.sqrt(4) * families.std(ddof=1))
    assert table.loc["better", ["difference_model", "difference_family", "difference_loo"]].tolist() == [0, 0, 0]
    assert table["weight"].sum() == pytest.approx(1)
    assert table["weight"].idxmax() == "better"
    for name in ("p_loo", "large_k", "worst_k", "rhat", "ess", "divergences", "rhat_folds", "seconds", "converged"):
        assert table[name].notna().all(), name


def test_the_interval_of_a_difference_is_normal(comparison: Comparison) -> None:
    table = comparison.summary(prob=0.5)
    worse = table.loc["worse"]
    expected = stats.norm.interval(0.5, worse["difference_model"], worse["dse_model"])
    assert (worse["lower"], worse["upper"]) == pytest.approx(expected)
    assert table.attrs["prob"] == 0.5
    assert table.loc["better", ["lower", "upper"]].tolist() == [0, 0]


def test_a_dataset_has_the_density_of_every_model(comparison: Comparison) -> None:
    dataset = comparison.to_xarray()
    assert dataset["spec"].to_numpy().tolist() == comparison.names
    held_out = comparison.assessments["worse"].held_out["family"]
    np.testing.assert_array_equal(dataset["elpd_family"].sel(spec="worse", family=held_out.index), held_out)
    assert dataset["pareto_k"].dims == ("spec", "cell")


def test_weights_are_shared_by_specs_that_are_alike_in_different_places() -> None:
    """Stacking: each of two specs predicts half of the models well."""
    good, bad = np.full(20, 3.0), np.full(20, -3.0)
    of = {"a": np.r_[good, bad], "b": np.r_[bad, good]}
    weight = _arviz.compare_elpd({name: _arviz.elpd_of_units(pd.Series(v)) for name, v in of.items()})["weight"]
    np.testing.assert_allclose(weight, 0.5, atol=0.02)


def test_standard_errors_are_of_clusters() -> None:
    """Families whose models all err alike count once each; of models that are alone it is the usual standard error."""
    values = np.random.default_rng(0).normal(size=30)
    usual = np.sqrt(30) * values.std(ddof=1)
    assert clustered_se(values, np.arange(30)) == pytest.approx(usual)
    assert clustered_se(np.repeat(values, 4), np.repeat(np.arange(30), 4)) == pytest.approx(4 * usual)
    drawn = [np.repeat(np.random.default_rng(seed).normal(size=30), 4).sum() for seed in range(2000)]
    expected = [
        clustered_se(np.repeat(np.random.default_rng(seed).normal(size=30), 4), np.repeat(np.arange(30), 4))
        for seed in range(200)
    ]
    assert np.mean(expected) == pytest.approx(np.std(drawn), rel=0.05)


def test_a_single_spec_is_a_comparison_too(posterior: Posterior) -> None:
    actual = Comparison({"only": assessment(posterior)})
    assert actual.summary().loc["only", "weight"] == 1
    with pytest.raises(EvaluationError, match="There is no forecast to compare"):
        actual.forecasts  # noqa: B018


def test_figures_of_a_backtest_stand_beside(comparison: Comparison) -> None:
    class Scored:
        def summary(self) -> pd.DataFrame:
            columns = {"mae": [0.05], "crps": [0.04], "coverage_50": [0.5], "coverage_90": [0.9]}
            return pd.DataFrame(columns, index=pd.Index(["better"], name="method"))

    table = Comparison(comparison.assessments, backtest=Scored()).summary()  # type: ignore[arg-type]
    assert table.loc["better", "mae"] == 0.05
    assert np.isnan(table.loc["worse", "mae"])


def test_every_spec_answers_the_question(comparison: Comparison, posterior: Posterior) -> None:
    table = comparison.forecast_table(prob=0.5)
    alone = posterior.forecast(**QUESTION, random_seed=0).summary(prob=0.5)
    pd.testing.assert_series_equal(
        table[table["spec"] == "worse"]["median"].reset_index(drop=True), alone["median"], check_names=False
    )
    assert set(table["spec"]) == {"worse", "better"}


def test_shares_of_variance_sum_to_one_under_each_spec(comparison: Comparison) -> None:
    shares = comparison.variance_shares()
    assert shares.groupby("spec")["component"].count().to_dict() == {"worse": 1, "better": 2}
    np.testing.assert_allclose(shares.groupby("spec")["mean"].sum(), 1)


def test_what_was_not_left_out_cannot_be_asked_for(comparison: Comparison) -> None:
    with pytest.raises(EvaluationError, match="'cell' was not left out; available: model, family, loo"):
        comparison.elpd("cell")


@pytest.fixture
def with_warnings(posterior: Posterior, comparison: Comparison) -> Comparison:
    bad = dataclasses.replace(posterior, convergence=posterior.convergence.model_copy(update={"converged": False}))
    torn = comparison.assessments["better"]
    torn = dataclasses.replace(torn, folds=torn.folds.assign(rhat=1.79))
    return Comparison({"bad": assessment(bad), "torn": torn, "good": comparison.assessments["better"]})


def test_what_may_be_off_is_named_with_the_reason(with_warnings: Comparison, comparison: Comparison) -> None:
    assert comparison.warnings == {}
    assert list(with_warnings.warnings) == ["bad", "torn"]
    assert with_warnings.warnings["bad"].startswith("did not converge (R-hat ")
    assert with_warnings.warnings["torn"] == "chains of a refit disagree (fold model 1: R-hat up to 1.79)"


def test_a_notebook_shows_the_table_and_what_may_be_off(with_warnings: Comparison) -> None:
    shown = with_warnings._repr_html_()
    assert "(!) torn chains of a refit disagree" in shown
    assert "<th>elpd_model</th>" in shown
    assert all(f'<td class="t">{name}</td>' in shown for name in with_warnings.names)


def test_print_names_the_best_and_what_may_be_off(with_warnings: Comparison) -> None:
    text = repr(with_warnings)
    marked = [part.split()[0] for part in text.splitlines() if part.endswith("   (!)")]
    assert sorted(marked) == ["bad", "torn"]
    assert "(!) torn chains of a refit disagree" in text
    assert text.startswith("Comparison of 3 specs, elpd leaving out whole models:")


# The run


@pytest.mark.heavy
def test_all_specs_get_the_same_folds_and_seeds(evals: Evals, fits: list[tuple[str, int, int]]) -> None:
    reports: list[tuple[int, int, str]] = []
    actual = compare(
        [simulation_spec().replace(name="a"), simulation_spec().replace(name="b", priors={"slope": "Normal(0, 1)"})],
        evals, folds=3, jobs=1, random_seed=4, progress=lambda *r: reports.append(r),
    )  # fmt: skip
    assert [f[1:] for f in fits if f[0] == "a"] == [f[1:] for f in fits if f[0] == "b"]
    assert len(fits) == 2 * (1 + 3 + 3)
    assert fits[0][1:] == (4, len(evals))
    assert all(seen < len(evals) for *_, seen in fits[1:7])
    assert reports == [(0, 2, ""), (1, 2, "a"), (2, 2, "b")]
    # The same draws under both names: no difference, and no weight for the second.
    np.testing.assert_allclose(actual.summary()["difference_model"], 0, atol=1e-9)
    assert actual.assessments["a"].folds["left_out"].tolist() == ["model"] * 3 + ["family"] * 3
    assert actual.random_seed == 4


def test_posteriors_are_taken_as_they_are(posterior: Posterior, fits: list[tuple[str, int, int]]) -> None:
    actual = compare({"mine": posterior}, leave_out=[])
    assert fits == []
    assert actual.left_out == ("loo",)
    assert actual.posteriors["mine"].identity == posterior.identity


def test_a_scan_of_factors_names_its_specs(evals: Evals, fits: list[tuple[str, int, int]]) -> None:
    actual = scan_factors(simulation_spec(), evals, [1], folds=2, jobs=1)
    assert actual.names == ["1 factor"]
    assert actual.left_out == ("model", "loo")


def test_a_scan_of_priors_changes_one_at_a_time(evals: Evals, fits: list[tuple[str, int, int]]) -> None:
    priors = {"family_sd": ["HalfNormal(1)", "HalfNormal(3)"], "slope": "Normal(0, 5)"}
    actual = scan_priors(simulation_spec().replace(name="base"), evals, priors, leave_out=[], jobs=1)
    # HalfNormal(3) is what the spec has already.
    assert actual.names == ["base", "family_sd HalfNormal(sigma=1)", "slope Normal(mu=0, sigma=5)"]
    changed = actual.posteriors["slope Normal(mu=0, sigma=5)"].spec
    assert changed.priors.family_sd == simulation_spec().priors.family_sd


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: compare(["default", "default"], e), "Two specs are called 'default'"),
        (lambda e: compare([], e), "Nothing to compare"),
        (lambda e: compare(["default"]), "Specs are fitted to evals"),
        (lambda e: compare(["default"], e, leave_out=["cell"]), "'cell' is none of model, family"),  # type: ignore[list-item]
        (lambda e: compare(["default"], e, folds=1), "needs at least 2"),
        (lambda e: scan_factors("default", e, []), "at least one number"),
        (lambda e: scan_priors("default", e, {"loading": ["Normal(0, 1)"]}), "does not use the prior 'loading'"),
        (lambda e: scan_priors("default", e, {}), "give other values of at least one of slope, family_sd"),
    ],
)
def test_what_cannot_be_compared_is_said(evals: Evals, call: Callable[[Evals], Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        call(evals)


def test_posteriors_of_different_scores_are_not_compared(posterior: Posterior) -> None:
    other = posterior_near(*simulate(seed=3), simulation_spec())
    with pytest.raises(EvaluationError, match="'other' was fitted to other evals"):
        compare({"mine": posterior, "other": other})


def test_a_spec_that_cannot_be_fitted_is_named(evals: Evals, fits: list[tuple[str, int, int]]) -> None:
    with pytest.raises(EvaluationError, match="Spec 'impossible': Sampling failed"):
        compare([simulation_spec().replace(name="impossible")], evals, leave_out=["model"], jobs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"forecast": {"family": "Family-Z", "flops": 1e25}}, "Spec 'custom': There is no family 'Family-Z'"),
        ({"forecast": {"family": "Family-B"}}, "Say how much training compute"),
        ({"forecast": {"family": "Family-B", "flops": 25}}, "far below any language model's"),
        ({"forecast": {"family": "Family-B", "flop": 1e25}}, "no argument of a forecast 'flop'. Did you mean 'flops'"),
        ({"forecast": {**QUESTION, "given": {"bench-9": 0.5}}}, "There is no benchmark 'bench-9'"),
        ({"forecast": {**QUESTION, "random_seed": -1}}, "random_seed=-1"),
        ({"leave_out": ["model", "family"], "folds": 5}, "only 4 families have scores"),
        ({"random_seed": "one"}, "random_seed='one'"),
        ({"draws": 0}, "draws=0"),
        ({"tune": 10**20}, "tune=100000000000000000000"),
        ({"target_accept": 80}, "target_accept=80 must lie between 0 and 1"),
        ({"nuts_sampler": "nuts"}, "nuts_sampler='nuts' is not one of"),
        ({"drows": 5}, "There is no setting of a fit 'drows'. Did you mean 'draws'"),
    ],
)
def test_every_mistake_is_said_before_the_first_fit(
    settings: dict[str, Any], message: str, evals: Evals, fits: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    folder = tmp_path / "fits"
    with pytest.raises((EvaluationError, FitError), match=re.escape(message)):
        compare([simulation_spec()], evals, **{"leave_out": [], "directory": folder, "jobs": 1} | settings)
    assert fits == []
    assert not folder.exists()


@pytest.mark.heavy
def test_an_interrupted_comparison_resumes_with_the_same_numbers(
    evals: Evals, fits: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    def run(*names: str, **settings: Any) -> Comparison:
        specs = [simulation_spec().replace(name=name) for name in names]
        return compare(specs, evals, leave_out=["model"], folds=2, jobs=1, directory=tmp_path, **settings)

    with pytest.raises(EvaluationError, match="Spec 'impossible': Sampling failed"):
        run("a", "impossible")
    assert [name for name, *_ in fits] == ["a"] * 3 + ["impossible"]
    whole = run("a", "b")
    assert [name for name, *_ in fits[4:]] == ["b"] * 3
    again = run("a", "b")
    assert len(fits) == 7
    columns = again.summary().columns.drop("seconds")
    pd.testing.assert_frame_equal(again.summary()[columns], whole.summary()[columns])
    pd.testing.assert_frame_equal(again.assessments["a"].folds, whole.assessments["a"].folds)
    np.testing.assert_array_equal(
        again.posteriors["a"].idata["posterior"]["slope"], whole.posteriors["a"].idata["posterior"]["slope"]
    )
    # Another seed, and other settings, are other fits.
    run("a", random_seed=1)
    run("a", tune=10)
    assert len(fits) == 7 + 3 + 1


@pytest.mark.heavy
@pytest.mark.parametrize("suffix", [".nc", ".npz"])
def test_a_kept_fit_that_is_damaged_is_done_again(
    suffix: str, evals: Evals, fits: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    def run() -> Comparison:
        return compare([simulation_spec()], evals, leave_out=["model"], folds=2, jobs=1, directory=tmp_path)

    before = run().summary()
    victim = min(tmp_path.glob(f"*{suffix}"))
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    with pytest.warns(BacktestWarning, match=f"{victim.name} is damaged .*runs again"):
        after = run().summary()
    assert len(fits) == 4
    pd.testing.assert_frame_equal(after.drop(columns="seconds"), before.drop(columns="seconds"))


@pytest.mark.heavy
def test_two_specs_on_two_processes(evals: Evals) -> None:
    """Everything for real, with far too few draws."""
    specs = [simulation_spec(), simulation_spec().replace(name="sigmoid", curve="sigmoid")]
    short = {name: SHORT[name] for name in ("draws", "tune", "chains")}
    actual = compare(specs, evals, leave_out=["model"], folds=2, jobs=2, **short)
    assert actual.names == ["custom", "sigmoid"]
    assert len(actual.summary()) == 2
    assert np.isfinite(actual.summary()["elpd_model"]).all()
    posterior = actual.posteriors["custom"]
    by_arviz = az.loo(posterior.log_likelihood(), var_name="score")
    assert actual.summary().loc["custom", "elpd_loo"] == pytest.approx(_arviz.elpd_summary(by_arviz)[0])
    # Not the same bits as a fit in this process: a program that was just compiled rounds otherwise than one that is
    # read from the disk, and chains part after some steps.
    assert [posterior.sampling[name] for name in ("random_seed", "cores")] == [0, 1]


def test_the_plan_of_folds_is_the_users_to_change() -> None:
    assert dict(Plan((), 2, 0).fold_sampling) == {"draws": 300, "tune": 200, "chains": 2}


def test_each_spec_is_told_of_the_covariates_that_it_names(dated: Posterior, posterior: Posterior) -> None:
    folds = pd.DataFrame({"left_out": ["model"], "fold": [1], "rhat": [1.0]})
    parts = {n: Assessment(p, None, {}, folds, 1.0) for n, p in (("plain", posterior), ("dated", dated))}  # type: ignore[arg-type]
    forecasts = Comparison(parts, {**QUESTION, "released": "2026-12", "reasoning": True}).forecasts
    assert "released" in forecasts["dated"].draws.coords
    assert "released" not in forecasts["plain"].draws.coords


def test_a_question_of_dates_is_checked_before_the_fits_as_it_is_asked_after_them(dated: Posterior) -> None:
    question = {**QUESTION, "released": "2026-12", "reasoning": True}
    forecasts = compare({"dated": dated}, forecast=question, leave_out=()).forecasts
    assert forecasts["dated"].draws["released"].item() == "2026-12"
    with pytest.raises(EvaluationError, match="Did you mean 'released'"):
        compare({"dated": dated}, forecast={**QUESTION, "releasd": "2026-12", "reasoning": True}, leave_out=())
    with pytest.raises(EvaluationError, match=r"Spec 'dated': .*say released= and reasoning=, too"):
        compare({"dated": dated}, forecast=QUESTION, leave_out=())
