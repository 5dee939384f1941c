"""A compiled model takes other data: nutpie itself, on a model small enough for the fast tests."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytest
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.variable import TensorConstant
from simulate import with_columns

from bayescale.errors import FitError
from bayescale.evals import Evals
from bayescale.inference.compile import with_data
from bayescale.model.build import generative_model
from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.spec import list_specs, load_spec

A, B = np.array([0.0, 0.2, -0.1]), np.array([5.0, 5.1, 4.6])
PRIOR_SD, NOISE_SD = 10.0, 1.0


def compiled(observed: np.ndarray) -> Any:
    """A normal mean with known noise, whose posterior is known."""
    with pm.Model() as model:
        mean = pm.Normal("mean", 0, PRIOR_SD)
        pm.Normal("y", mean, NOISE_SD, observed=pm.Data("observed_score", observed))
    return nutpie.compile_pymc_model(model, freeze_model=False)


def draws(program: Any) -> np.ndarray:
    actual = nutpie.sample(program, draws=400, tune=200, chains=2, cores=1, seed=1, progress_bar=False)
    return np.asarray(actual["posterior"]["mean"])


@pytest.fixture(scope="module")
def program() -> Any:
    return compiled(A)


def posterior_of(observed: np.ndarray) -> tuple[float, float]:
    """Mean and sd of the posterior of the mean."""
    precision = 1 / PRIOR_SD**2 + len(observed) / NOISE_SD**2
    return observed.sum() / NOISE_SD**2 / precision, precision**-0.5


def test_a_second_fit_has_its_own_data(program: Any) -> None:
    """Fit A, then B with the same program."""
    for observed in (A, B):
        actual = draws(with_data(program, {"observed_score": observed}))
        mean, sd = posterior_of(observed)
        # 800 draws, whose effective number is some 300 at least: five standard errors of the mean.
        assert actual.mean() == pytest.approx(mean, abs=5 * sd / 300**0.5)


@pytest.mark.heavy
def test_a_second_fit_gives_what_a_process_that_never_saw_the_first_gives(program: Any) -> None:
    actual = draws(with_data(program, {"observed_score": B}))
    alone = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(
            """
            import json
            from test_shared_data import B, compiled, draws
            print(json.dumps(draws(compiled(B)).tolist()))
            """
        )],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
    )  # fmt: skip
    # One and the same program but for rounding, which differs between machine code made here and read from the disk.
    np.testing.assert_allclose(actual, json.loads(alone.stdout), rtol=1e-6)


def test_the_first_program_keeps_its_data(program: Any) -> None:
    with_data(program, {"observed_score": B})
    assert draws(program).mean() == pytest.approx(posterior_of(A)[0], abs=0.3)


def test_data_that_are_not_taken_are_an_error(program: Any) -> None:
    with pytest.raises(FitError, match=r"nutpie .* does not take new values for 'rotation_basis'.*data of another fit"):
        with_data(program, {"observed_score": B, "rotation_basis": np.eye(2)})


def test_an_empty_container_is_skipped(program: Any) -> None:
    assert with_data(program, {"rotation_complement": np.empty((3, 0))}) is program


@pytest.mark.parametrize("name", list_specs())
def test_constants_of_the_density_lie_together(name: str, evals: Evals) -> None:
    """Numba keeps no program on disk with an array that does not: every process would compile it again, for 13 s."""
    model = generative_model(Coordinates.of(load_spec(name), with_columns(evals)))
    constants = [node.data for node in graph_inputs([model.logp()]) if isinstance(node, TensorConstant)]
    assert len(constants) > 10
    assert all(value.flags.c_contiguous for value in constants)
