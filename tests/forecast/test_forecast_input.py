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
