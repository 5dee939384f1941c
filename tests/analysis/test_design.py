"""The V-optimal design of models to evaluate: against its definition and exhaustive search, and what is refused."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate import Truth, cell_precision, posterior_near, simulate, simulation_spec
from test_efficiency import with_values

import bayescale as bs
from bayescale.analysis.model_selection import Suggestion
from bayescale.analysis.optimal_design import Design
from bayescale.analysis.predictive_moments import ConditionalLogits, PredictiveMoments, population, predict_moments
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.model.curve import effective_items, expected_score, logit_of_share
from bayescale.model.spec import Spec


def made_up(seed: int = 0, models: int = 9, candidates: int = 6, first: int = 4, draws: int = 5) -> Design:
    """A design with covariances and noise out of nowhere: four candidates, two that are forecast too, three others."""
    rng = np.random.default_rng(seed)
    places = rng.standard_normal((models, 3))
    covariance = places @ places.T + 0.3 * np.eye(models) + 1.0
    noise, slope = rng.gamma(2, 0.3, (draws, models)), rng.uniform(0.02, 0.25, (draws, models))
    return Design(PredictiveMoments(np.zeros(models), covariance, noise, slope), candidates, first)


def by_hand(design: Design, chosen: list[int]) -> float:
    """The criterion as the doc says it, draw by draw and model by model, from the joint normal of scores and logits."""
    ahead, left = design.moments, []
    for noise, slope in zip(ahead.noise, ahead.slope, strict=True):
        for t in range(design.first, len(ahead.covariance)):
            precision = np.linalg.inv(ahead.covariance)
            for c in chosen:
                precision[c, c] += 1 / noise[c]
            left.append(slope[t] ** 2 * np.linalg.inv(precision)[t, t])
    return float(np.mean(left))


@pytest.mark.parametrize("chosen", [[], [0], [5], [4, 1, 3], [0, 1, 2, 3, 4, 5]])
def test_the_variance_left_is_that_of_a_normal_given_scores(chosen: list[int]) -> None:
    design = made_up()
    assert design.variance(chosen) == pytest.approx(by_hand(design, chosen), rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), budget=st.integers(1, 5))
def test_no_exchange_improves_the_choice_and_it_is_nearly_the_best(seed: int, budget: int) -> None:
    design = made_up(seed)
    chosen = design.choose(np.ones(6), budget)
    assert len(set(chosen)) == len(chosen) == budget
    left = design.variance(chosen)
    for old in chosen:
        for new in set(range(6)) - set(chosen):
            assert design.variance([c for c in chosen if c != old] + [new]) >= left * (1 - 1e-9)
    best = min(design.variance(list(some)) for some in combinations(range(6), budget))
    assert design.variance([]) - left >= 0.95 * (design.variance([]) - best)
    # In the order of what each adds to those before it.
    for i in range(budget):
        steps = [design.variance([*chosen[:i], c]) for c in chosen[i:]]
        assert steps[0] <= min(steps) * (1 + 1e-9)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), budget=st.floats(1.0, 30.0))
def test_costs_stay_within_the_budget_and_nothing_affordable_is_left(seed: int, budget: float) -> None:
    design = made_up(seed)
    costs = np.random.default_rng(seed).choice([1.0, 2.0, 5.0, 13.0], 6)
    chosen = design.choose(costs, budget)
    spent = costs[chosen].sum()
    assert spent <= budget * (1 + 1e-9)
    assert all(costs[c] > budget - spent for c in set(range(6)) - set(chosen))
    ways = [list(some) for k in range(7) for some in combinations(range(6), k) if costs[list(some)].sum() <= budget]
    best = min(map(design.variance, ways))
    assert design.variance([]) - design.variance(chosen) >= 0.75 * (design.variance([]) - best)


def test_equal_costs_that_add_up_to_the_budget_are_affordable() -> None:
    assert len(made_up().choose(np.full(6, 0.1), 0.3)) == 3


def test_one_more_benchmark_loads_as_the_population_does(two_factors: Posterior) -> None:
    draws, spec = two_factors.draws, two_factors.spec
    mean, sd = population(draws, spec)
    # The normal of c given five loadings, by the joint normal of all six.
    own, common = draws.own_loading_sd[7], draws.common_loading_sd[7]
    joint = common**2 * np.ones((6, 6)) + own**2 * np.eye(6)
    weights = np.linalg.solve(joint[:5, :5], joint[:5, 5])
    np.testing.assert_allclose(mean[7], weights @ draws.loading[7])
    assert sd[7] == pytest.approx(np.sqrt(joint[5, 5] - weights @ joint[:5, 5]))
    fewer, wider = population(draws, spec, without=2)
    assert (wider > sd).all()
    assert not np.allclose(fewer, mean)


def test_independent_loadings_are_drawn_from_their_prior(simulation: tuple[Evals, Truth]) -> None:
    spec = simulation_spec(common_loading=False, priors={"loading": "Normal(0.5, 2)"})
    posterior = posterior_near(*simulation, spec)
    mean, sd = population(posterior.draws, spec)
    np.testing.assert_allclose(mean, 0.5, atol=0.05)
    np.testing.assert_allclose(sd, 2.0, atol=0.05)


def test_predictive_moments_are_those_of_benchmarks_drawn_by_hand(two_factors: Posterior) -> None:
    models = np.array([0, 3, 4, 7, 11])
    ahead = predict_moments(two_factors, models, None, 0)
    draws, rng = two_factors.draws, np.random.default_rng(1)
    mean, sd = population(draws, two_factors.spec)
    size = draws.size
    family = draws.data.family_index[models]
    logits = np.concatenate(
        [
            np.einsum("smk,sk->sm", draws.capability[:, models], mean + sd[:, None] * rng.standard_normal(mean.shape))
            - rng.normal(0, 1.5, (size, 1))
            + draws.covariate[:, models, 0] * draws.benchmark_slope_sd[:, None] * rng.standard_normal((size, 1))
            + (draws.family_benchmark_sd[:, None] * rng.standard_normal((size, 4)))[:, family]
            for _ in range(20)
        ]
    )
    np.testing.assert_allclose(ahead.covariance, np.cov(logits.T), rtol=0.05, atol=0.05)
    np.testing.assert_allclose(ahead.mean, logits.mean(axis=0), atol=0.05)


def test_turning_the_factors_changes_nothing(two_factors: Posterior) -> None:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, (4, 1000))
    turn = np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), (0, 1), (2, 3))
    sampled = two_factors.idata["posterior"]
    turned = with_values(
        two_factors, **{n: sampled[n].to_numpy() @ turn for n in ("loading", "capability", "slope", "family_offset")}
    )
    for target in (None, "bench-4"):
        one, other = (p.suggest_models(4, target, random_seed=0) for p in (two_factors, turned))
        if target is not None:
            assert one.models == other.models
            np.testing.assert_allclose(one.table["variance_left"], other.table["variance_left"], rtol=1e-9)
        np.testing.assert_allclose(one.design.moments.covariance, other.design.moments.covariance, rtol=1e-9)


def test_scores_of_a_known_benchmark_reduce_variance_as_their_noise_allows(posterior: Posterior) -> None:
    models, b = np.arange(12), 1  # 500 items
    ahead, draws = predict_moments(posterior, models, b, 0), posterior.draws
    mean = draws.fitted_scores()[0, :, b]
    floor, shape, step = draws.floor[0, b], draws.curve_shape[0, b], 1e-5
    precision = cell_precision(mean, draws.precision[0, b], draws.specific_sd[0, b], floor, shape)
    effective = effective_items(500, precision)
    logit = logit_of_share((mean - floor) / (1 - floor), shape)
    slope = (expected_score(logit + step, floor, 1.0, shape) - expected_score(logit - step, floor, 1.0, shape)) / 2
    np.testing.assert_allclose(ahead.slope[0], slope / step, rtol=1e-6)
    np.testing.assert_allclose(ahead.noise[0], mean * (1 - mean) / effective / ahead.slope[0] ** 2, rtol=1e-9)


def test_unknown_covariates_make_a_candidate_less_informative(two_factors: Posterior) -> None:
    first = two_factors.suggest_models(1, candidates=two_factors.evals.model_names[:6], random_seed=0).models[0]
    row = two_factors.evals.model_names.index(first)
    vague = two_factors.idata["posterior"]["capability"].to_numpy().copy()
    vague[:, :, row] += 5 * np.random.default_rng(0).standard_normal(vague[:, :, row].shape)
    suggestion = with_values(two_factors, capability=vague).suggest_models(
        1, candidates=two_factors.evals.model_names[:6], random_seed=0
    )
    assert suggestion.models[0] != first


def test_the_table_adds_up(two_factors: Posterior) -> None:
    names = two_factors.evals.model_names
    suggestion = two_factors.suggest_models(4, candidates=names[:8], random_seed=0)
    table = suggestion.table
    columns = "order model family params_b flops cost total_cost variance_left forecast_sd"
    assert list(table.columns) == columns.split()
    narrow = "order model flops total_cost variance_left forecast_sd"
    assert suggestion.summary().equals(table[narrow.split()])
    assert suggestion.forecast_models == tuple(names[8:])
    assert table["order"].tolist() == [1, 2, 3, 4]
    assert table["total_cost"].tolist() == [1, 2, 3, 4]
    for i in range(4):
        assert suggestion.variance_left(suggestion.models[: i + 1]) == pytest.approx(table["variance_left"][i])
    assert (np.diff([1.0, *table["variance_left"], suggestion.least]) <= 0).all()
    ratio = table["forecast_sd"] ** 2 / table["variance_left"]
    np.testing.assert_allclose(ratio, suggestion.design.variance([]))
    assert suggestion.variance_left([]) == 1.0
    random = [suggestion.variance_left(list(some)) for some in combinations(names[:8], 4)]
    assert table["variance_left"].iloc[-1] <= np.quantile(random, 0.05)
    again = two_factors.suggest_models(4, candidates=iter(names[:8]), random_seed=0)
    np.testing.assert_array_equal(again.table["variance_left"], table["variance_left"])


def test_all_models_are_forecast_when_all_are_candidates(two_factors: Posterior) -> None:
    names = two_factors.evals.model_names
    suggestion = two_factors.suggest_models(50, random_seed=0)
    assert (
        sorted(suggestion.models)
        == sorted(suggestion.candidates)
        == sorted(suggestion.forecast_models)
        == sorted(names)
    )
    of_two = two_factors.suggest_models(50, families=["Family-A", "Family-C"], random_seed=0)
    assert set(of_two.table["family"]) == {"Family-A", "Family-C"}
    assert "a new benchmark: evaluate 6 of 6 models" in repr(of_two)
    assert "for bench-2: evaluate" in repr(two_factors.suggest_models(2, "bench-2", random_seed=0))


def test_a_budget_may_count_parameters(two_factors: Posterior) -> None:
    models = two_factors.evals.models.dropna(subset="params_b")
    budget = float(models["params_b"].median())
    suggestion = two_factors.suggest_models(budget, candidates=models["model"], cost="params_b", random_seed=0)
    np.testing.assert_array_equal(suggestion.table["cost"], suggestion.table["params_b"])
    assert suggestion.table["total_cost"].iloc[-1] <= budget
    assert "in params_b" in " ".join(repr(suggestion).split())
    doubled = {m: 2 * c for m, c in zip(models["model"], models["params_b"], strict=True)}
    own = two_factors.suggest_models(2 * budget, candidates=models["model"], cost=doubled, random_seed=0)
    assert own.models == suggestion.models


def test_forms_of_the_spec_without_effects_can_be_asked(simulation: tuple[Evals, Truth]) -> None:
    spec = Spec(factors=1, family_benchmark=False, family_offsets=False, testlets=False, curve="sigmoid")
    suggestion = posterior_near(*simulation, spec).suggest_models(3, random_seed=0)
    assert len(suggestion.models) == 3
    fixed = spec.replace(floor={"learned": False})
    assert len(posterior_near(*simulation, fixed).suggest_models(2, "bench-5", random_seed=0).models) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"budget": 3, "target": "bench4"}, r"Did you mean 'bench-4'.*leave target out"),
        ({"budget": 3, "candidates": ["Family-A-0", "Family-Q-1"]}, "Model 'Family-Q-1' is not in the fitted data"),
        ({"budget": 3, "families": "Family-Z"}, "Family 'Family-Z' is not in the fitted data"),
        ({"budget": 3, "candidates": ["Family-A-0"], "families": ["Family-B"]}, "none of the candidates belongs"),
        ({"budget": 3, "forecast_models": []}, "forecast_models is empty"),
        ({"budget": 0}, "budget=0 models buys no model"),
        ({"budget": float("nan")}, "buys no model"),
        ({"budget": "many"}, "is not a number"),
        ({"budget": 3, "cost": "params"}, "Did you mean 'params_b'"),
        ({"budget": 3, "cost": {"Family-A-0": 1.0}}, "11 have none: .* and 3 more"),
        ({"budget": 3, "cost": "params_b"}, r"1 have none: Family-D-11 \(nan\)"),
    ],
)
def test_what_cannot_be_chosen_says_why(posterior: Posterior, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ForecastError, match=said):
        posterior.suggest_models(**arguments)


def test_mistakes_are_found_before_sampling(evals: Evals) -> None:
    with pytest.raises(ForecastError, match="buys no model"):
        bs.suggest_models(evals, 0.5)


def test_other_choices_are_of_candidates(two_factors: Posterior) -> None:
    names = two_factors.evals.model_names
    suggestion = two_factors.suggest_models(2, candidates=names[:6], random_seed=0)
    with pytest.raises(ForecastError, match="among the candidates"):
        suggestion.variance_left(names[8])
    assert isinstance(suggestion, Suggestion)


# What is predicted from the scores


def test_far_from_floor_and_ceiling_it_is_normal_regression() -> None:
    # With noise so small and logits so near to each other that the curve is straight.
    rng = np.random.default_rng(0)
    places = 0.03 * rng.standard_normal((6, 2))
    covariance = places @ places.T + 1e-5 * np.eye(6)
    prior_logits = ConditionalLogits(np.zeros(6), covariance, (0.0, 1.0, 1.0), 1e6)
    rows, logits = np.array([0, 2, 3]), 0.02 * rng.standard_normal(3)
    after = prior_logits.given(rows, expected_score(logits, 0.0, 1.0))
    known = covariance[np.ix_(rows, rows)] + 4e-6 * np.eye(3)  # 1 / (n p (1 - p))
    weights = np.linalg.solve(known, covariance[rows]).T
    np.testing.assert_allclose(after.mean, weights @ logits, atol=2e-5)
    np.testing.assert_allclose(after.covariance, covariance - weights @ covariance[rows], atol=1e-8)
    np.testing.assert_allclose(after.expected_scores(), expected_score(after.mean, 0.0, 1.0), atol=1e-4)


def test_the_mode_has_no_slope() -> None:
    design = made_up()
    prior_logits = ConditionalLogits(np.linspace(-4, 2, 9), design.moments.covariance, (0.02, 1.0, 0.25), 300.0)
    rows, scores = np.array([0, 3, 8]), np.array([0.0, 0.31, 0.9])
    logit = prior_logits.given(rows, scores).mean[rows]
    mean = expected_score(logit, *prior_logits.curve)
    step = 1e-5
    slope = (expected_score(logit + step, *prior_logits.curve) - expected_score(logit - step, *prior_logits.curve)) / (
        2 * step
    )
    pull = 300 * slope * (scores - mean) / (mean * (1 - mean))
    shrinkage = np.linalg.solve(prior_logits.covariance[np.ix_(rows, rows)], logit - prior_logits.mean[rows])
    np.testing.assert_allclose(pull, shrinkage, rtol=1e-4, atol=1e-4)


def test_scores_of_a_benchmark_like_the_others_are_predicted() -> None:
    evals, truth = simulate(models=60, factors=2, families=6, missing=0.0, unknown_compute=0, testlet_sd=0.0)
    posterior = posterior_near(evals, truth, simulation_spec(2))
    names, rng = evals.model_names, np.random.default_rng(3)
    suggestion, held = posterior.suggest_models(8, candidates=names[:30], random_seed=0), []
    for _ in range(10):  # errors on one benchmark are alike
        load, hard = truth.loading.mean(axis=0) + 0.2 * rng.standard_normal(2), 0.4
        came = expected_score(truth.capability @ load - hard, 0.02, 1.0)
        table = suggestion.predict({m: came[names.index(m)] for m in suggestion.models})
        wanted = came[30:]
        assert np.sqrt(np.mean((table["mean"] - wanted) ** 2)) < 0.3 * wanted.std()
        held.append(np.mean((table["lower"] <= wanted) & (wanted <= table["upper"])))
    assert np.mean(held) >= 0.8
    assert table["model"].tolist() == names[30:]
    assert (table["family"] == evals.models.set_index("model")["family"][names[30:]].to_numpy()).all()
    wide, narrow = (suggestion.predict({names[0]: 0.5}, prob=p) for p in (0.9, 0.5))
    assert (wide["upper"] - wide["lower"] > narrow["upper"] - narrow["lower"]).all()
    assert (suggestion.predict({names[0]: 0.5}, chance_level=0.25)["lower"] >= 0.2).all()


def test_a_known_benchmark_is_predicted_on_its_own_curve(posterior: Posterior) -> None:
    suggestion = posterior.suggest_models(3, "bench-1", random_seed=0)
    table = suggestion.predict(dict.fromkeys(suggestion.models, 0.5))
    assert (table["lower"] > 0.2).all()  # four answers to choose from
    for wrong, said in (({}, "no score"), ({"x": 0.5}, "no model among"), ({suggestion.models[0]: 50}, r"mean 0\.5")):
        with pytest.raises(ForecastError, match=said):
            suggestion.predict(wrong)
