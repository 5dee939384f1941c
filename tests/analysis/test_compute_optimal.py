"""Compute-optimal parameters and tokens: the top of the curve along a budget, where the spec has one."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from simulate import Truth, posterior_near, simulation_spec

from bayescale import NEW_FAMILY, Evals, Spec
from bayescale.analysis.compute_optimal import ComputeOptimal
from bayescale.errors import ForecastError
from bayescale.methods import Posterior

BUDGET, SEED = 1e24, 7


@pytest.fixture(scope="module")
def posterior(sizes: Posterior) -> Posterior:
    return sizes


@pytest.fixture(scope="module")
def split(posterior: Posterior) -> ComputeOptimal:
    return posterior.compute_optimal(BUDGET, "Family-B", tokens_per_param=np.geomspace(0.1, 1e4, 201), random_seed=SEED)


def test_the_optimum_is_where_calculus_puts_it(posterior: Posterior, split: ComputeOptimal) -> None:
    centre = posterior.draws.data.centre
    total = np.log10(BUDGET / 6) - centre.sum()  # n + d
    # 1.2 n + 0.8 (total - n) + 0.6 n (total - n) is highest at n = total / 2 + (1.2 - 0.8) / (2 * 0.6).
    params = 10 ** (centre[0] + total / 2 + 0.4 / 1.2)
    table = split.summary().set_index("quantity")
    assert np.log10(table.loc["params", "median"] / params) == pytest.approx(0, abs=0.1)
    assert 6 * table.loc["params", "median"] * table.loc["tokens", "median"] == pytest.approx(BUDGET)
    for name in ("params", "tokens", "tokens_per_param"):
        low, middle, high = table.loc[name, ["lower", "median", "upper"]]
        assert low <= middle <= high
    assert not split.at_edge


def test_scores_at_the_optimum_are_those_of_a_forecast(posterior: Posterior, split: ComputeOptimal) -> None:
    table = split.summary().set_index("quantity")
    params, tokens = table.loc[["params", "tokens"], "median"]
    forecast = posterior.forecast("Family-B", params=params, tokens=tokens, random_seed=1)
    wanted = forecast.summary(kind="expected").set_index("benchmark")
    names = wanted.index.tolist()
    assert table.index.tolist() == ["params", "tokens", "tokens_per_param", *names]
    for column in ("median", "lower", "upper"):
        np.testing.assert_allclose(table.loc[names, column], wanted[column], atol=0.05)


def test_an_optimum_at_the_edge_is_said(posterior: Posterior) -> None:
    edge = posterior.compute_optimal(BUDGET, NEW_FAMILY, "bench-1", tokens_per_param=[1e3, 1e4], random_seed=SEED)
    assert edge.at_edge
    assert "at the edge of the ratios" in repr(edge)
    assert edge.draws["benchmark"].to_numpy().tolist() == ["bench-1"]


def test_it_is_a_result(split: ComputeOptimal, tmp_path: object) -> None:
    assert set(split.to_xarray().data_vars) == {"expected_score", "best"}
    assert "params: " in repr(split)
    assert split.plot().get_xscale() == "log"
    plt.close("all")


def test_ratios_are_those_of_the_data_by_default(posterior: Posterior) -> None:
    ratio = posterior.compute_optimal(BUDGET, "Family-B", random_seed=SEED).draws["tokens_per_param"]
    models = posterior.evals.models
    stated = models["tokens_t"] / models["params_b"] * 1e3
    np.testing.assert_allclose(ratio[[0, -1]], [stated.min(), stated.max()])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"family": "Famly-B"}, "Did you mean 'Family-B'"),
        ({"benchmarks": ["bench-9"]}, "Did you mean 'bench-"),
        ({"flops": 24}, "is far below"),
        ({"flops": "much"}, "is not a number"),
        ({"tokens_per_param": [20]}, "at least two positive numbers"),
    ],
)
def test_a_mistake_is_refused_with_a_remedy(posterior: Posterior, asked: dict, words: str) -> None:
    with pytest.raises(ForecastError, match=words):
        posterior.compute_optimal(**{"flops": BUDGET, "family": "Family-B", **asked})


def test_a_spec_without_an_optimum_says_so(simulation: tuple[Evals, Truth]) -> None:
    alone = posterior_near(*simulation, simulation_spec(), chains=2, draws=20)
    with pytest.raises(ForecastError, match="log10_params and log10_tokens"):
        alone.compute_optimal(BUDGET, "Family-B")
    apart = posterior_near(
        *simulation, Spec(factors=1, covariates=("log10_params", "log10_tokens")), chains=2, draws=20
    )
    with pytest.raises(ForecastError, match="no best split"):
        apart.compute_optimal(BUDGET, "Family-B")
