"""What the examples of docstrings run on: `posterior` and `comparison`, without sampling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FAKES = ("posterior", "comparison")


@pytest.fixture(scope="session")
def example_posterior() -> Any:
    """The default spec on eight families, as `fake_posterior` draws it."""
    from fake_posterior import example_evals, rough_posterior

    return rough_posterior("default", example_evals())


@pytest.fixture(scope="session")
def example_comparison(example_posterior: Any) -> Any:
    """The default spec beside the one with a single factor, and a question to both."""
    from fake_posterior import rough_comparison

    return rough_comparison(example_posterior)


@pytest.fixture(autouse=True)
def _example(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctest_namespace: dict[str, Any]
) -> Iterator[None]:
    """Give an example the values that it uses, and a folder of its own to write to."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    import matplotlib.pyplot as plt
    from drafts import save_drafts

    code = "".join(example.source for example in request.node.dtest.examples)
    for name in FAKES:
        if name in code:
            doctest_namespace[name] = request.getfixturevalue(f"example_{name}")
    save_drafts(monkeypatch)
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")
