"""Refused forecast input: families and mappings of scores of the wrong type raise an error that names them."""

from __future__ import annotations

import pytest

from bayescale.errors import ForecastError
from bayescale.methods import Posterior


@pytest.mark.parametrize("family", [3, [1, 2], b"Family-A"])
def test_what_is_not_a_family_is_refused(posterior: Posterior, family: object) -> None:
    with pytest.raises(ForecastError, match="is not the name of a family"):
        posterior.forecast(family=family, flops=1e24)  # type: ignore[arg-type]


def test_given_must_be_a_mapping(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match="must map benchmarks to scores"):
        posterior.forecast(family=posterior.evals.families[0], flops=1e24, given=["MMLU"])  # type: ignore[arg-type]


def test_one_model_may_be_asked_for_by_its_name(posterior: Posterior) -> None:
    name = posterior.evals.model_names[0]
    assert posterior.expected_scores(name)["model"].to_numpy().tolist() == [name]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"params": 1e5, "tokens": 1e6}, "make 6e[+]11 FLOP, which is no language model's"),
        ({"params": 1e15, "tokens": 1e18}, "make 6e[+]33 FLOP"),
        ({"flops": 1e30, "params": 1e6}, "flops and params make 1.67e[+]23 training tokens"),
        ({"flops": 1e25, "params": 1e9, "tokens": 1e12}, "flops=1e[+]25 contradicts"),
    ],
)
def test_sizes_that_make_no_model_or_disagree_are_refused(
    posterior: Posterior, sizes: dict[str, float], message: str
) -> None:
    with pytest.raises(ForecastError, match=message):
        posterior.forecast(family="Family-A", **sizes)
