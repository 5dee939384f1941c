"""The quick C functions around a compiled program give what nutpie's own give, codes of errors included."""

from __future__ import annotations

import ctypes
import sys
from contextlib import nullcontext
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.raise_op import Assert

from bayescale.c_functions import quick_c_functions

NUTPIE = sys.modules[nutpie.compile_pymc_model.__module__]
POINTER = ctypes.c_void_p


def model() -> pm.Model:
    """With shared data of every rank, of two types, and a density that fails, or is not finite, where it is told to."""
    with pm.Model() as built:
        scalar, whole = pm.Data("scalar", np.float64(2.0)), pm.Data("whole", np.arange(3))
        table, cube = pm.Data("table", np.arange(6.0).reshape(2, 3)), pm.Data("cube", np.arange(24.0).reshape(2, 3, 4))
        x = pm.Normal("x", np.zeros(3), scalar)
        positive = Assert("x is below ten")(x, (x < 10).all())
        pm.Deterministic("moved", table @ positive + cube.sum(axis=(1, 2)))
        pm.Potential("rough", pt.sqrt(positive[0] + 5) + ((positive - whole) ** 3).sum())
    return built


@pytest.fixture(scope="module")
def programs() -> tuple[Any, Any]:
    found = []
    for context in (nullcontext(), quick_c_functions()):
        with context:
            found.append(nutpie.compile_pymc_model(model(), freeze_model=False))
    return found[0], found[1]


def density(program: Any, point: Any, size: int = 3) -> tuple[int, np.ndarray, float]:
    point, gradient, value = np.asarray(point, dtype=float), np.zeros(3), np.zeros(1)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[POINTER] * 4)(program.compiled_logp_func.address)
    places = (array.ctypes.data for array in (point, gradient, value, program.user_data))
    return run(size, *places), gradient, float(value[0])


def variables(program: Any, point: Any, size: int = 3) -> tuple[int, np.ndarray]:
    point, values = np.asarray(point, dtype=float), np.zeros(program.n_expanded)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 2, *[POINTER] * 3)(program.compiled_expand_func.address)
    places = (array.ctypes.data for array in (point, values, program.user_data))
    return run(size, program.n_expanded, *places), values


def test_the_same_density_gradient_and_variables(programs: tuple[Any, Any]) -> None:
    plain, quick = programs
    other = {
        "scalar": np.float64(0.5),
        "whole": np.array([4, -1, 2]),
        "table": np.full((2, 3), 0.3),
        "cube": np.linspace(0, 1, 24).reshape(2, 3, 4),
    }
    for data in ({}, other):
        pair = [program.with_data(**data) for program in (plain, quick)]
        for point in np.random.default_rng(0).normal(size=(20, 3)):
            (code, gradient, value), (quick_code, quick_gradient, quick_value) = (density(p, point) for p in pair)
            assert code == quick_code == 0
            np.testing.assert_allclose(quick_gradient, gradient, rtol=1e-13)
            np.testing.assert_allclose(quick_value, value, rtol=1e-13)
            assert np.isfinite(value)
            assert gradient.all()
            (code, drawn), (quick_code, quick_drawn) = (variables(p, point) for p in pair)
            assert code == quick_code == 0
            np.testing.assert_allclose(quick_drawn, drawn, rtol=1e-13)
            assert drawn[3:].all()


@pytest.mark.parametrize(
    ("point", "size", "code"),
    [([11, 0, 0], 3, 1), ([-7, 0, 0], 3, 3), ([-5, 0, 0], 3, 3), ([0, 0, -1e110], 3, 4), ([0, 0, 0], 4, -1)],
    ids=["what the program raises", "nan", "infinite slope", "infinite density", "wrong size"],
)
def test_the_same_codes_where_something_is_wrong(
    programs: tuple[Any, Any], point: list[float], size: int, code: int
) -> None:
    assert [density(program, point, size)[0] for program in programs] == [code, code]


def test_variables_that_fail_say_so(programs: tuple[Any, Any]) -> None:
    assert all(variables(program, [11, 0, 0])[0] != 0 for program in programs)
    assert all(variables(program, [0, 0, 0], size=4)[0] != 0 for program in programs)


def test_nutpie_has_its_own_functions_back_whatever_happens() -> None:
    own = NUTPIE._make_c_logp_func, NUTPIE._make_c_expand_func
    with quick_c_functions():
        assert NUTPIE._make_c_logp_func is not own[0]
    with pytest.raises(RuntimeError), quick_c_functions():
        raise RuntimeError
    assert own == (NUTPIE._make_c_logp_func, NUTPIE._make_c_expand_func)


def test_another_nutpie_compiles_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = NUTPIE._make_c_logp_func
    monkeypatch.delattr(NUTPIE, "_make_c_expand_func")
    with quick_c_functions():
        assert NUTPIE._make_c_logp_func is own
        assert not hasattr(NUTPIE, "_make_c_expand_func")
