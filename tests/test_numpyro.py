"""How the NumPyro sampler is asked to run its chains; JAX itself is stood in for."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from bayescale.evals import Evals
from bayescale.spec import Spec

fit = importlib.import_module("bayescale.fit")


@pytest.mark.parametrize(("devices", "method"), [(1, "vectorized"), (2, "vectorized"), (4, "parallel")])
def test_no_chain_waits_for_another(devices: int, method: str, monkeypatch: pytest.MonkeyPatch, evals: Evals) -> None:
    """With fewer devices than chains NumPyro runs them in turn, unless they are to run at once."""
    asked: dict[str, Any] = {}
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(local_device_count=lambda: devices))
    monkeypatch.setitem(sys.modules, "numpyro", SimpleNamespace())
    monkeypatch.setattr(importlib.import_module("bayescale.model.jax_ops"), "register", lambda: None)
    monkeypatch.setattr(fit, "_pymc", lambda spec, evals, **given: asked.update(given))
    fit._numpyro(Spec(factors=1), evals, chains=4, cores=2, draws=10, tune=10, seed=1)
    assert asked["nuts_sampler_kwargs"] == {"chain_method": method}
    assert (asked["chains"], asked["fixed"]) == (4, True)
