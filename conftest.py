"""What the examples of docstrings run on, made without sampling: posteriors and a comparison.

It stands at the root because the examples are in the package, which needs no tests when it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

FAKES = ("posterior", "comparison", "posterior_of_sizes", "posterior_of_dates")


@pytest.fixture(scope="session")
def example_posterior() -> Any:
    """The default spec on eight families, as `fake_posterior` draws it."""
    from fake_posterior import example_evals, rough_posterior

    return rough_posterior("default", example_evals())


@pytest.fixture(scope="session")
def example_posterior_of_sizes() -> Any:
    """The same families under a spec of parameters, tokens and their interaction."""
    from fake_posterior import example_evals, rough_posterior

    from bayescale import load_spec

    covariates = ("log10_params", "log10_tokens", "log10_params:log10_tokens")
    return rough_posterior(load_spec("params_and_tokens").replace(covariates=covariates), example_evals())


@pytest.fixture(scope="session")
def example_posterior_of_dates() -> Any:
    """Makers of the frontier under the spec of dates, with their undisclosed compute."""
    from fake_posterior import posterior_of_dates

    return posterior_of_dates()


@pytest.fixture(scope="session")
def example_comparison(example_posterior: Any) -> Any:
    """The default spec beside the one with a single factor, and a question to both."""
    from fake_posterior import rough_comparison

    return rough_comparison(example_posterior)


@pytest.fixture(autouse=True)
def _example(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give an example the values that it uses, and a folder of its own to write to."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    import matplotlib.pyplot as plt
    from drafts import save_drafts

    code = "".join(example.source for example in request.node.dtest.examples)
    for name in FAKES:
        if name in code:
            request.getfixturevalue("doctest_namespace")[name] = request.getfixturevalue(f"example_{name}")
    patch = request.getfixturevalue("monkeypatch")
    save_drafts(patch)
    patch.chdir(request.getfixturevalue("tmp_path"))
    yield
    plt.close("all")
