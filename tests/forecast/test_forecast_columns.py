"""Forecasts from columns as covariates: how they are given, what is refused, and the quantities built on them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from bayescale import NEW_FAMILY
from bayescale.errors import ForecastError
from bayescale.forecast.query import read_query
from bayescale.methods import Posterior
from bayescale.report import live_forecast

FACTS = {"flops": 1e24, "released": "2026-12", "reasoning": True}


def test_covariates_are_centred_as_those_of_the_models(dated: Posterior) -> None:
    data = dated.draws.data
    row = 0  # its own covariates, given as a forecast's
    model = dated.evals.models.iloc[row]
    facts = {"flops": model["flops"], "released": model["released"], "reasoning": model["reasoning"]}
    query = read_query(dated.spec, data, model["family"], facts)
    np.testing.assert_allclose(query.covariates, data.covariates[[row]])
    ways = ("2026-12", date(2026, 12, 16), 2026 + 349.5 / 365, np.datetime64("2026-12-16"))
    queries = [read_query(dated.spec, data, NEW_FAMILY, FACTS | {"released": way}).covariates for way in ways]
    np.testing.assert_allclose(np.concatenate(queries), queries[0].repeat(4, axis=0), atol=1e-9)


def test_one_value_serves_all_models_or_each_has_its_own(dated: Posterior) -> None:
    forecast = dated.forecast(
        ["Family-A", NEW_FAMILY], 1e24, released=["2026-12", date(2027, 3, 1)], reasoning=[True, False], random_seed=0
    )
    draws = forecast.draws
    assert draws["model"].to_numpy().tolist() == [
        "Family-A, released 2026-12, 1e+24 FLOP, reasoning",
        "new family, released 2027-03-01, 1e+24 FLOP, not reasoning",
    ]
    assert draws["released"].to_numpy().tolist() == ["2026-12", "2027-03-01"]
    assert draws["reasoning"].to_numpy().tolist() == [True, False]
    assert forecast.to_pandas()["reasoning"].tolist()[:1] == [True]


def test_forecasts_move_by_the_effect_of_what_changes(dated: Posterior) -> None:
    """With a seed the noise is the same: a score rises where the slope of its logit is positive."""
    facts = {"family": "Family-A", "flops": 1e23, "released": "2024-01", "random_seed": 0}
    draws = dated.draws
    slope = np.einsum("sbk,sk->sb", draws.loading, draws.slope[:, 2]) + draws.benchmark_slope[..., 2]
    one, two = (dated.forecast(reasoning=r, **facts).draws["expected_score"].to_numpy() for r in (False, True))
    np.testing.assert_array_equal((two > one).reshape(slope.shape), slope > 0)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"flops": 1e24, "released": "2026-12"}, "predicts from released, log10_flops, reasoning: say reasoning=, too"),
        ({"flops": 1e24}, "say released= and reasoning=, too .*--set NAME=VALUE"),
        ({"released": "2026-12", "reasoning": True}, "Say how much training compute"),
        (FACTS | {"reasonin": 1}, "Covariate 'reasonin' is not in the spec 'custom'. Did you mean 'reasoning'"),
        (FACTS | {"reasoning": "maybe"}, "reasoning='maybe': 'maybe' is neither true nor false. Give True or False"),
        (FACTS | {"released": "Christmas"}, "'Christmas' is no date .*Give a date such as '2026-12'"),
        (FACTS | {"released": []}, "released=.* is no date"),
        (FACTS | {"released": ["2026-12", "2027-01"], "family": ["Family-A"] * 3}, "released has 2 values where 3"),
    ],
)
def test_mistakes_say_what_is_wanted(dated: Posterior, facts: dict, message: str) -> None:
    with pytest.raises(ForecastError, match=message):
        dated.forecast(**{"family": "Family-A"} | facts)


def test_a_spec_without_the_column_refuses_it(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match=r"Covariate 'released' is not in the spec .*Known: flops, params, tokens"):
        posterior.forecast("Family-A", 1e24, released="2026-12")


def test_known_scores_condition_a_forecast(dated: Posterior) -> None:
    known = dated.forecast("Family-A", given={"bench-1": 0.6}, random_seed=0, **FACTS)
    assert known.effective_draws > 100
    assert known.plot_intervals().get_xlim()[1] > 1


def test_the_fan_is_of_the_other_covariates_of_the_forecast(dated: Posterior) -> None:
    forecast = dated.forecast("Family-A", random_seed=0, **FACTS)
    ax = forecast.plot_fan("bench-1")
    (line,) = (line for line in ax.lines if line.get_label() == "Family-A")
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    median = forecast.summary().set_index("benchmark")["median"]["bench-1"]
    assert np.interp(24, np.log10(x), y) == pytest.approx(median, abs=0.02)


def test_families_are_compared_at_equal_date_and_kind(dated: Posterior) -> None:
    """Multipliers are of the offsets alone; the compute of a single model is that at its own date and kind."""
    draws, efficiency = dated.draws, dated.efficiency("Family-A")
    compute = np.einsum("sbk,sk->sb", draws.loading, draws.slope[:, 1])
    offset = np.einsum("sbk,sfk->sfb", draws.loading, draws.family_offset)
    worth = (offset * compute[:, None]).sum(axis=2) / (compute**2).sum(axis=1)[:, None]
    actual = efficiency.log10_multiplier.transpose("chain", "draw", "family").to_numpy()
    np.testing.assert_allclose(actual.reshape(worth.shape), worth - worth[:, :1], atol=1e-9)

    others = draws.covariate[..., [0, 2]] @ draws.slope[:, [0, 2]]
    logits = np.einsum("sbk,smk->smb", draws.loading, draws.capability - others)
    own = (logits * compute[:, None]).sum(axis=2) / (compute**2).sum(axis=1)[:, None] - worth[:, :1]
    flops = efficiency.equivalent_flops(of="single").transpose("chain", "draw", "model").to_numpy()
    expected = own + draws.data.columns[1].centre
    np.testing.assert_allclose(np.log10(flops).reshape(expected.shape), expected, atol=1e-9)


def test_a_curve_over_compute_is_at_the_covariates_of_the_family(dated: Posterior) -> None:
    draws, family = dated.draws, 1
    curve = dated.emergence("bench-2", "Family-B", random_seed=0)
    x = draws.covariate[:, draws.data.family_index == family].mean(axis=1)
    x[:, 1] = 0
    capability = np.einsum("sc,sck->sk", x, draws.slope) + draws.family_offset[:, family]
    level = (draws.loading[:, 1] * capability).sum(axis=1) - draws.difficulty[:, 1]
    level += (draws.benchmark_slope[:, 1] * x).sum(axis=1) + draws.family_benchmark[:, family, 1]
    np.testing.assert_allclose(curve.draws["level"].to_numpy().ravel(), level, atol=1e-9)


def test_shares_of_variance_need_all_covariates_or_a_model(dated: Posterior) -> None:
    assert dated.explained_variance("bench-1", ["bench-2"], random_seed=0, **FACTS).sd > 0
    model = dated.evals.model_names[1]  # of unknown date
    assert dated.explained_variance("bench-1", ["bench-2"], model=model, random_seed=0).sd > 0
    with pytest.raises(ForecastError, match="Say flops= and reasoning=, or model="):
        dated.explained_variance("bench-1", ["bench-2"], random_seed=0)


def test_a_report_forecasts_from_all_covariates(dated: Posterior) -> None:
    live = live_forecast(dated, 60, random_seed=0)
    table = live.summary("Family-A", **FACTS)
    assert table["median"].between(0, 1).all()


def test_the_command_line_takes_the_same(run: Run, dated: Posterior, tmp_path: Path) -> None:
    saved = dated.save(tmp_path / "p.nc")
    asked = ["forecast", saved, "--family", "Family-A", "--flops", "1e24", "--random-seed", 0, "--json"]
    several = ["--released", "2026-12", "--set", "reasoning=true", "--set", "reasoning=false"]
    code, out, _ = run(*asked, *several)
    expected = dated.forecast("Family-A", 1e24, released="2026-12", reasoning=[True, False], random_seed=0).to_pandas()
    rows = json.loads(out)["forecasts"]
    assert code == 0
    assert [row["median"] for row in rows] == pytest.approx(expected["median"].tolist())
    assert rows[0]["reasoning"] is True
    code, _, err = run(*asked, "--set", "reasoning=true")
    assert code == 2
    assert "say --released, too" in err
