"""Uplift: the difference of two curves of the same models, and where it exceeds an amount."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate import Truth, posterior_near
from test_efficiency import with_values

from bayescale.analysis.uplift import Uplift
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.model.spec import Spec


@pytest.fixture(scope="module")
def helped(two_factors: Posterior) -> Posterior:
    """A posterior under which bench-5, of the testlet of bench-4, is bench-4 with a technique that helps."""
    values = two_factors.idata["posterior"]
    loading, difficulty = values["loading"].to_numpy().copy(), values["difficulty"].to_numpy().copy()
    floor, effect = values["floor"].to_numpy().copy(), values["family_benchmark"].to_numpy().copy()
    loading[..., 4, :] = 1.5 * loading[..., 3, :]
    difficulty[..., 4] = difficulty[..., 3] - 0.4
    floor[..., 4] = 0.8 * floor[..., 3]
    effect[..., 4] = effect[..., 3]
    changed = {"loading": loading, "difficulty": difficulty, "floor": floor, "family_benchmark": effect}
    return with_values(two_factors, **changed, benchmark_slope=0.0, testlet_sd=0.8)


@pytest.fixture(scope="module")
def uplift(helped: Posterior) -> Uplift:
    return helped.uplift("bench-5", baseline="bench-4", family="Family-B", random_seed=0)


def test_the_uplift_is_the_difference_of_typical_scores(uplift: Uplift) -> None:
    draws, flops = uplift.baseline_curve.posterior.draws, [1e21, 3e23]
    actual = uplift.expected_uplift(flops)
    assert actual.dims == ("chain", "draw", "flops")
    for i, c in enumerate(flops):
        scores = draws.by_chain(draws.family_scores(np.log10(c) - draws.data.centre)[:, 1])
        np.testing.assert_allclose(actual[..., i], scores[..., 4] - scores[..., 3], atol=1e-12)


@pytest.mark.parametrize("pair", [("bench-5", "bench-4"), ("bench-1", "bench-2")])  # of one testlet, and alone
def test_a_single_models_uplift_is_that_of_a_forecast(helped: Posterior, pair: tuple[str, str]) -> None:
    """Both scores share the model's residual: the difference of two independent ones would scatter far more."""
    flops = 1e23
    draws = helped.forecast(family="Family-B", flops=flops, random_seed=0).draws["expected_score"].isel(model=0)
    wanted = draws.sel(benchmark=pair[0]) - draws.sel(benchmark=pair[1])
    actual = helped.uplift(pair[0], baseline=pair[1], family="Family-B", random_seed=0).expected_uplift(
        [flops], of="single"
    )
    assert float(actual.std()) == pytest.approx(float(wanted.std()), rel=0.05)
    np.testing.assert_allclose(actual.quantile([0.05, 0.5, 0.95]), wanted.quantile([0.05, 0.5, 0.95]), atol=0.02)
    apart = np.hypot(*(float(draws.sel(benchmark=name).std()) for name in pair))
    assert float(actual.std()) < 0.93 * apart


def test_the_summary_summarises_the_draws(uplift: Uplift) -> None:
    flops = [float(10 ** uplift.log10_start(0.0).median()), 1e24]
    table = uplift.summary(flops, prob=0.8)
    assert list(table) == ["flops", "median", "lower", "upper", "positive"]
    assert table["flops"].tolist() == flops
    names = [table.attrs[name] for name in ("benchmark", "baseline", "family", "of")]
    assert names == ["bench-5", "bench-4", "Family-B", "typical"]
    draws = uplift.expected_uplift(flops).to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(table[["lower", "median", "upper"]].T, np.quantile(draws, [0.1, 0.5, 0.9], axis=0))
    np.testing.assert_allclose(table["positive"], (draws > 0).mean(axis=0))
    assert table["positive"][0] == pytest.approx(0.5, abs=0.02)
    log10_flops = np.log10(uplift.summary()["flops"])
    np.testing.assert_allclose(np.diff(log10_flops), 1)
    known = np.log10(uplift.baseline_curve.posterior.evals.models["flops"])
    assert log10_flops.min() <= known.min()
    assert log10_flops.max() >= known.max()


@pytest.mark.parametrize("of", ["typical", "single"])
def test_at_its_start_the_uplift_is_the_amount(uplift: Uplift, of: Any) -> None:
    start = uplift.log10_start(0.1, of)
    assert start.dims == ("chain", "draw")
    finite = np.isfinite(start.to_numpy())
    assert finite.mean() > 0.5
    low, high = np.log10(uplift.flops_range)
    assert start.where(finite).min() >= low
    assert start.where(finite).max() <= high
    for chain, draw in np.argwhere(finite)[::200]:
        here = float(start[chain, draw])
        before, at, after = uplift.expected_uplift(10.0 ** np.array([here - 0.1, here, here + 0.1]), of)[chain, draw]
        assert float(at) == pytest.approx(0.1, abs=1e-3)
        assert float(before) < float(at) < float(after)


@pytest.mark.heavy
@settings(max_examples=15, deadline=None)
@given(st.floats(-0.2, 0.5), st.floats(0, 0.3))
def test_a_larger_uplift_starts_later_or_never(uplift: Uplift, amount: float, more: float) -> None:
    assert bool((uplift.log10_start(amount + more) >= uplift.log10_start(amount)).all())


def curves(posterior: Posterior, **values: Any) -> Uplift:
    """A uplift of bench-5 over bench-4 whose curves are set by hand: logit = slope (x - difficulty / slope)."""
    zeros = dict.fromkeys(("family_offset", "family_benchmark", "benchmark_slope", "loading"), 0.0)
    slope = np.zeros((5, 1))
    slope[3:, 0] = values.pop("slope")
    difficulty, floor = np.zeros(5), np.full(5, 0.01)
    difficulty[3:], floor[3:] = values.pop("difficulty"), values.pop("floor")
    by_hand = {"benchmark_slope": slope, "difficulty": difficulty, "floor": floor, "curve_shape": 1.0}
    made = with_values(posterior, **{**zeros, **by_hand})
    return made.uplift("bench-5", baseline="bench-4", family="Family-A", random_seed=0)


def test_of_several_stretches_the_one_of_the_greatest_uplift_counts(posterior: Posterior) -> None:
    """A higher floor, then the baseline is ahead, then the intervention: it pays from the last crossing on."""
    made = curves(posterior, slope=[1.5, 8.0], difficulty=[0.0, 4.0], floor=[0.02, 0.1])
    grid = np.linspace(*np.log10(made.flops_range), 400)
    values = made.expected_uplift(10**grid).to_numpy()[0, 0] - 0.03
    crossings = grid[np.flatnonzero(np.diff(np.sign(values)))]
    assert len(crossings) == 3  # down, up, and down again where both are near the ceiling
    start = made.log10_start(0.03)
    assert float(start.std()) < 1e-6
    assert float(start[0, 0]) == pytest.approx(crossings[1], abs=0.02)


def test_never_and_always_are_reported(posterior: Posterior) -> None:
    same = {"slope": [2.0, 2.0], "difficulty": [0.0, 0.0]}
    worse = curves(posterior, **{**same, "difficulty": [0.0, 3.0]}, floor=[0.01, 0.01]).starts_to_pay(0.05).iloc[0]
    assert (worse["ever"], worse["from_start"]) == (0, 0)
    assert np.isinf(worse[["median", "lower", "upper"]].to_numpy(float)).all()
    ahead = curves(posterior, **same, floor=[0.01, 0.3]).starts_to_pay([0.05, 0.4])
    assert ahead["ever"].tolist() == [1, 0]
    assert ahead["from_start"].tolist() == [1, 0]
    assert (ahead.loc[0, ["median", "lower", "upper"]] == 0).all()
    low, high = (ahead.attrs[name] for name in ("flops_low", "flops_high"))
    flops = posterior.evals.models["flops"]
    assert (low, high) == (pytest.approx(flops.min() / 10), pytest.approx(flops.max() * 100))


def test_starts_are_summed_up_with_their_interval(uplift: Uplift) -> None:
    table = uplift.starts_to_pay([0.05, 0.15], of="single", prob=0.8)
    assert table["threshold"].tolist() == [0.05, 0.15]
    for _, row in table.iterrows():
        start = uplift.log10_start(row["threshold"], "single").to_numpy().ravel()
        assert row["ever"] == np.mean(start < np.inf)
        assert row["from_start"] == np.mean(np.isneginf(start))
        ordered = np.sort(start)
        for name, at in (("lower", 0.1), ("median", 0.5), ("upper", 0.9)):
            near = ordered[[int(at * len(start)) - 2, int(at * len(start)) + 2]]
            assert near[0] - 1e-9 <= np.log10(row[name]) <= near[1] + 1e-9
    said = repr(uplift).replace("\n", " ")
    assert f"probability that it exceeds this by {uplift.flops_range[1]:.1e}".replace("e+", "e") in said


def test_observed_uplifts_stand_at_the_capability_of_their_model(uplift: Uplift) -> None:
    table, evals = uplift.observed(), uplift.baseline_curve.posterior.evals
    scores = evals.matrix()
    difference = (scores.sel(benchmark="bench-5") - scores.sel(benchmark="bench-4")).to_series().dropna()
    assert table["model"].tolist() == difference.index.tolist()
    np.testing.assert_allclose(table["uplift"], difference)
    flops = (
        uplift.baseline_curve.posterior.equivalent_flops("Family-B", of="single").median(("chain", "draw")).to_series()
    )
    np.testing.assert_allclose(table["equivalent_flops"], flops[table["model"]], rtol=1e-3)


def test_hidden_uplifts_are_those_that_lack_a_fitted_score(uplift: Uplift) -> None:
    evals = uplift.baseline_curve.posterior.evals
    missing = evals.matrix().sel(benchmark=["bench-4", "bench-5"]).to_pandas().isna()
    one, both = missing.any(axis=1), missing.all(axis=1)
    assert (one & ~both).any()
    rows = [(m, b) for m in missing.index for b in missing if missing.loc[m, b]]
    more = pd.DataFrame(rows, columns=["model", "benchmark"]).assign(score=0.9)
    table = uplift.observed(more)
    assert set(table["model"]) == set(missing.index[one])
    whole = evals.matrix().fillna(0.9)
    wanted = (whole.sel(benchmark="bench-5") - whole.sel(benchmark="bench-4")).to_series()[table["model"]]
    np.testing.assert_allclose(table["uplift"], wanted)
    assert uplift.observed(evals).empty


def test_many_pairs_are_one_table(helped: Posterior) -> None:
    pairs = [("bench-5", "bench-4"), ("bench-1", "bench-2")]
    tables = {pair: helped.uplift(*pair, random_seed=0).summary([1e24]) for pair in pairs}
    table = pd.concat(tables, names=["benchmark", "baseline"])
    assert [place[:2] for place in table.index] == pairs


def test_the_same_seed_is_the_same_model(helped: Posterior) -> None:
    one, two, other = (helped.uplift("bench-5", "bench-4", random_seed=seed) for seed in (1, 1, 2))
    xr.testing.assert_identical(*(g.expected_uplift([1e23], "single") for g in (one, two)))
    assert not np.array_equal(one.expected_uplift([1e23], "single"), other.expected_uplift([1e23], "single"))
    np.testing.assert_array_equal(one.expected_uplift([1e23]), other.expected_uplift([1e23]))


def test_what_cannot_be_asked_says_why(helped: Posterior, uplift: Uplift, simulation: tuple[Evals, Truth]) -> None:
    assert helped.uplift("bench-5", "bench-4", random_seed=0).family == "Family-A"
    for arguments, said in (
        (("bench5", "bench-4"), "Did you mean 'bench-5'"),
        (("bench-5", "bench4"), "Did you mean 'bench-4'"),
        (("bench-5", "bench-5"), "over itself is zero"),
        (("bench-5", "bench-4", "family-a"), "Did you mean 'Family-A'"),
    ):
        with pytest.raises(ForecastError, match=said):
            helped.uplift(*arguments)
    other = posterior_near(*simulation, Spec(factors=1, covariates=("log10_params", "log10_tokens")))
    with pytest.raises(ForecastError, match=r"predicts from log10_params and log10_tokens.*log10_flops"):
        other.uplift("bench-5", "bench-4")
    for amount, said in ((5, r"did you mean 0\.05"), ("much", "not a number"), (np.nan, "not a difference of scores")):
        with pytest.raises(ForecastError, match=said):
            uplift.starts_to_pay(amount)  # type: ignore[arg-type]
    with pytest.raises(ForecastError, match="Did you mean 'single'"):
        uplift.expected_uplift([1e23], of="singel")  # type: ignore[arg-type]
    with pytest.raises(ForecastError, match="must be positive"):
        uplift.summary([-1.0])
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        uplift.starts_to_pay(prob=90)
