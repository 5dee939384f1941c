"""Posterior predictive checks: uniform PIT values where the posterior is right, and a warning where it is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, ks_2samp
from simulate import CONVERGED, Truth, posterior_near, simulate, simulation_spec

from bayescale import Evals, Posterior
from bayescale.checks import PredictiveCheck
from bayescale.checks.pit import ecdf_difference, inside, out_of_band, randomised_pit, read_pit, uniform_band
from bayescale.errors import ForecastError

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
    pit = right.cells["pit"]
    assert pit.between(0, 1, inclusive="neither").all()
    assert chisquare(np.histogram(pit, 10, (0, 1))[0]).pvalue > 0.01
    table = right.table()
    assert (table["pit"] == "as expected").all()
    assert table["pit_p"].min() > 0.01 / len(table)
    # Within three standard errors of binomial shares.
    for name, prob in (("coverage_50", 0.5), ("coverage_90", 0.9)):
        assert (abs(table[name] - prob) < 3 * np.sqrt(prob * (1 - prob) / table["scores"])).all()
    assert table["sd_p"].between(0.01, 0.99).all()


@pytest.mark.parametrize(("shift", "word"), [(-3, "too central"), (3, "too scattered")])
def test_a_wrong_precision_is_seen(large: Simulation, right: PredictiveCheck, shift: float, word: str) -> None:
    wrong = check_of(large, log_precision=np.log(large[1].precision) + shift)
    assert chisquare(np.histogram(wrong.cells["pit"], 10, (0, 1))[0]).pvalue < 1e-6
    assert read_pit(wrong.cells["pit"].to_numpy()) == word
    beta = large[0].benchmark_names[2]  # counts no items, so that precision is all of its noise
    assert wrong.summary().set_index("benchmark").loc[beta, "pit"] == word


@pytest.mark.parametrize(("shift", "word"), [(1, "too high"), (-1, "too low")])
def test_scores_off_their_replications_are_seen(large: Simulation, shift: float, word: str) -> None:
    wrong = check_of(large, difficulty=large[1].difficulty + shift)
    assert (wrong.summary()["pit"] == word).all()


def test_models_made_too_much_alike_are_seen(large: Simulation) -> None:
    alike = check_of(large, loading=0 * large[1].loading)
    assert (alike.summary()["sd_p"] < 0.01).all()


def test_the_table_is_what_the_replications_say(right: PredictiveCheck, large: Simulation) -> None:
    evals, truth = large
    table = right.table().set_index("benchmark")
    assert table.index.tolist() == evals.benchmark_names
    assert table["scores"].sum() == evals.n_scores == len(right.cells) == right.replicated.sizes["cell"]
    for name, row in table.iterrows():
        replicated = right.replicated.to_numpy()[:, right.cells["benchmark"] == name]
        cells = right.cells[right.cells["benchmark"] == name]
        seen = evals.matrix().sel(benchmark=name).to_numpy()
        assert row["observed"] == pytest.approx(np.nanmean(seen), abs=1e-3)
        expected = truth.fitted[np.isfinite(seen), evals.benchmark_names.index(str(name))]
        assert row["replicated"] == pytest.approx(expected.mean(), abs=0.003)
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


def test_new_models_are_forecasts_of_their_families(posterior: Posterior) -> None:
    check = posterior.predictive_check("new", draws=4000, random_seed=1)
    models = posterior.evals.models.set_index("model")
    # Neither of unknown nor of uncertain compute.
    cell = next(c for c in check.cells.itertuples() if c.model == posterior.evals.model_names[5])
    forecast = posterior.forecast(family=models["family"][cell.model], flops=models["flops"][cell.model], random_seed=0)
    drawn = forecast.draws["predicted_score"].sel(benchmark=cell.benchmark).to_numpy().ravel()
    assert ks_2samp(drawn, check.replicated[:, cell.Index]).pvalue > 0.001
    same = posterior.predictive_check("same", draws=4000, random_seed=0).replicated
    assert (check.replicated.std("draw") > same.std("draw")).mean() > 0.9


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


def test_a_single_score_has_no_spread(simulation: Simulation) -> None:
    evals, truth = simulation
    scores = evals.scores
    first = scores[scores["benchmark"] == "bench-1"].index[1:]
    few = Evals(evals.models, evals.benchmarks, scores.drop(first))
    table = posterior_near(few, truth, simulation_spec(), chains=1, draws=50).predictive_check(random_seed=0).table()
    assert table.set_index("benchmark").loc["bench-1", "scores"] == 1
    assert table["sd_p"].isna().tolist() == [True, False, False, False, False]


def test_mistakes_are_refused(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match="neither 'same' nor 'new'"):
        posterior.predictive_check("other")  # type: ignore[arg-type]
    with pytest.raises(ForecastError, match="draws=0"):
        posterior.predictive_check(draws=0)


def test_it_says_what_it_found_and_what_comes_next(right: PredictiveCheck, large: Simulation) -> None:
    assert "not uniform: none." in repr(right)
    assert "Next: check.summary(), check.plot()" in repr(right)
    off = check_of(large, difficulty=large[1].difficulty + 1)
    assert "bench-2 (too high)" in repr(off)


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
