"""Compute for a target: where forecasts at that compute reach the wanted probability."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from simulate import Truth, posterior_near

from bayescale import NEW_FAMILY, Evals, Spec
from bayescale._arviz import dataset, with_groups
from bayescale.analysis.required_compute import RequiredCompute
from bayescale.errors import ForecastError
from bayescale.methods import Posterior

# Another one than that of the made-up draws.
SEED = 7
FAMILIES = ["Family-B", NEW_FAMILY]


@pytest.fixture(scope="module")
def required(posterior: Posterior) -> RequiredCompute:
    return posterior.required_compute("bench-2", 0.6, FAMILIES, probability=0.8, random_seed=SEED)


def test_a_forecast_at_that_compute_has_the_probability(posterior: Posterior, required: RequiredCompute) -> None:
    assert required.flops["family"].to_numpy().tolist() == FAMILIES
    for family, flops in zip(FAMILIES, required.flops.to_numpy(), strict=True):
        row = posterior.forecast(family, flops, random_seed=1).probability("bench-2", above=0.6).iloc[0]
        assert row["probability"] == pytest.approx(0.8, abs=4 * row["error"])


def test_probabilities_are_those_of_forecasts_and_rise(posterior: Posterior, required: RequiredCompute) -> None:
    flops = [1e22, 1e23, 1e24]
    curve = required.probabilities(flops)
    assert curve.dims == ("family", "flops")
    assert (np.diff(curve) > 0).all()
    for family in FAMILIES:
        table = posterior.forecast(family, flops, random_seed=1).probability("bench-2", above=0.6)
        assert (np.abs(table["probability"] - curve.sel(family=family)) < 5 * table["error"]).all()


def test_the_interval_is_that_of_a_single_model_s_threshold(posterior: Posterior, required: RequiredCompute) -> None:
    row = required.summary(prob=0.8).iloc[0]
    emergence = posterior.emergence("bench-2", "Family-B", random_seed=SEED)
    assert (row["lower"], row["median"], row["upper"]) == emergence.quantiles(0.6, "single", prob=0.8)
    assert required.draws["log10_flops"].dims == ("chain", "draw", "family")
    known, new = required.summary().itertuples()
    assert new.upper / new.lower > known.upper / known.lower


def test_the_emergence_of_a_new_family_is_as_uncertain_as_its_forecast(posterior: Posterior) -> None:
    emergence = posterior.emergence("bench-4", NEW_FAMILY, random_seed=SEED)
    forecast = posterior.forecast(NEW_FAMILY, 1e23, random_seed=SEED).draws["expected_score"].sel(benchmark="bench-4")
    probs = [0.05, 0.5, 0.95]
    actual = emergence.expected_scores([1e23], of="single").quantile(probs)
    np.testing.assert_allclose(actual, forecast.quantile(probs), atol=0.04)
    assert "A typical model of a new family passes" in emergence.statement(0.5)
    assert len(emergence.observed())
    assert emergence.plot(0.5).get_xscale() == "log"
    plt.close("all")


def test_beyond_plausible_compute_it_is_infinite_and_below_any_it_is_zero(posterior: Posterior) -> None:
    slope = posterior.idata["posterior"]["slope"] * 1e-3
    still = {"slope": slope, "benchmark_slope": posterior.idata["posterior"]["benchmark_slope"] * 0}
    idata = with_groups(posterior.idata, {"posterior": dataset(posterior.idata["posterior"]).assign(still)})
    flat = Posterior(idata, posterior.spec, posterior.evals, posterior.convergence, posterior.sampling)
    high = flat.required_compute("bench-2", 0.97, "Family-B", random_seed=SEED)
    low = flat.required_compute("bench-2", 0.02, "Family-B", probability=0.5, random_seed=SEED)
    assert np.isinf(high.flops).all()
    assert (low.flops == 0).all()
    assert "more than 1e30" in repr(high)


def test_what_is_said(required: RequiredCompute) -> None:
    text = repr(required)
    assert max(map(len, text.splitlines())) <= 80
    text = " ".join(text.split("\n"))
    assert "above 0.6 on bench-2, with probability 0.8" in text
    assert "Family-B: " in text
    assert "Next: required.summary()" in text


def test_it_is_drawn(required: RequiredCompute) -> None:
    ax = required.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == FAMILIES
    assert ax.get_xscale() == "log"
    plt.close("all")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"benchmark": "bench-9"}, "Did you mean 'bench-"),
        ({"family": "Famly-B"}, "Did you mean 'Family-B'"),
        ({"family": []}, "family is empty"),
        ({"above": 60}, r"did you mean 0\.6"),
        ({"above": 1}, "not below the ceiling"),
        ({"above": "high"}, "is not a number"),
        ({"probability": 90}, "probability=90 is not between 0 and 1"),
    ],
)
def test_a_mistake_is_refused_with_a_remedy(posterior: Posterior, asked: dict, words: str) -> None:
    with pytest.raises(ForecastError, match=words):
        posterior.required_compute(**{"benchmark": "bench-1", "above": 0.6, **asked})


def test_a_spec_of_other_covariates_is_refused(simulation: tuple[Evals, Truth]) -> None:
    spec = Spec(factors=1, covariates=("log10_params", "log10_tokens"))
    other = posterior_near(*simulation, spec, chains=2, draws=20)
    with pytest.raises(ForecastError, match="log10_flops"):
        other.required_compute("bench-1", 0.6)
