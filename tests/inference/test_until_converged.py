"""Sampling until the diagnostics hold: where it looks, what it keeps, and where it ends. Nutpie itself samples."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import once
from hypothesis import given
from hypothesis import strategies as st
from simulate import simulate

from bayescale.errors import ConvergenceWarning, FitError
from bayescale.evals import Evals
from bayescale.inference import diagnostics, sample
from bayescale.inference.until_converged import FIRST_CHECK, MOST_DRAWS, next_check
from bayescale.methods import Posterior, fit
from bayescale.model.spec import Spec

SETTINGS = {"chains": 4, "tune": 200, "random_seed": 1, "progressbar": False}


@given(draws=st.integers(FIRST_CHECK, MOST_DRAWS), needed=st.integers(0, 10**6))
def test_the_next_diagnosis_comes_after_some_more_draws_and_never_after_the_most(draws: int, needed: int) -> None:
    later = next_check(draws, needed)
    assert min(1.25 * draws, MOST_DRAWS) <= later <= MOST_DRAWS
    assert later <= 1.5 * draws + 10
    assert later >= min(needed, 1.5 * draws, MOST_DRAWS)


@pytest.fixture(scope="module")
def converged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Posterior, Posterior]:
    def make() -> tuple[Posterior, Posterior]:
        evals, _ = simulate(models=40)
        first, again = (fit(Spec(factors=1), evals, **SETTINGS) for _ in range(2))
        return first, again

    return once(tmp_path_factory, "until-converged", make)


@pytest.mark.heavy
def test_it_ends_when_the_diagnostics_hold_and_the_seed_gives_the_same_draws(
    converged: tuple[Posterior, Posterior],
) -> None:
    first, again = converged
    assert first.converged
    assert first.sampling["draws"] >= FIRST_CHECK
    assert first.idata["posterior"].sizes == again.idata["posterior"].sizes
    assert all(np.isfinite(values).all() for values in first.idata["posterior"].data_vars.values())
    np.testing.assert_array_equal(first.expected_scores(), again.expected_scores())


@pytest.mark.heavy
def test_a_budget_ends_it_and_the_report_says_how_many_draws_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "MIN_ESS_PER_CHAIN", 10**6)  # on a machine of any speed
    evals, _ = simulate(models=40)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        posterior = fit(Spec(factors=2), evals, max_minutes=0.2, **SETTINGS)
    assert not posterior.converged
    assert any(issubclass(w.category, ConvergenceWarning) for w in caught)
    assert not [str(w.message) for w in caught if "More chains" in str(w.message)]
    assert posterior.sampling["draws"] < MOST_DRAWS


@pytest.mark.heavy
def test_where_transitions_diverge_it_starts_again_with_shorter_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "TARGET_ACCEPTS", (0.2, 0.9))  # steps so long that some 1 in 20 diverges
    evals, _ = simulate(models=40)
    posterior = fit(Spec(factors=1), evals, **SETTINGS)
    assert posterior.sampling["target_accept"] == 0.9
    assert posterior.converged
    with pytest.warns(ConvergenceWarning, match="transitions diverged"):
        asked = fit(Spec(factors=1), evals, target_accept=0.2, **SETTINGS, max_minutes=0.2)
    assert asked.sampling["target_accept"] == 0.2


@pytest.mark.parametrize(("settings", "message"), [({"draws": "many"}, 'or "auto"'), ({"max_minutes": 0}, "positive")])
def test_impossible_settings_are_refused(evals: Evals, settings: dict, message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit(Spec(), evals, **settings)
