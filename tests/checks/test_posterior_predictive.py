"""Posterior predictive checks: uniform PIT values where the posterior is right, and a warning where it is wrong."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from scipy.stats import chisquare, ttest_1samp
from simulate import CONVERGED, Truth, posterior_near, simulate, simulation_spec

from bayescale import Evals, Posterior
from bayescale.checks import PredictiveCheck, prior_predictive
from bayescale.checks.pit import ecdf_difference, inside, out_of_band, randomised_pit, uniform_band
from bayescale.errors import ConvergenceWarning, ForecastError
from bayescale.forecast.condition import Family, LatentModel, log_evidence
from bayescale.methods import fit
from bayescale.model.spec import Spec

Simulation = tuple[Evals, Truth]


@pytest.fixture(scope="module")
def large() -> Simulation:
    """Eighty models, some 340 scores."""
    return simulate(10, models=80)


def check_of(simulation: Simulation, **centres: np.ndarray | float) -> PredictiveCheck:
    """Check a posterior that sits on the truth, but for what is moved."""
    return posterior_near(
        *simulation, simulation_spec(), chains=1, draws=400, spread=1e-3, convergence=CONVERGED, **centres
    ).predictive_check(random_seed=0)


@pytest.fixture(scope="module")
def right(large: Simulation) -> PredictiveCheck:
    return check_of(large)


def test_pits_are_uniform_under_the_truth(right: PredictiveCheck) -> None:
    for name in ("pit", "pit_together"):
        pit = right.cells[name] if name == "pit" else right.cells.drop_duplicates("model")[name]
        assert pit.between(0, 1, inclusive="neither").all()
        assert chisquare(np.histogram(pit, 10, (0, 1))[0]).pvalue > 0.01
    table = right.table()
    assert (table["pit"] == "as expected").all()
    assert right.together == "as expected"
    assert right.large_k == 0
    # Within three standard errors of binomial shares.
    for name, prob in (("coverage_50", 0.5), ("coverage_90", 0.9)):
        assert (abs(table[name] - prob) < 3 * np.sqrt(prob * (1 - prob) / table["scores"])).all()


@pytest.mark.heavy
@pytest.mark.parametrize(("times", "word"), [(3, "too central"), (1 / 3, "too scattered")])
def test_noise_three_times_as_modelled_is_seen(large: Simulation, times: float, word: str) -> None:
    """`times`: modelled over true sd of scores around their mean."""
    truth = large[1]
    noise = {"log_precision": np.log(truth.precision / times**2), "specific_sd": truth.specific_sd * times}
    assert check_of(large, **noise).together == word


@pytest.mark.heavy
@pytest.mark.parametrize(("shift", "word"), [(2, "too high"), (-2, "too low")])
def test_scores_off_their_replications_are_seen(large: Simulation, shift: float, word: str) -> None:
    wrong = check_of(large, difficulty=large[1].difficulty + shift)
    assert (wrong.summary()["pit"] == word).all()


@pytest.mark.heavy
def test_models_made_too_much_alike_are_seen(large: Simulation) -> None:
    alike = check_of(large, loading=0 * large[1].loading)
    assert (alike.summary()["pit"] != "as expected").any()
    assert alike.together == "too scattered"


def test_draws_are_weighted_as_if_the_scores_had_not_been_fitted(simulation: Simulation) -> None:
    """Two values of all difficulties, equally often among the draws: a model's scores are taken back out by hand."""
    evals, truth = simulation
    posterior = posterior_near(evals, truth, simulation_spec(), chains=1, draws=600, spread=1e-3, convergence=CONVERGED)
    shift = np.where(np.arange(600) % 2, 0.4, -0.4)
    two = dataclasses.replace(posterior.draws, difficulty=posterior.draws.difficulty + shift[:, None])
    posterior.__dict__["draws"] = two
    check = posterior.predictive_check(draws=600, random_seed=0)
    name, row = "Family-B-5", evals.model_names.index("Family-B-5")
    replicated = check.replicated.to_numpy()[:, (check.cells["model"] == name).to_numpy()]
    benchmarks = check.cells.loc[check.cells["model"] == name, "benchmark"]
    given = np.array([evals.benchmark_names.index(b) for b in benchmarks])
    others = np.array([m for m, name_ in enumerate(evals.model_names) if name_[:8] == "Family-B" and m != row])
    latent = LatentModel.left_out(
        posterior.draws, posterior.spec, row, given, Family.of_models(posterior.draws, others)
    )
    evidence = log_evidence(latent, posterior.draws.data.cells["observed_score"][row, given], np.random.default_rng(1))
    weight = softmax(-evidence)
    odds = weight[shift > 0].sum() / weight[shift < 0].sum()
    assert not 0.8 < odds < 1.25
    expected = latent.mean(np.random.default_rng(2).normal(0, latent.sd[:, None], (600, 50, latent.sd.shape[1])))
    by_hand = np.average(expected.mean(axis=1), axis=0, weights=weight)
    np.testing.assert_allclose(replicated.mean(axis=0), by_hand, atol=0.03)


def test_the_table_is_what_the_replications_say(right: PredictiveCheck, large: Simulation) -> None:
    evals, _ = large
    table = right.table().set_index("benchmark")
    assert table.index.tolist() == evals.benchmark_names
    assert table["scores"].sum() == evals.n_scores == len(right.cells) == right.replicated.sizes["cell"]
    for name, row in table.iterrows():
        replicated = right.replicated.to_numpy()[:, right.cells["benchmark"] == name]
        cells = right.cells[right.cells["benchmark"] == name]
        seen = evals.matrix().sel(benchmark=name).to_numpy()
        assert row["observed"] == pytest.approx(np.nanmean(seen), abs=1e-3)
        low, high = np.quantile(replicated, [0.05, 0.95], axis=0)
        held = cells["observed"].between(low - 1e-9, high + 1e-9).mean()
        if np.isfinite(evals.benchmarks.set_index("benchmark")["items"][name]):
            assert row["coverage_90"] <= held + 0.03  # ends of the interval count as inside, however many lie on them
        else:
            assert row["coverage_90"] == pytest.approx(held, abs=0.03)


def test_cells_keep_their_models_and_benchmarks(right: PredictiveCheck, large: Simulation) -> None:
    matrix = large[0].matrix()
    items = large[0].benchmarks.set_index("benchmark")["items"]
    for row in right.cells.iloc[::17].itertuples():
        rounding = 0.5 / items[row.benchmark] if np.isfinite(items[row.benchmark]) else 1e-3
        assert abs(matrix.sel(model=row.model, benchmark=row.benchmark) - row.observed) <= rounding + 1e-9
    for name in ("model", "benchmark"):
        assert right.replicated[name].to_numpy().tolist() == right.cells[name].tolist()


def test_the_same_seed_gives_the_same_numbers(posterior: Posterior) -> None:
    first, again = (
        posterior.predictive_check(draws=50, random_seed=0),
        posterior.predictive_check(draws=50, random_seed=0),
    )
    pd.testing.assert_frame_equal(first.cells, again.cells)
    assert first.replicated.sizes["draw"] == 50
    assert not first.cells["pit"].equals(posterior.predictive_check(draws=50, random_seed=1).cells["pit"])


def test_thinned_draws_come_from_all_chains(posterior: Posterior) -> None:
    thinned = posterior.draws.thinned(8)
    assert thinned.size == 8
    rows = [int(np.flatnonzero((posterior.draws.difficulty == d).all(axis=1))[0]) for d in thinned.difficulty]
    assert {row // 1000 for row in rows} == {0, 1, 2, 3}
    assert posterior.draws.thinned(10**6).size == posterior.draws.size


def test_mistakes_are_refused(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match="draws=0"):
        posterior.predictive_check(draws=0)
    assert len(posterior.predictive_check(draws=1).cells) == posterior.evals.n_scores


@pytest.mark.heavy
def test_it_says_what_it_found_and_what_comes_next(right: PredictiveCheck, large: Simulation) -> None:
    assert "not uniform: none. Scores of one model together: as expected." in " ".join(repr(right).split())
    assert "Next: check.summary(), check.plot()" in repr(right)
    off = check_of(large, difficulty=large[1].difficulty + 2)
    assert "bench-2 (too high)" in " ".join(repr(off).split())
    doubtful = dataclasses.replace(right, cells=right.cells.assign(pareto_k=0.8))
    assert "Pareto k exceeds 0.7 for 80 of 80 models: these seem too well predicted." in " ".join(
        repr(doubtful).split()
    )


# Tables from the model's own prior


@pytest.mark.heavy
def test_a_true_model_passes() -> None:
    """Twenty tables drawn from the priors: PIT values of scores, and of whole models, are uniform, and few alarms."""
    priors = {"slope": "Normal(0, 1)", "family_sd": "HalfNormal(1)", "difficulty": "Normal(0, 1)"}
    spec = Spec(factors=1, priors=priors)
    evals, _ = simulate(5, families=5, models=20, unknown_compute=2, stated_error=2)
    scores = prior_predictive(spec, evals, draws=20, random_seed=1).scores.isel(chain=0)
    checks = []
    for number in range(20):
        drawn = scores.isel(draw=number).to_series().rename("score").reset_index()
        table = Evals(evals.models, evals.benchmarks, evals.scores[["model", "benchmark"]].merge(drawn))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            settings = {"draws": 250, "tune": 250, "chains": 2, "cores": 1, "progressbar": False}
            posterior = fit(spec, table, random_seed=number, **settings)
        checks.append(posterior.predictive_check(draws=500, random_seed=number))
    alarms = [(c.summary()["pit"] != "as expected").any() or c.together != "as expected" for c in checks]
    # Of a calibrated check four or more alarms in twenty have probability 0.016.
    assert sum(alarms) <= 3
    # PIT values of one table are not independent: each table counts once, by two means that are 1/2 on average.
    alone = [c.cells["pit"] for c in checks]
    for means in ([p.mean() for p in alone], [abs(2 * p - 1).mean() for p in alone]):
        assert ttest_1samp(means, 0.5).pvalue > 0.01, means
    together = [c.cells.drop_duplicates("model")["pit_together"] for c in checks]
    assert ttest_1samp([p.mean() for p in together], 0.5).pvalue > 0.01
    # Left out by importance sampling, models seem a little too well predicted: 0.466 here, 0.469 with four times the
    # draws. That is far from what raises an alarm.
    assert np.mean([abs(2 * p - 1).mean() for p in together]) == pytest.approx(0.5, abs=0.05)


# The PIT itself


def test_uniform_values_stay_in_the_band_as_often_as_it_says() -> None:
    rng, trials = np.random.default_rng(1), 1500
    left = np.mean([out_of_band(rng.random(60)).any() for _ in range(trials)])
    # The ECDF is discrete, so that the band may hold a little more than it promises.
    assert 0.03 < left < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


def test_a_band_is_of_the_difference_from_uniform() -> None:
    points, lower, upper = uniform_band(60)
    assert ((lower < 0) & (upper > 0)).all()
    assert ecdf_difference(np.array([0.2, 0.4]), np.array([0.1, 0.3, 0.5])) == pytest.approx([-0.1, 0.2, 0.5])
    assert points[0] > 0
    assert points[-1] < 1


def test_ties_are_broken_at_random_and_evenly() -> None:
    rng = np.random.default_rng(2)
    draws = rng.binomial(3, 0.6, (2000, 99)) / 3
    pit = randomised_pit(rng.binomial(3, 0.6, 2000) / 3, draws, rng.random(2000))
    assert chisquare(np.histogram(pit, 10, (0, 1))[0]).pvalue > 0.01
    assert inside(pit, 0.9).mean() == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / 2000))
