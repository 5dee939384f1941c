"""Chains are what runs at once: while they are sampled, linear algebra has one thread, and afterwards its own again."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import nutpie
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

fit = importlib.import_module("bayescale.inference.sample")
SETTINGS: dict[str, Any] = {"tune": 1, "chains": 4, "cores": 2, "target_accept": 0.8, "seed": 1, "progressbar": False}


def threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("draws", [10, 5], ids=["to the end", "interrupted"])
def test_no_chain_waits_for_the_matrix_products_of_another(draws: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def sample(*_: Any, **__: Any) -> Any:
        seen.append(threads())
        return {"posterior": SimpleNamespace(sizes={"draw": draws})}

    monkeypatch.setattr(nutpie, "sample", sample)
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        if draws < 10:
            with pytest.raises(KeyboardInterrupt):
                fit._sample(SimpleNamespace(n_dim=1), draws=10, **SETTINGS)
        else:
            fit._sample(SimpleNamespace(n_dim=1), draws=10, **SETTINGS)
        assert seen == [{1}]
        assert threads() == before
    assert before == {2}
