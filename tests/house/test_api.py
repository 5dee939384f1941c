"""The rules of the public API (CONTRIBUTING.md), held by signatures and results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from fake_posterior import posterior_of_dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import bayescale as bs
from bayescale import Posterior, PriorPredictive, plots
from bayescale._display import Result
from bayescale._intervals import PROB
from bayescale.report import live_forecast


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions and methods by name."""
    exported = {
        **{name: getattr(bs, name) for name in bs.__all__},
        **{name: getattr(plots, name) for name in plots.__all__},
    }
    for name, thing in exported.items():
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing) and not hasattr(thing, "model_fields"):
            for method, function in inspect.getmembers(thing, inspect.isroutine):
                if callable(function) and not method.startswith("_"):
                    yield f"{name}.{method}", function


FUNCTIONS = dict(functions())


def taking(argument: str) -> list[str]:
    return [name for name, function in FUNCTIONS.items() if argument in inspect.signature(function).parameters]


@pytest.mark.parametrize("name", taking("random_seed"))
def test_a_seed_is_given_by_name_and_new_by_default(name: str) -> None:
    parameter = inspect.signature(FUNCTIONS[name]).parameters["random_seed"]
    assert parameter.kind is parameter.KEYWORD_ONLY
    assert parameter.default is None or name == "compare"


@pytest.mark.parametrize(
    "ask",
    [
        lambda p, **seed: p.forecast("Family-A", 1e24, **seed),
        lambda p, **seed: p.forecast("Family-A", 1e24, given={"bench-1": 0.6}, **seed),
        lambda p, **seed: p.predict("Family-A-0", **seed),
        lambda p, **seed: p.required_compute("bench-1", 0.6, "Family-A", **seed),
        lambda p, **seed: p.emergence("bench-1", "Family-A", **seed),
        lambda p, **seed: p.uplift("bench-1", "bench-2", **seed),
        lambda p, **seed: p.explained_variance("bench-1", ["bench-2"], **seed),
        lambda p, **seed: p.suggest_models(2, **seed),
        lambda p, **seed: p.predictive_check(draws=20, **seed),
        lambda p, **seed: live_forecast(p, 20, **seed),
    ],
)
def test_results_record_their_seed(posterior: Posterior, ask: Callable[..., Any]) -> None:
    one, two = ask(posterior), ask(posterior)
    assert isinstance(one.random_seed, int)
    assert one.random_seed != two.random_seed
    assert ask(posterior, random_seed=3).random_seed == 3


@pytest.mark.parametrize("name", taking("prob"))
def test_the_probability_of_intervals_is_given_by_name_and_the_same_by_default(name: str) -> None:
    parameter = inspect.signature(FUNCTIONS[name]).parameters["prob"]
    assert parameter.kind is parameter.KEYWORD_ONLY
    assert parameter.default == PROB


@pytest.fixture(scope="module")
def results(posterior: Posterior, prior: PriorPredictive) -> dict[str, Any]:
    return {
        "forecast": posterior.forecast("Family-A", 1e24, random_seed=1),
        "prediction": posterior.predict(random_seed=1),
        "compute": posterior.compute(),
        "required": posterior.required_compute("bench-1", 0.6, random_seed=1),
        "progress": posterior_of_dates().progress(),
        "crossing": posterior_of_dates().when("MMLU", 0.9, random_seed=1),
        "benchmarks": posterior.suggest_benchmarks(posterior.forecast("Family-A", 1e24, random_seed=1), 1),
        "efficiency": posterior.efficiency(),
        "effect": posterior.effect("log10_flops"),
        "emergence": posterior.emergence("bench-1", random_seed=1),
        "uplift": posterior.uplift("bench-1", "bench-2", random_seed=1),
        "explained": posterior.explained_variance("bench-1", ["bench-2"], random_seed=1),
        "suggestion": posterior.suggest_models(2, random_seed=1),
        "factors": posterior.factors,
        "check": posterior.predictive_check(draws=20, random_seed=1),
        "prior": prior,
    }


NAMES = [
    "forecast",
    "prediction",
    "compute",
    "required",
    "progress",
    "crossing",
    "benchmarks",
    "efficiency",
    "effect",
    "emergence",
    "uplift",
    "explained",
    "suggestion",
    "factors",
    "check",
    "prior",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_result_has_a_summary_a_dataset_and_a_plot(name: str, results: dict[str, Any], tmp_path: Path) -> None:
    result = results[name]
    assert isinstance(result, Result)
    wide, narrow = result.summary(prob=0.8), result.summary(prob=0.5)
    assert len(wide) == len(narrow) > 0
    assert "prob" not in wide
    assert wide.attrs.get("prob", 0.8) == 0.8
    dataset = result.to_xarray()
    assert dataset.data_vars
    if name not in ("compute", "efficiency", "effect", "factors", "progress"):
        assert dataset.attrs["random_seed"] == 1
    # It can be written: its attributes are names and numbers.
    dataset.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    assert isinstance(result.plot(), (Axes, Figure))
    plt.close("all")
