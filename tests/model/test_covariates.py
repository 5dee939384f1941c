"""Columns of the models table as covariates: their kinds, units and unknown values, and what is refused."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from simulate import simulate

from bayescale.errors import EvalsError, SpecError
from bayescale.evals import Evals
from bayescale.model import model_data
from bayescale.model.covariates import decimal_year, read_covariates
from bayescale.model.data import covariate_prior
from bayescale.model.spec import Spec


def table(**columns: list) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    names = [f"model {i}" for i in range(count)]
    models = pd.DataFrame({"model": names, "family": "F", "flops": 1e23} | columns)
    return Evals(
        models,
        pd.DataFrame({"benchmark": ["b"]}),
        pd.DataFrame({"model": names, "benchmark": "b", "score": 0.5}),
    ).models


@pytest.mark.parametrize(
    ("cells", "kind", "values", "scale"),
    [
        (["true", "False", "yes", "no"], "flag", [0.5, -0.5, 0.5, -0.5], 1),
        ([True, False, False, False], "flag", [0.75, -0.25, -0.25, -0.25], 1),
        ([1, 0, 0, 1], "flag", [0.5, -0.5, -0.5, 0.5], 1),
        ([4096, 8192, 8192, 4096], "number", [-1, 1, 1, -1], 2048),
        (["2", "", "4", "6"], "number", [-1.224745, np.nan, 0, 1.224745], np.sqrt(8 / 3)),
        (["3", "3", "3", "3"], "number", [0, 0, 0, 0], 1),
        (["2023-07-02", "2023-07-02", "2025-07-02", "2025-07-02"], "date", [-1, -1, 1, 1], 1),
    ],
)
def test_columns_are_typed_centred_and_scaled_by_what_they_hold(
    cells: list, kind: str, values: list[float], scale: float
) -> None:
    (column,), x = read_covariates(["extra"], table(extra=cells))
    assert (column.kind, column.source) == (kind, "extra")
    assert column.scale == pytest.approx(scale)
    np.testing.assert_allclose(x[:, 0], values, atol=1e-6)
    np.testing.assert_array_equal(column.known, np.isfinite(values))
    assert column.standardised(column.centre) == 0


def test_dates_are_decimal_years_at_the_middle_of_what_is_known() -> None:
    assert decimal_year("2023-01-01") == pytest.approx(2023 + 0.5 / 365)
    assert decimal_year("2024-12-31") == pytest.approx(2024 + 365.5 / 366)
    assert decimal_year("2023-12") == pytest.approx(2023 + (334 + 15.5) / 365)
    assert decimal_year(2023) == decimal_year("2023") == 2023.5
    assert decimal_year("2026.25") == 2026.25
    for day in (date(2025, 3, 1), pd.Timestamp("2025-03-01"), np.datetime64("2025-03-01")):
        assert decimal_year(day) == decimal_year("2025-03-01")
    for wrong in ("soon", "2024-13", "2024-02-30", "24-01-01", 12):
        with pytest.raises(ValueError):  # noqa: PT011 - its reader says what is wrong
            decimal_year(wrong)


def test_the_kind_of_a_model_stands_for_instruct() -> None:
    columns, x = read_covariates(["instruct"], table(kind=["base", "instruct"]))
    assert columns[0].kind == "flag"
    assert x.ravel().tolist() == [-0.5, 0.5]


def test_all_cells_that_cannot_be_read_are_listed_at_once() -> None:
    models = table(
        reasoning=["true", "maybe", "false", "true"],
        released=["2024-01", "2024-01-05", "spring", "later"],
        lab=["A", "B", "B", "A"],
    )
    with pytest.raises(EvalsError) as caught:
        read_covariates(["reasoning", "released", "lab", "reasonin"], models)
    assert str(caught.value).splitlines() == [
        "Models table, column reasoning: 'maybe' of model 1 is neither true nor false.",
        "Models table, column released: 'spring' of model 2 is no date such as 2024-07-23 or 2024-07.",
        "Models table, column released: 'later' of model 3 is no date such as 2024-07-23 or 2024-07.",
        "Models table, column lab holds words, such as 'A': a covariate has numbers, dates, or true and false.",
        "Covariate 'reasonin' is not in the models table. Did you mean 'reasoning' or 'released'? Known: code, "
        "instruct, lab, log10_flops, log10_params, log10_tokens, reasoning, released.",
    ]


def test_unknown_values_need_a_prior_of_their_own() -> None:
    evals, _ = simulate()
    dates = ["2024-05-01"] * len(evals.model_names)
    dates[2] = dates[5] = ""
    evals = Evals(evals.models.assign(released=dates, reasoning=dates), evals.benchmarks, evals.scores)
    spec = Spec(factors=1, covariates=["log10_flops", "released"])
    names = f"{evals.model_names[2]}, {evals.model_names[5]}"
    message = rf"released is unknown for 2 models: {names}\. Fill .*latent_covariate\[released\].* in years"
    with pytest.raises(EvalsError, match=message):
        model_data(spec, evals)
    spec = spec.replace(priors={"latent_covariate[released]": "Normal(0.5, 0.7)"})
    mean, sd = covariate_prior(spec, model_data(spec, evals))
    assert mean[2].tolist()[1] == 0.5
    assert sd[[1, 2], 1].tolist() == pytest.approx([0, 0.7])
    assert sd[np.isnan(evals.models["flops"].to_numpy()), 0].tolist() == pytest.approx(
        [1.5] * evals.models["flops"].isna().sum()
    )


def test_a_flag_cannot_be_latent() -> None:
    evals, _ = simulate()
    flags = ["true", "", *["false"] * (len(evals.model_names) - 2)]
    evals = Evals(evals.models.assign(reasoning=flags), evals.benchmarks, evals.scores)
    priors = {"latent_covariate[reasoning]": "Normal(0, 1)"}
    with pytest.raises(EvalsError, match=r"reasoning is unknown for 1 models: .*Fill reasoning.*\(evals.select\)\.$"):
        model_data(Spec(factors=1, covariates=["log10_flops", "reasoning"], priors=priors), evals)


def test_priors_by_name_are_read_and_written_and_change_the_identity() -> None:
    covariates = ["log10_flops", "released", "log10_flops:released"]
    spec = Spec(covariates=covariates, priors={"slope[released]": "Normal(0, 1)"})
    assert [repr(prior) for prior in spec.slope_priors] == [f"Normal(mu=0, sigma={s})" for s in (2, 1, 2)]
    assert Spec.from_yaml(spec.to_yaml()) == spec
    assert "slope[released]" in str(spec)
    assert spec.identity != Spec(covariates=covariates).identity
    assert spec.replace(priors={"slope": "Normal(0, 3)"}).slope_priors[1] == spec.slope_priors[1]
    assert spec.rotation_invariant
    assert not spec.replace(priors={"slope[released]": "Normal(0.5, 1)"}).rotation_invariant


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"covariates": ["log10_flop"]}, "no covariate 'log10_flop'. Did you mean 'log10_flops'"),
        ({"covariates": ["log10_flops", "family"]}, "no covariate 'family'.*column of numbers, dates or flags"),
        ({"covariates": ["released", "released:reasoning"]}, "both of its covariates: add reasoning"),
        ({"priors": {"slope[released]": "Normal(0, 1)"}}, r"no covariate 'released'.*slope\[released\] is the prior"),
        ({"priors": {"family_sd[released]": "HalfNormal(1)"}}, "no prior 'family_sd"),
        (
            {"covariates": ["released"], "priors": {"slope[released]": "HalfNormal(1)"}},
            r"slope\[released\]: .*takes both signs",
        ),
        (
            {"covariates": ["released"], "priors": {"latent_covariate[released]": "StudentT(3, 0, 1)"}},
            r"latent_covariate\[released\] must be a Normal",
        ),
    ],
)
def test_specs_that_do_not_fit_together_are_refused(values: dict, message: str) -> None:
    with pytest.raises(SpecError, match=f"(?s){message}"):
        Spec(**values)
