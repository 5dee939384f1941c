"""Chains are what runs at once: while they are sampled, linear algebra has one thread, and afterwards its own again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import nutpie
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from bayescale.evals import Evals
from bayescale.inference import compile as compiled
from bayescale.methods import fit
from bayescale.model.spec import Spec


class SamplerError(Exception):
    """What a sampler may raise."""


def threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("end", [SamplerError, KeyboardInterrupt], ids=["an error", "interrupted"])
def test_no_chain_waits_for_the_matrix_products_of_another(
    end: type[BaseException], evals: Evals, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def sample(*_: Any, **__: Any) -> Any:
        seen.append(threads())
        if end is SamplerError:
            raise SamplerError
        # nutpie answers Ctrl-C with the draws so far.
        return {"posterior": SimpleNamespace(sizes={"draw": 5})}

    monkeypatch.setattr(nutpie, "sample", sample)
    monkeypatch.setattr(compiled, "compiled_for", lambda coordinates: None)
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with pytest.raises(end):
            fit(Spec(factors=1), evals, draws=10, tune=1, chains=4, cores=2, random_seed=1, progressbar=False)
        assert seen == [{1}]
        assert threads() == before
    assert before == {2}
