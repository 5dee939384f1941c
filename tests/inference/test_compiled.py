"""Kept compiled models: other scores need no new compilation and have their own density; anything else compiles."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import nutpie
import pytest
from simulate import simulation_spec
from test_fast_compile import density_and_gradient

from bayescale.evals import Evals
from bayescale.inference import compile as compiled
from bayescale.inference.compile import KEPT, compiled_for
from bayescale.model.coordinates import parameterization
from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.spec import Spec


def masked(evals: Evals) -> Evals:
    fewer = evals.mask((evals.matrix() > 0.5) & (evals.matrix()["benchmark"] != "bench-3"))
    assert 0 < fewer.n_scores < evals.n_scores
    return fewer


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_kept", OrderedDict())


@pytest.mark.heavy
def test_other_scores_take_the_same_program_and_have_the_density_of_one_of_their_own(
    evals: Evals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program is compiled for some scores, then takes all, then some again; another is compiled for all."""
    compilations = []
    compile_one = nutpie.compile_pymc_model
    monkeypatch.setattr(
        nutpie, "compile_pymc_model", lambda *args, **given: compilations.append(args) or compile_one(*args, **given)
    )
    some, every, again = (
        compiled_for(Coordinates.of(simulation_spec(), of)) for of in (masked(evals), evals, masked(evals))
    )
    assert len(compilations) == 1
    compiled._kept.clear()
    own = compiled_for(Coordinates.of(simulation_spec(), evals))
    assert len(compilations) == 2
    for seed in range(3):
        point = own.initial_point_func(seed)
        density, gradient = density_and_gradient(every, point)
        assert density == pytest.approx(density_and_gradient(own, point)[0], rel=1e-10)
        np.testing.assert_allclose(gradient, density_and_gradient(own, point)[1], rtol=1e-7, atol=1e-7)
        assert density_and_gradient(some, point)[0] == density_and_gradient(again, point)[0] != density


@dataclass(frozen=True)
class Program:
    """In place of a program of nutpie: the data that it was handed, and where it starts."""

    initial_point_func: Callable[[int], np.ndarray]
    data: dict[str, np.ndarray] = field(default_factory=dict)

    def with_data(self, **values: np.ndarray) -> Program:
        return replace(self, data=self.data | values)


@dataclass(frozen=True)
class Compilation:
    """What nutpie was asked to compile."""

    model: Any
    start: dict[str, Any]


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Compilation]:
    """What nutpie is asked to compile, in order, without compiling it."""
    asked: list[Compilation] = []

    def compile_pymc_model(model: Any, *, initial_points: dict[str, Any], **_: Any) -> Program:
        asked.append(Compilation(model, initial_points))

        def initial_point(seed: int) -> np.ndarray:
            rough = [value.get_value().ravel() for value in initial_points.values()]
            time.sleep(0.001)  # another thread may set other data now
            return np.concatenate([*rough, model["observed_score"].get_value().ravel()])

        return Program(initial_point)

    monkeypatch.setattr(nutpie, "compile_pymc_model", compile_pymc_model)
    return asked


def test_the_ones_used_last_are_kept(evals: Evals, compilations: list[Compilation]) -> None:
    specs = [Spec(factors=1, likelihood="beta", testlets=i % 2 > 0, family_offsets=i > 1) for i in range(KEPT + 1)]
    for spec in (*specs[:KEPT], specs[0]):
        compiled_for(Coordinates.of(spec, evals))
    assert len(compilations) == KEPT
    for spec in (specs[KEPT], specs[0]):
        compiled_for(Coordinates.of(spec, evals))
    assert len(compilations) == KEPT + 1
    # The one that went is compiled again.
    compiled_for(Coordinates.of(specs[1], evals))
    assert len(compilations) == KEPT + 2


def test_a_kept_program_gets_scores_coordinates_and_starting_points_of_its_fit(
    evals: Evals, compilations: list[Compilation]
) -> None:
    first = compiled_for(Coordinates.of(Spec(factors=2), evals)).data
    some = Coordinates.of(Spec(factors=2), masked(evals))
    program = compiled_for(some)
    second = program.data
    program.initial_point_func(0)
    (kept,) = compilations
    np.testing.assert_array_equal(second["observed"], some.data.cells["observed"])
    assert not np.allclose(first["rotation_basis"], second["rotation_basis"])
    # So does the PyMC model behind the starting points.
    assert {kept.model[name] for name in second} <= set(kept.model.data_vars)
    for name, value in second.items():
        np.testing.assert_array_equal(kept.model[name].get_value(), value)
    points = some.starting_point(np.random.default_rng(0))
    assert set(kept.start) == set(points)
    for name, value in points.items():
        np.testing.assert_array_equal(kept.start[name].get_value(), value)


def starts_at(coordinates: Coordinates, seed: int) -> np.ndarray:
    rough = [value.ravel() for value in coordinates.starting_point(np.random.default_rng(seed)).values()]
    return np.concatenate([*rough, coordinates.arrays["observed_score"].ravel()])


def test_fits_of_one_structure_in_several_threads_start_where_their_own_data_put_them(
    evals: Evals, compilations: list[Compilation]
) -> None:
    fits = [Coordinates.of(Spec(factors=2), of) for of in (evals, masked(evals))]
    programs = [compiled_for(fit) for fit in fits]
    assert len(compilations) == 1
    with ThreadPoolExecutor(4) as threads:
        points = list(threads.map(lambda i: programs[i % 2].initial_point_func(i), range(40)))
    for i, point in enumerate(points):
        np.testing.assert_array_equal(point, starts_at(fits[i % 2], i))


def test_a_benchmark_without_scores_starts_off_the_peak_of_its_priors(
    evals: Evals, compilations: list[Compilation]
) -> None:
    """There gradients are exactly zero, which nutpie takes for a point where it cannot start."""
    fit = Coordinates.of(Spec(factors=2), evals.mask([(model, "bench-3") for model in evals.model_names]))
    start = compiled_for(fit).initial_point_func
    assert np.all(start(1) != starts_at(fit, 1))
    np.testing.assert_allclose(start(1), starts_at(fit, 1), atol=0.1)
    np.testing.assert_array_equal(start(1), start(1))


def test_pilot_estimates_are_made_once(
    evals: Evals, compilations: list[Compilation], monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = []
    fit_pilot = parameterization.fit_pilot
    monkeypatch.setattr(parameterization, "fit_pilot", lambda *args: fits.append(args) or fit_pilot(*args))
    compiled_for(Coordinates.of(Spec(factors=2), evals))
    assert len(fits) == len(compilations) == 1


def test_scores_names_and_columns_without_use_are_not_compiled_in(
    evals: Evals, compilations: list[Compilation]
) -> None:
    spec = Spec(factors=2)
    halved = Evals(evals.models, evals.benchmarks, evals.scores.assign(score=evals.scores["score"] / 2))
    renamed = Evals(evals.models, evals.benchmarks, evals.scores, name="another")
    sizes = Evals(evals.models.assign(params_b=1.0), evals.benchmarks, evals.scores)
    for same in (evals, masked(evals), halved, renamed, sizes):
        compiled_for(Coordinates.of(spec, same))
    compiled_for(Coordinates.of(spec.replace(name="another", title="Another"), evals))
    assert len(compilations) == 1


@pytest.mark.heavy
def test_whatever_else_changes_is_compiled_anew(evals: Evals, compilations: list[Compilation]) -> None:
    spec, models, benchmarks = Spec(factors=2), evals.models, evals.benchmarks
    new_names = {"bench-1": "bench-9"}
    others = {
        "prior": (spec.replace(priors={"testlet_sd": "HalfNormal(0.51)"}), evals),
        "factors": (spec.replace(factors=1), evals),
        "form": (spec.replace(common_loading=False), evals),
        "covariates": (spec.replace(covariates=("log10_params", "log10_tokens")), evals),
        "floor of the spec": (spec.replace(floor={"concentration": 101}), evals),
        "fewer models": (spec, evals.select(models=evals.model_names[:-1])),
        "fewer benchmarks": (spec, evals.select(benchmarks=evals.benchmark_names[:-1])),
        "benchmark's name": (
            spec,
            Evals(
                models,
                benchmarks.replace({"benchmark": new_names}),
                evals.scores.replace({"benchmark": new_names}),
            ),
        ),
    }
    changed_models = {
        "compute": {"flops": models["flops"] * np.linspace(1, 2, len(models))},
        "error of compute": {"flops_log10_sd": models["flops_log10_sd"] * 2},
        # Tokens too: from parameters and tokens compute would be known.
        "unknown compute": {c: models[c].where(np.arange(len(models)) != 3) for c in ("flops", "tokens_t")},
        "family": {"family": models["family"].where(np.arange(len(models)) != 3, "Family-A")},
    }
    changed_benchmarks = {
        "items": {"items": benchmarks["items"] + 1},
        "floor": {"floor": benchmarks["floor"] + 0.01},
        "ceiling": {"ceiling": 0.99},
        "testlet": {"testlet": ["", "", "pair", "", "pair"]},
    }
    others |= {n: (spec, Evals(models.assign(**c), benchmarks, evals.scores)) for n, c in changed_models.items()}
    others |= {n: (spec, Evals(models, benchmarks.assign(**c), evals.scores)) for n, c in changed_benchmarks.items()}
    compiled_for(Coordinates.of(spec, evals))
    for name, other in others.items():
        before = len(compilations)
        compiled_for(Coordinates.of(*other))
        assert len(compilations) == before + 1, name
        # The first was used last but one, so it is kept.
        compiled_for(Coordinates.of(spec, evals))
        assert len(compilations) == before + 1, name
