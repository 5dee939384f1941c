"""The one score function: against formulas, at the bounds, and whatever the order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, kstest, norm, uniform

from bayescale.evaluation.backtest import Predictive, score
from bayescale.evaluation.backtest.metrics import (
    KERNEL_WIDTH,
    LEAST_MSE,
    UNIFORM_WEIGHT,
    geometric_mean,
    relative_mse,
    score_cells,
    summarise,
)

METRICS = ["mse", "mae", "crps", "log_score", "coverage_50", "coverage_90", "width_50", "width_90"]


def predictive(outcome: np.ndarray, mean: np.ndarray, draws: np.ndarray, tasks: str | list[str] = "g/t") -> Predictive:
    models = [f"m{i}" for i in range(len(outcome))]
    cells = pd.DataFrame({"task": tasks, "model": models, "benchmark": "b", "score": outcome})
    return Predictive(cells, np.asarray(mean, float), np.asarray(draws, float), 0.0)


def point(outcome: float, draws: np.ndarray) -> pd.Series:
    """Scores of one forecast."""
    return score_cells(predictive(np.array([outcome]), draws.mean(keepdims=True), draws[:, None])).iloc[0]


# Against formulas


@pytest.mark.heavy
@pytest.mark.parametrize("outcome", [0.45, 0.5, 0.62, 0.8])
def test_crps_is_that_of_the_normal_distribution(outcome: float) -> None:
    # Gneiting & Raftery (2007), section 4.2.
    sd, z = 0.05, (outcome - 0.5) / 0.05
    exact = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    draws = norm.ppf((np.arange(4000) + 0.5) / 4000, 0.5, sd)
    assert point(outcome, draws)["crps"] == pytest.approx(exact, rel=2e-3)


def test_crps_is_the_integral_over_the_distribution_function() -> None:
    draws, outcome = np.array([0.1, 0.4, 0.4, 0.9]), 0.55
    grid = np.linspace(0, 1, 200_001)
    below = (draws[:, None] <= grid).mean(axis=0)
    exact = ((below - (outcome <= grid)) ** 2).mean()
    assert point(outcome, draws)["crps"] == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("outcome", [0.4, 0.5, 0.58])
def test_log_score_is_minus_the_log_density(outcome: float) -> None:
    n, sd = 20_000, 0.05
    draws = norm.ppf((np.arange(n) + 0.5) / n, 0.5, sd)
    width = 1.06 * sd * n**-0.2  # Silverman (1986), equation 3.28
    density = (1 - UNIFORM_WEIGHT) * norm.pdf(outcome, 0.5, np.hypot(sd, width)) + UNIFORM_WEIGHT
    assert point(outcome, draws)["log_score"] == pytest.approx(-np.log(density), abs=1e-3)


def test_log_score_by_hand_with_the_kernel_and_its_reflection() -> None:
    draws, outcome = np.array([0.003, 0.003, 0.003, 0.003]), 0.001
    kernels = norm.pdf(outcome, [0.003, -0.003, 2 - 0.003], KERNEL_WIDTH).sum()
    expected = -np.log((1 - UNIFORM_WEIGHT) * kernels + UNIFORM_WEIGHT)
    assert point(outcome, draws)["log_score"] == pytest.approx(expected)


@pytest.mark.parametrize("spread", [0.0, 0.002, 0.05, 0.5])
@pytest.mark.parametrize("centre", [0.0, 0.01, 0.5, 1.0])
def test_the_density_behind_the_log_score_has_mass_one(centre: float, spread: float) -> None:
    draws = np.clip(centre + spread * norm.ppf((np.arange(101) + 0.5) / 101), 0, 1)
    grid = (np.arange(4000) + 0.5) / 4000
    many = np.tile(draws[:, None], len(grid))
    density = np.exp(-score_cells(predictive(grid, np.full(len(grid), 0.5), many))["log_score"])
    assert density.mean() == pytest.approx(1.0, abs=5e-3)


def test_errors_are_those_of_the_point_forecast_and_not_of_the_draws() -> None:
    table = score(predictive(np.array([0.2, 0.9]), np.array([0.3, 0.5]), np.full((50, 2), 0.7)))
    assert table.loc[0, ["mse", "mae"]].tolist() == pytest.approx([(0.1**2 + 0.4**2) / 2, 0.25])


@pytest.mark.heavy
def test_calibrated_draws_are_seen_to_be_calibrated() -> None:
    rng = np.random.default_rng(1)
    centre = rng.uniform(0.3, 0.7, 3000)
    outcome, draws = (centre + 0.06 * rng.normal(size=shape) for shape in (3000, (400, 3000)))
    forecast = predictive(outcome, centre, draws)
    row = score(forecast).iloc[0]
    assert row["coverage_50"] == pytest.approx(0.5, abs=0.03)
    assert row["coverage_90"] == pytest.approx(0.9, abs=0.02)
    assert row["width_50"] == pytest.approx(0.06 * 2 * norm.ppf(0.75), rel=0.02)
    assert row["width_90"] == pytest.approx(0.06 * 2 * norm.ppf(0.95), rel=0.02)
    assert kstest(score_cells(forecast)["pit"], uniform.cdf).pvalue > 0.01
    narrow = score(predictive(outcome, centre, centre + 0.3 * (draws - centre))).iloc[0]
    assert narrow["coverage_90"] < 0.5
    assert narrow["log_score"] > row["log_score"]
    assert narrow["crps"] > row["crps"]


def test_pit_is_uniform_for_few_items_too() -> None:
    # Half of these outcomes tie with many draws.
    rng = np.random.default_rng(2)
    share = beta(2, 8).rvs(2000, random_state=rng)
    outcome, draws = (rng.binomial(5, np.broadcast_to(share, shape)) / 5 for shape in (2000, (300, 2000)))
    pit = score_cells(predictive(outcome, share, draws))["pit"]
    assert kstest(pit, uniform.cdf).pvalue > 0.01


# At the edges


@pytest.mark.parametrize("outcome", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("drawn", [0.0, 0.3, 1.0])
def test_draws_that_are_all_alike_have_finite_scores(outcome: float, drawn: float) -> None:
    actual = point(outcome, np.full(100, drawn))
    assert actual["crps"] == pytest.approx(abs(outcome - drawn))
    assert 0 < actual["pit"] < 1
    if outcome == drawn:
        assert actual["log_score"] < -4
    else:
        assert actual["log_score"] == pytest.approx(-np.log(UNIFORM_WEIGHT))


def test_an_outcome_on_a_bound_is_not_punished_for_the_bound() -> None:
    draws = np.abs(norm.ppf((np.arange(2000) + 0.5) / 2000, 0, 0.1))
    density = 2 * norm.pdf(0, 0, 0.1)
    assert point(0.0, draws)["log_score"] == pytest.approx(-np.log(density), abs=0.05)


def test_one_draw_is_enough() -> None:
    actual = point(0.4, np.array([0.5]))
    assert actual["crps"] == pytest.approx(0.1)
    assert np.isfinite(actual[["log_score", "pit", "median"]].to_numpy(float)).all()


def test_a_score_written_with_ten_digits_ties_with_the_draws_of_its_count() -> None:
    outcome, draws = round(7 / 13, 10), np.full(99, 7 / 13)
    row = score(predictive(np.array([outcome]), draws[:1], draws[:, None])).iloc[0]
    assert row["coverage_50"] == row["coverage_90"] == 1
    assert 0 < point(outcome, draws)["pit"] < 1
    several = [point(outcome, np.full(n, 7 / 13))["pit"] for n in (9, 99, 999)]
    assert np.ptp(several) < 0.1


def test_no_cells_no_rows() -> None:
    nothing = predictive(np.empty(0), np.empty(0), np.empty((10, 0)))
    assert len(score_cells(nothing)) == 0
    table = score(nothing)
    assert len(table) == 0
    assert list(table) == ["task", "n_test", *METRICS]


# Whatever the order and the place


@st.composite
def forecasts(draw: st.DrawFn) -> Predictive:
    n, m = draw(st.integers(1, 6)), draw(st.integers(2, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    grid = draw(st.sampled_from([5, 40, 10_000]))
    outcome, mean, draws = (np.round(rng.uniform(0.3, 0.6, shape) * grid) / grid for shape in (n, n, (m, n)))
    return predictive(outcome, mean, draws, [f"g/{i % 2}" for i in range(n)])


@given(forecasts(), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_of_cells_and_draws_makes_no_difference(actual: Predictive, random: object) -> None:
    rng = np.random.default_rng(random.randrange(10**6))  # type: ignore[attr-defined]
    cells, draws = rng.permutation(len(actual.cells)), rng.permutation(len(actual.draws))
    other = Predictive(
        actual.cells.iloc[cells].reset_index(drop=True), actual.mean[cells], actual.draws[draws][:, cells], 0.0
    )
    one, two = (score_cells(p).sort_values(["task", "model"]).reset_index(drop=True) for p in (actual, other))
    pd.testing.assert_frame_equal(one, two)
    one, two = (score(p).sort_values("task").reset_index(drop=True) for p in (actual, other))
    pd.testing.assert_frame_equal(one, two)


@given(forecasts(), st.floats(-0.2, 0.2))
@settings(max_examples=15, deadline=None)
def test_moving_forecasts_and_outcomes_together_changes_nothing(actual: Predictive, by: float) -> None:
    moved = predictive(actual.cells["score"] + by, actual.mean + by, actual.draws + by, actual.cells["task"].tolist())
    # The bounds stay where they are, so the density near them is another; these scores are far from both.
    kept = [m for m in METRICS if m != "log_score"]
    np.testing.assert_allclose(score(moved)[kept], score(actual)[kept], atol=1e-7)
    np.testing.assert_allclose(score_cells(moved)["pit"], score_cells(actual)["pit"])


@given(forecasts())
@settings(max_examples=15, deadline=None)
def test_scores_are_within_their_bounds(actual: Predictive) -> None:
    table = score(actual)
    assert (table["crps"] <= (actual.draws - actual.cells["score"].to_numpy()).__abs__().max() + 1e-12).all()
    assert (table["crps"] >= 0).all()
    assert (table["log_score"] <= -np.log(UNIFORM_WEIGHT) + 1e-12).all()
    assert (table["mae"] ** 2 <= table["mse"] + 1e-12).all()
    assert (table["coverage_50"] <= table["coverage_90"]).all()
    assert (table["width_50"] <= table["width_90"]).all()
    assert score_cells(actual)["pit"].between(0, 1, inclusive="neither").all()
    pooled = table.set_index("task").loc["pooled"]
    parts = table[table["task"] != "pooled"]
    for name in METRICS:
        assert pooled[name] == pytest.approx(np.average(parts[name], weights=parts["n_test"]))


def test_seeds_of_pit_are_the_callers() -> None:
    tied = predictive(np.full(3, 0.5), np.full(3, 0.5), np.full((10, 3), 0.5))
    assert (score_cells(tied, 1)["pit"] == score_cells(tied, 1)["pit"]).all()
    assert (score_cells(tied, 1)["pit"] != score_cells(tied, 2)["pit"]).all()


def test_pools() -> None:
    cells = score_cells(predictive(np.array([0.2, 0.4, 0.6]), np.full(3, 0.5), np.full((9, 3), 0.5), ["a", "b", "c"]))
    table = summarise(cells, {"ends": ["a", "c"], "none": ["z"]})
    assert table["task"].tolist() == ["a", "b", "c", "ends"]
    assert table["mae"].tolist() == pytest.approx([0.3, 0.1, 0.1, 0.2])


# Relative errors


def methods(errors: dict[str, list[float]]) -> pd.DataFrame:
    """Scored cells of methods with these errors on two models of task one and two of task two; NaN is left out."""
    frames = []
    asked = {"task": ["one", "one", "two", "two"], "model": list("abab"), "benchmark": "x", "score": 0.5}
    for method, given_errors in errors.items():
        cells = pd.DataFrame({"method": method, **asked})
        frames.append(cells.assign(mean=0.5 + np.array(given_errors)).dropna())
    return pd.concat(frames, ignore_index=True)


def test_relative_errors_by_hand() -> None:
    cells = methods({"pc_3": [0.1, 0.1, 0.2, 0.2], "mine": [0.1, 0.3, 0.1, 0.1], "flops": [0.4, 0.4, 0.05, 0.05]})
    ratios = relative_mse(cells, baselines=["pc_3", "flops"]).set_index(["method", "task"])
    assert ratios.loc[("mine", "one")].tolist() == pytest.approx([5.0, 5.0])
    assert ratios.loc[("mine", "two")].tolist() == pytest.approx([0.25, 4.0])
    assert ratios.loc[("pc_3", "two")].tolist() == pytest.approx([1.0, 16.0])
    mean = geometric_mean(ratios.reset_index(), ["one", "two"])
    assert mean.loc["mine"].tolist() == pytest.approx([np.sqrt(5 / 4), np.sqrt(20), 2])
    assert geometric_mean(ratios.reset_index(), ["two"]).loc["mine", "to_reference"] == pytest.approx(0.25)


def test_methods_are_compared_on_the_cells_that_both_forecast() -> None:
    nan = float("nan")
    cells = methods({"pc_3": [0.1, 0.4, 0.2, 0.2], "mine": [0.1, nan, nan, nan]})
    ratios = relative_mse(cells, baselines=["pc_3"])
    assert ratios[ratios["method"] == "mine"].to_numpy().tolist() == [["mine", "one", 1.0, 1.0]]


def test_a_baseline_of_few_cells_is_no_yardstick() -> None:
    nan = float("nan")
    many = pd.concat([methods({"mine": [0.1] * 4}).assign(model=lambda t, i=i: t["model"] + str(i)) for i in range(3)])
    few = methods({"lucky": [0.001, nan, nan, nan]}).assign(model="a0")
    ratios = relative_mse(pd.concat([many, few]), "mine", ["lucky"]).set_index(["method", "task"])
    assert np.isnan(ratios.loc[("mine", "one"), "to_best"])


def test_an_error_of_exactly_zero_breaks_nothing() -> None:
    cells = methods({"pc_3": [0.0, 0.0, 0.1, 0.1], "mine": [0.0, 0.0, 0.0, 0.0], "other": [0.1, 0.1, 0.1, 0.1]})
    ratios = relative_mse(cells, baselines=["pc_3"]).set_index(["method", "task"])["to_reference"]
    assert ratios["mine", "one"] == 1.0
    assert ratios["mine", "two"] == pytest.approx(LEAST_MSE / 0.01)
    assert ratios["other", "one"] == pytest.approx(0.01 / LEAST_MSE)
    assert np.isfinite(geometric_mean(ratios.reset_index().assign(to_best=1.0), ["one", "two"])).all(axis=None)


def test_without_the_reference_there_is_nothing_to_compare_with() -> None:
    ratios = relative_mse(methods({"mine": [0.1] * 4}))
    assert ratios[["to_reference", "to_best"]].isna().all(axis=None)
