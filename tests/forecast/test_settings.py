"""Settings of benchmarks: what a fit reads of them, and forecasts in one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit
from simulate import CONVERGED, posterior_near, simulate, with_settings

from bayescale.errors import ForecastError
from bayescale.evals import load_evals
from bayescale.methods import Posterior
from bayescale.model.data import model_data
from bayescale.model.spec import Spec, load_spec

SPEC = Spec(factors=1, repeated_measurements=True, curve="sigmoid")
HEADLINE = ["5-shot", "", "", "", ""]


@pytest.fixture(scope="module")
def measured() -> Posterior:
    evals, truth = simulate(3)
    return posterior_near(with_settings(evals), truth, SPEC, chains=2, draws=150, convergence=CONVERGED)


def scores(posterior: Posterior, **asked: object) -> np.ndarray:
    forecast = posterior.forecast("Family-A", 1e23, random_seed=0, **asked)
    return forecast.draws["expected_score"].to_numpy().reshape((-1, 5))


def logits(posterior: Posterior, expected: np.ndarray) -> np.ndarray:
    floor = posterior.draws.floor
    return logit((expected - floor) / (1 - floor))


def test_the_headline_setting_is_that_of_most_first_rows_and_what_states_nothing_has_no_effect(
    measured: Posterior,
) -> None:
    data = measured.draws.data
    how = data.measurements
    assert how is not None
    assert list(how.headline) == HEADLINE
    assert data.coords["setting"] == ["bench-1: 0-shot", "bench-3: effort high", "bench-3: effort low"]
    rows = measured.evals.measurements
    for row in rows[rows["counts"]].itertuples():
        place = data.coords["model"].index(row.model), data.coords["benchmark"].index(row.benchmark)
        assert how.of_cell[place] == (1 if row.how == "effort high" else -1)
    repeated = how.repeated
    assert repeated is not None
    several = rows.groupby(["model", "benchmark"]).size()
    assert len(repeated.cell) == (several > 1).sum() == (how.single == 0).sum()
    assert repeated.observed.sum() == several[several > 1].sum()


def test_where_nothing_is_stated_the_switch_changes_nothing() -> None:
    evals, _ = simulate(3)
    for table in (evals, load_evals("base-llms")):
        data = model_data(SPEC, table)
        assert data.measurements is None
        assert data.coords.keys() == model_data(SPEC.replace(repeated_measurements=False), table).coords.keys()


def test_old_specs_take_the_first_measurement_whatever_its_setting() -> None:
    evals = with_settings(simulate(3)[0])
    assert model_data(load_spec("default"), evals).measurements is None
    first, switched = (Spec(factors=1, priors={"setting_sd": p}) for p in ("HalfNormal(1)", "HalfNormal(2)"))
    assert first.identity == switched.identity == Spec(factors=1).identity


def test_forecasts_speak_for_the_headline_setting_or_another(measured: Posterior) -> None:
    effect = measured.draws.setting
    forecast = measured.forecast("Family-A", 1e23, random_seed=0)
    assert forecast.draws["setting"].to_numpy().tolist() == HEADLINE
    assert "measured with bench-1 5-shot" in repr(forecast)
    base = logits(measured, scores(measured))
    zero = logits(measured, scores(measured, setting="0-shot")) - base
    np.testing.assert_allclose(zero[:, 0], effect[:, 0], atol=1e-6)
    np.testing.assert_allclose(zero[:, 1:], 0, atol=1e-9)
    named = {"bench-1": "5-shot", "bench-3": "effort low"}
    low = logits(measured, scores(measured, setting=named)) - base
    np.testing.assert_allclose(low[:, 2], effect[:, 2], atol=1e-6)
    np.testing.assert_allclose(low[:, [0, 1, 3, 4]], 0, atol=1e-9)
    again = measured.forecast("Family-A", 1e23, setting=named)
    assert again.draws["setting"].to_numpy().tolist() == ["5-shot", "", "effort low", "", ""]


def test_known_scores_are_of_the_setting_asked_for(measured: Posterior) -> None:
    """Where zero examples cost score, the same score without them means a better model."""
    draws = measured.draws
    assert (draws.setting[:, 0] < 0).all()
    five, zero = (scores(measured, given={"bench-1": 0.6}, setting=how)[:, 1].mean() for how in (None, "0-shot"))
    assert zero > five + 0.03


def test_models_of_the_data_are_predicted_in_a_setting(measured: Posterior) -> None:
    one, two = (
        measured.predict(["Family-A-0"], ["bench-3", "bench-1"], setting=how, random_seed=0)
        for how in (None, {"bench-3": "effort high"})
    )
    assert one.draws["setting"].to_numpy().tolist() == ["", "5-shot"]
    assert two.draws["setting"].to_numpy().tolist() == ["effort high", "5-shot"]
    moved = (two.draws["expected_score"] - one.draws["expected_score"]).to_numpy()[..., 0, :]
    np.testing.assert_allclose(moved[..., 1], 0, atol=1e-12)
    assert (np.sign(moved[..., 0].ravel()) == np.sign(measured.draws.setting[:, 1])).all()


def test_the_likelihood_of_a_score_is_that_in_its_setting(measured: Posterior) -> None:
    draws, data = measured.draws, measured.draws.data
    place = np.argwhere(data.measurements.of_cell == 1)[0]  # type: ignore[union-attr]
    cell = np.flatnonzero((np.argwhere(data.cells["observed"] > 0) == place).all(axis=1))[0]
    m, b = place
    moved = logits(measured, draws.fitted_scores()[:, m]) + draws.setting[:, [1]]
    mean = draws.floor + (1 - draws.floor) / (1 + np.exp(-moved))
    phi = draws.score_precision(mean)
    items = int(data.items[b])
    hits = round(data.cells["observed_score"][m, b] * items)
    by_hand = stats.betabinom.logpmf(hits, items, (mean * phi)[:, b], ((1 - mean) * phi)[:, b])
    np.testing.assert_allclose(draws.log_likelihood()[:, cell], by_hand, rtol=1e-6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("1-shot", "setting of the fitted data '1-shot'"),
        ({"bench-1": "effort low"}, "setting of bench-1 'effort low'"),
        ({"bench-9": "0-shot"}, "benchmark 'bench-9'"),
    ],
)
def test_a_setting_that_was_not_seen_is_refused(measured: Posterior, setting: object, message: str) -> None:
    with pytest.raises(ForecastError, match=message):
        scores(measured, setting=setting)


def test_without_the_switch_no_setting_can_be_asked_for() -> None:
    evals, truth = simulate(3)
    plain = posterior_near(evals, truth, Spec(factors=1), chains=2, draws=50, convergence=CONVERGED)
    assert "setting" not in plain.forecast("Family-A", 1e23).draws.coords
    with pytest.raises(ForecastError, match="a spec with repeated_measurements; 'custom' is without"):
        scores(plain, setting="0-shot")


def test_a_saved_posterior_forecasts_as_before(measured: Posterior, tmp_path: Path) -> None:
    again = Posterior.load(measured.save(tmp_path / "measured.nc"))
    np.testing.assert_array_equal(scores(again, setting="0-shot"), scores(measured, setting="0-shot"))
