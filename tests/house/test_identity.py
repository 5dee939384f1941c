"""Identities: equal for equal content, different for any other, and the same as in files that were saved before."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate import Truth, posterior_near

import bayescale as bs
from bayescale._identity import identity, stored_identity
from bayescale.evals import Evals

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    PLAIN, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4), max_leaves=8
)


def spelled(value: Any) -> Any:
    """Spell a value so that what differs in type or sign differs, too."""
    if isinstance(value, list):
        return ["list", *map(spelled, value)]
    if isinstance(value, dict):
        return ["dict", *sorted((k, repr(spelled(v))) for k, v in value.items())]
    return (type(value).__name__, repr(value))


@pytest.mark.heavy
@settings(max_examples=40, deadline=None)
@given(VALUES, VALUES)
def test_values_have_one_identity_if_and_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (identity(one) == identity(other)) == (spelled(one) == spelled(other))


@pytest.mark.parametrize(
    "different",
    [
        [("ab", "c"), ("a", "bc"), ("abc",), ("abc", "")],
        [(1,), (1.0,), (True,), ("1",), (b"1",), (None,), ("None",), ([1],), ([[1]],)],
        [([1, 2], 3), (1, [2, 3]), ([1, 2, 3],), (1, 2, 3), ({1: 2}, 3)],
        [(0.1,), (np.nextafter(0.1, 1),), (float("nan"),), (float("inf"),), (0.0,), (-0.0,)],
        [(np.zeros(6),), (np.zeros((2, 3)),), (np.zeros((3, 2)),), (np.zeros(6, "f4"),), (np.zeros(12, "i4"),)],
        [(np.zeros(2, [("a", "f8")]),), (np.zeros(2, [("b", "f8")]),), (np.zeros(2).tobytes(),), ([0.0, 0.0],)],
    ],
)
def test_what_looks_alike_is_distinguished(different: list[tuple[Any, ...]]) -> None:
    assert len({identity(*parts) for parts in different}) == len(different)


def test_what_is_the_same_is_the_same() -> None:
    assert identity({"a": 1, "b": [2]}) == identity({"b": (2,), "a": np.int64(1)})
    assert identity(np.float64(0.5), np.bool_(True), np.str_("x")) == identity(0.5, True, "x")
    table = np.arange(12.0).reshape(3, 4)
    assert identity(table) == identity(np.asfortranarray(table)) == identity(table.astype(">f8"))
    assert identity(table[:, ::2]) == identity(table[:, ::2].copy())


def test_specs_and_evals_are_known_by_their_own(evals: Evals) -> None:
    spec = bs.load_spec("one_factor")
    assert identity(spec) == identity(spec.replace(name="other"))
    assert identity(spec) != identity(spec.replace(factors=2)) != identity(evals)
    assert identity(spec) != identity(spec.identity)


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, np.array([object()]), pd.DataFrame({"x": [1]}), [{"a": len}]])
def test_other_values_have_none(value: Any) -> None:
    with pytest.raises(TypeError, match="has no identity"):
        identity(value)


def test_fits_that_were_kept_are_found_again() -> None:
    actual = identity("a", 1, 2.5, None, True, [b"x", {"k": (1,)}])
    assert actual == "b5edf12a0ad1f8c3436b0e1acca17be1ee0a6919ce0f10995c5f4fa6545589e3"
    assert identity(np.arange(3.0)) == "041894d7aefcca6c5832ad34bb31a68bd718e87a86fbdcdb2c4c4b517a685d38"


def test_posteriors_that_were_saved_can_be_read(simulation: tuple[Evals, Truth]) -> None:
    # The vector of FIPS 180-2, and tables with the hash that files of 0.1.0 carry.
    assert stored_identity("a", "bc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    models = pd.DataFrame({"model": ["m1", "m2"], "family": ["A", "A"], "flops": [1e22, 3e22]})
    benchmarks = pd.DataFrame({"benchmark": ["MMLU"], "items": [14042.0], "floor": [0.25]})
    scores = pd.DataFrame({"model": ["m1", "m2"], "benchmark": ["MMLU"] * 2, "score": [0.3, 0.5]})
    assert (
        Evals(models, benchmarks, scores).identity == "b2008d4476fa6296384f353f83b392329799f1f6985f62ba4f3f7b05982c36fb"
    )
    posterior = posterior_near(*simulation, bs.Spec(factors=1), chains=2, draws=20)
    assert posterior.identity == stored_identity(posterior.spec.identity + posterior.evals.identity)


def test_a_dataclass_without_identity_is_refused() -> None:
    @dataclasses.dataclass
    class Settings:
        draws: int = 1

    with pytest.raises(TypeError, match="A Settings has no identity"):
        identity(Settings())
