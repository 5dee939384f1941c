"""Effects of covariates against equations by hand, on draws around a known truth; and what stands beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from simulate import posterior_near, rise, simulate, simulation_spec

from bayescale._intervals import interval_columns
from bayescale.errors import ForecastError
from bayescale.methods import Posterior

RELEASED, COMPUTE, REASONING = range(3)


@pytest.fixture
def slopes(dated: Posterior) -> np.ndarray:
    """Logits per unit of each covariate (S, covariate, benchmark)."""
    draws = dated.draws
    return np.einsum("sbk,sck->scb", draws.loading, draws.slope) + np.swapaxes(draws.benchmark_slope, 1, 2)


def flat(values: object) -> np.ndarray:
    array = values.transpose("chain", "draw", ...).to_numpy()  # type: ignore[attr-defined]
    return array.reshape((-1, *array.shape[2:]))


@pytest.mark.parametrize(("covariate", "row"), [("released", RELEASED), ("reasoning", REASONING)])
def test_logits_and_compute_are_those_of_the_slopes(
    dated: Posterior, slopes: np.ndarray, covariate: str, row: int
) -> None:
    effect, draws = dated.effect(covariate), dated.draws
    np.testing.assert_allclose(flat(effect.logits), slopes[:, row], rtol=1e-9)
    steep = np.quantile(slopes[:, COMPUTE], 0.05, axis=0) > 0
    assert steep.any()
    ratio = np.where(steep, slopes[:, row] / slopes[:, COMPUTE], np.nan)
    np.testing.assert_allclose(flat(effect.benchmark_log10_compute), ratio, rtol=1e-9)
    moved, compute = (np.einsum("sbk,sk->sb", draws.loading, draws.slope[:, c]) for c in (row, COMPUTE))
    overall = (moved * compute).sum(axis=1) / (compute**2).sum(axis=1)
    np.testing.assert_allclose(flat(effect.log10_compute), overall, rtol=1e-9)


def test_points_are_of_the_model_that_is_named(dated: Posterior, slopes: np.ndarray) -> None:
    effect = dated.effect("reasoning", family="Family-B", flops=3e23, released="2024-05-01")
    assert effect.at == "a typical model of Family-B, released 2024.33, 3e+23 FLOP"
    assert effect.change == "true in place of false"
    draws, columns = dated.draws, dated.draws.data.columns
    flags = dated.evals.models["reasoning"] == "True"
    years = 2024 + (31 + 29 + 31 + 30 + 0.5) / 366
    x = np.array([years - columns[RELEASED].centre, np.log10(3e23) - columns[COMPUTE].centre, -flags.mean()])
    family = dated.evals.families.index("Family-B")
    capability = x @ draws.slope + draws.family_offset[:, family]
    logit = np.einsum("sbk,sk->sb", draws.loading, capability) - draws.difficulty
    logit += draws.benchmark_slope @ x + draws.family_benchmark[:, family]
    before, after = (rise(at, draws.curve_shape) for at in (logit, logit + slopes[:, REASONING]))
    np.testing.assert_allclose(flat(effect.points), (1 - draws.floor) * (after - before), rtol=1e-6, atol=1e-12)


def test_ten_times_the_compute_is_one_decade(dated: Posterior) -> None:
    effect = dated.effect("log10_flops")
    np.testing.assert_allclose(effect.log10_compute, 1)
    assert effect.change == "ten times the compute"
    assert effect.at.startswith("a typical model of a new family, released 2024.")
    assert effect.at.endswith("not reasoning")


def test_the_summary_begins_with_all_benchmarks(dated: Posterior) -> None:
    effect = dated.effect("reasoning")
    table = effect.summary(prob=0.8)
    assert table["benchmark"].tolist() == ["all benchmarks", *dated.evals.benchmark_names] * 3
    logits, points, compute = (part.reset_index() for _, part in table.groupby("measure", sort=False))
    mean = flat(effect.logits).mean(axis=1)
    assert logits["median"][0] == pytest.approx(np.median(mean))
    assert logits["lower"][0] == pytest.approx(np.quantile(mean, 0.1))
    assert points["upper"][2] == pytest.approx(np.quantile(flat(effect.points)[:, 1], 0.9))
    assert compute["median"][0] == pytest.approx(np.median(flat(effect.log10_compute)))
    assert logits["positive"][1] == pytest.approx((flat(effect.logits)[:, 0] > 0).mean())
    assert "decades of compute" in repr(effect)


def test_without_a_compute_equivalent_there_are_logits_and_points() -> None:
    evals, truth = simulate()
    covariates = ("log10_params", "log10_tokens", "log10_params:log10_tokens")
    fitted = posterior_near(evals, truth, simulation_spec(covariates=covariates))
    effect = fitted.effect("log10_params", tokens=1e13)
    table = effect.summary()
    assert table[table["measure"] == "log10_compute"][["median", "positive"]].isna().all(axis=None)
    assert "compute" not in repr(effect)
    assert effect.change == "ten times the parameters"
    # With an interaction the effect depends on the other covariate.
    more = fitted.effect("log10_params", tokens=1e14)
    other = (
        np.einsum("sbk,sk->sb", fitted.draws.loading, fitted.draws.slope[:, 2]) + fitted.draws.benchmark_slope[..., 2]
    )
    np.testing.assert_allclose(flat(more.logits - effect.logits), other, rtol=1e-6)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: p.effect("reasonin"), "not in the spec 'custom'. Did you mean 'reasoning'"),
        (lambda p: p.effect("released", context=3), "Covariate 'context' is not in the spec 'custom'"),
        (lambda p: p.effect("reasoning", reasoning=True), "true in place of false: leave reasoning= out"),
        (lambda p: p.effect("reasoning", released="soon"), "'soon' is no date"),
        (lambda p: p.effect("reasoning", flops=[1e23, 1e24]), "give one value"),
        (lambda p: p.effect("reasoning", family="Family-X"), "Family 'Family-X' is not in the fitted data"),
        (lambda p: p.effect("reasoning").plot(measure="score"), "Known: log10_compute, logits, points"),
    ],
)
def test_mistakes_say_what_exists(dated: Posterior, ask: object, message: str) -> None:
    with pytest.raises(ForecastError, match=message):
        ask(dated)  # type: ignore[operator]


@pytest.mark.parametrize("measure", ["logits", "points", "log10_compute"])
def test_a_plot_has_a_row_for_every_benchmark(dated: Posterior, measure: str) -> None:
    ax = dated.effect("reasoning").plot(measure=measure)
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows[0] == "all benchmarks"
    assert set(rows[1:]) <= set(dated.evals.benchmark_names)
    assert ax.get_title(loc="left") == "Effect of reasoning: true in place of false"


@pytest.mark.heavy
def test_the_command_prints_and_writes_what_the_library_says(run: Run, dated: Posterior, tmp_path: Path) -> None:
    saved, csv, picture = dated.save(tmp_path / "p.nc"), tmp_path / "e.csv", tmp_path / "e.png"
    asked = ["effect", saved, "reasoning", "--family", "Family-A", "--flops", "1e23", "--released", "2024-05"]
    expected = dated.effect("reasoning", "Family-A", flops=1e23, released="2024-05").summary()
    code, out, _ = run(*asked, "--csv", csv, "--plot", picture)
    assert code == 0
    assert f"{expected['median'][0]:+.2f}" in out
    assert picture.exists()
    pd.testing.assert_frame_equal(pd.read_csv(csv), interval_columns(expected))
    code, out, _ = run(*asked, "--json")
    assert json.loads(out)["effects"][1]["benchmark"] == "bench-1"
    code, _, err = run(*asked, "--set", "reasoning")
    assert code == 2
    assert "NAME=VALUE" in err
