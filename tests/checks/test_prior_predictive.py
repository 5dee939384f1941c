"""Prior predictive checks: the scores that the priors alone imply, whatever the observed scores are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import ks_2samp
from simulate import cell_precision, measure, rise, simulation_spec

import bayescale
from bayescale import Evals, Posterior, Spec
from bayescale._arviz import group_names
from bayescale.checks import PriorPredictive, prior_predictive
from bayescale.checks.prior_predictive import TOLERANCE, compute_grid, falling
from bayescale.errors import EvalsError, FitError, ForecastError, SpecError

BARE = Spec(
    factors=1, family_offsets=False, family_benchmark=False, testlets=False, curve="sigmoid", floor={"learned": False}
)


def test_scores_are_like_a_simulation_by_hand(prior: PriorPredictive, evals: Evals) -> None:
    """The default priors, written out once more for one model of known compute on one benchmark."""
    rng, size = np.random.default_rng(5), 20_000
    model, benchmark = 3, 0
    flops = evals.models["flops"].to_numpy(float)
    x = np.log10(flops[model]) - np.nanmean(np.log10(flops))
    family_sd = abs(rng.normal(0, 3, size))
    common_sd, own_sd = abs(rng.normal(0, 0.5, size)), abs(rng.normal(0, 0.5, size))
    count = len(evals.benchmarks)
    loading = rng.normal(0, common_sd) + rng.normal(0, own_sd, (count, size))
    slope, loading = rng.normal(0, 2, size), loading[[benchmark, *range(1, count)]]
    # The average benchmark rises.
    slope *= np.where(rng.logistic(size=size) < 10 * slope * loading.mean(axis=0), 1, -1)
    loading = loading[0]
    capability = x * slope + rng.normal(0, family_sd) + rng.standard_normal(size)
    logit = loading * capability - rng.normal(0, 1.5, size)
    logit += x * rng.normal(0, rng.lognormal(-1.5, 0.5, size)) + rng.normal(0, abs(rng.normal(0, 0.3, size)))
    floor = rng.beta(25, 75, size)
    shape = rng.exponential(1 / 4, size)
    mean = floor + (1 - floor) * rise(logit, shape)
    items = evals.benchmarks["items"].to_numpy(float)[benchmark]
    mean = np.clip(mean, 0, 1 - 1e-12)
    noise = np.exp(rng.normal(6, 0.5, size)), rng.lognormal(-1.6, 0.7, size)
    by_hand = measure(mean, cell_precision(mean, *noise, floor, shape), np.array(items), rng)

    drawn = prior.scores.isel(chain=0, model=model, benchmark=benchmark).to_numpy()

    assert evals.benchmarks["floor"][benchmark] == 0.25
    assert ks_2samp(drawn, by_hand).pvalue > 0.001


@pytest.mark.heavy
def test_means_of_symmetric_priors_are_half_way_up(evals: Evals) -> None:
    # Every effect is as likely up as down, so the mean score lies in the middle between chance and ceiling.
    actual = prior_predictive(BARE, evals, draws=500, random_seed=2)
    middle = (evals.benchmarks["floor"] + 1) / 2
    by_draw = actual.scores.mean("model").isel(chain=0).to_numpy()
    error = by_draw.std(axis=0) / np.sqrt(500)
    assert (abs(by_draw.mean(axis=0) - middle) < 4 * error).all()
    np.testing.assert_allclose(actual.summary()["mean"], by_draw.mean(axis=0))


def test_scores_are_shares_of_the_items(prior: PriorPredictive, evals: Evals) -> None:
    scores = prior.scores
    assert scores.dims == ("chain", "draw", "model", "benchmark")
    assert scores["model"].to_numpy().tolist() == evals.model_names
    assert float(scores.min()) >= 0
    assert float(scores.max()) <= 1
    for name, items in evals.benchmarks.set_index("benchmark")["items"].items():
        hits = scores.sel(benchmark=name).to_numpy() * items
        if np.isfinite(items):
            np.testing.assert_allclose(hits, np.rint(hits), atol=1e-6)


def test_the_same_seed_gives_the_same_numbers(evals: Evals) -> None:
    first, again, other = (prior_predictive(BARE, evals, draws=5, random_seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.scores, again.scores)
    np.testing.assert_array_equal(first.curves, again.curves)
    assert not np.array_equal(first.scores, other.scores)


@pytest.mark.heavy
def test_observed_scores_take_no_part(evals: Evals) -> None:
    mirrored = Evals(evals.models, evals.benchmarks, evals.scores.assign(score=1 - evals.scores["score"]))
    first, second = (prior_predictive(simulation_spec(), e, draws=20, random_seed=1) for e in (evals, mirrored))
    for name in ("difficulty", "loading", "capability", "floor"):
        np.testing.assert_allclose(first.idata["prior"][name], second.idata["prior"][name], atol=1e-8)
    np.testing.assert_allclose(first.curves, second.curves, atol=1e-8)


def test_groups_are_arvizs(prior: PriorPredictive, evals: Evals) -> None:
    assert group_names(prior.idata) == ["prior", "prior_predictive", "observed_data"]
    np.testing.assert_array_equal(prior.idata["observed_data"]["score"], evals.matrix())
    assert prior.idata["prior"]["slope"].dims == ("chain", "draw", "covariate", "factor")


def test_a_curve_leads_through_its_model(posterior: Posterior) -> None:
    draws = posterior.draws
    for model in (0, 5):
        moved = draws.moved_scores(model, draws.covariate[0, [model, model]])
        np.testing.assert_allclose(moved[:, 0], draws.fitted_scores()[:, model], rtol=1e-12)


def test_curves_are_the_equations_of_the_model(evals: Evals) -> None:
    actual = prior_predictive(BARE, evals, draws=30, random_seed=3)
    prior, flops = actual.idata["prior"].isel(chain=0), actual.curves["flops"].to_numpy()
    known = evals.models["flops"]
    assert (flops[0], flops[-1]) == pytest.approx((known.min(), known.max()))
    x = np.log10(flops) - np.log10(known).mean()
    start = prior["covariate_value"].to_numpy()[:, 0]
    capability = prior["capability"].to_numpy()[:, 0] + (x - start) * prior["slope"].to_numpy()[:, 0]
    logit = capability[..., None] * prior["loading"].to_numpy()[:, None, :, 0]
    share = expit(logit - prior["difficulty"].to_numpy()[:, None])
    floor = evals.benchmarks["floor"].to_numpy()
    np.testing.assert_allclose(actual.curves.isel(chain=0), floor + (1 - floor) * share, rtol=1e-9)


@pytest.mark.heavy
def test_half_of_the_curves_that_move_fall_unless_the_average_benchmark_rises(evals: Evals) -> None:
    open_sign = simulation_spec().replace(rising=False)
    table = prior_predictive(open_sign, evals, draws=600, random_seed=1).summary()
    moving = 1 - table["flat"]
    assert (abs(table["falling"] / moving - 0.5) < 4 * 0.5 / np.sqrt(600 * moving)).all()
    rising = prior_predictive(simulation_spec(), evals, draws=600, random_seed=1).summary()
    assert (rising["falling"] < table["falling"] - 0.1).all()
    assert (rising["saturated"] > 0.05).all()


def test_positive_slopes_and_loadings_never_fall(evals: Evals) -> None:
    priors = {"slope": "HalfNormal(2)", "loading": "HalfNormal(1)"}
    spec = BARE.replace(common_loading=False, priors=priors)
    assert (prior_predictive(spec, evals, draws=100, random_seed=1).summary()["falling"] == 0).all()


def test_without_slopes_all_curves_are_flat(evals: Evals) -> None:
    spec = BARE.replace(priors={"slope": "Normal(0, 1e-6)"})
    table = prior_predictive(spec, evals, draws=50, random_seed=1).summary(prob=0.5)
    assert (table["flat"] == 1).all()
    assert (table["falling"] == 0).all()
    assert table.attrs["prob"] == 0.5


def test_falling_looks_at_the_whole_curve() -> None:
    up_and_down = np.array([0.1, 0.6, 0.6 - 2 * TOLERANCE, 0.9])
    wobble = np.array([0.1, 0.6, 0.6 - TOLERANCE / 2, 0.9])
    assert falling(np.column_stack([up_and_down, wobble])).tolist() == [True, False]


def test_other_covariates_go_with_compute_as_in_the_data(evals: Evals) -> None:
    spec = Spec(factors=1, covariates=("log10_params", "log10_tokens", "log10_params:log10_tokens"))
    flops, covariates = compute_grid(spec, evals)
    known = evals.models.dropna(subset=["flops", "params_b", "tokens_t"])
    # Compute is 6 x parameters x tokens here, so the lines of both add up to it.
    np.testing.assert_allclose(covariates[:, :2].sum(axis=1), np.log10(flops) - np.log10(known["flops"]).mean())
    np.testing.assert_allclose(covariates[:, 2], covariates[:, 0] * covariates[:, 1])
    actual = prior_predictive(spec, evals, draws=5, random_seed=1)
    assert np.isfinite(actual.curves).all()


def test_mistakes_are_refused(evals: Evals) -> None:
    with pytest.raises(FitError, match="draws=0"):
        prior_predictive(BARE, evals, draws=0)
    with pytest.raises(SpecError, match="Did you mean 'one_factor'"):
        prior_predictive("one_facto", evals)
    alike = Evals(evals.models.assign(flops=1e23), evals.benchmarks, evals.scores)
    with pytest.raises(EvalsError, match="need at least two models with different flops"):
        prior_predictive(BARE, alike)


def test_a_summary_takes_probabilities(prior: PriorPredictive) -> None:
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        prior.summary(prob=90)


def test_it_says_what_it_is_and_what_comes_next(prior: PriorPredictive) -> None:
    assert bayescale.prior_predictive is prior_predictive
    assert "600 draws of scores of 12 models on 5 benchmarks" in " ".join(repr(prior).split())
    assert "Next: prior.summary()" in repr(prior)
