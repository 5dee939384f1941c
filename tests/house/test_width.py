"""What is printed fits a terminal of 80 columns: results, their summaries, and tables of the command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run
from fake_posterior import posterior_of_dates

import bayescale as bs
from bayescale import Comparison, Posterior, PriorPredictive
from bayescale._display import WIDTH
from bayescale._tables import Table
from bayescale.cli import backtest as backtest_command
from bayescale.cli import compare as compare_command
from bayescale.cli import show
from bayescale.evaluation.backtest import Backtest

RESULTS: dict[str, Callable[[Posterior], Any]] = {
    "posterior": lambda p: p,
    "forecast": lambda p: p.forecast(["Family-A", bs.NEW_FAMILY], 1e24, random_seed=1),
    "given": lambda p: p.forecast("Family-A", 1e24, given={"bench-1": 0.6}, random_seed=1),
    "prediction": lambda p: p.predict(random_seed=1),
    "compute": lambda p: p.compute(),
    "crossing": lambda _: posterior_of_dates().when("MMLU", 0.9, random_seed=1),
    "required": lambda p: p.required_compute("bench-2", 0.6, ["Family-A", bs.NEW_FAMILY], random_seed=1),
    "efficiency": lambda p: p.efficiency(),
    "effect": lambda p: p.effect("log10_flops"),
    "emergence": lambda p: p.emergence("bench-1", random_seed=1),
    "uplift": lambda p: p.uplift("bench-1", "bench-2", random_seed=1),
    "explained": lambda p: p.explained_variance("bench-1", random_seed=1),
    "suggestion": lambda p: p.suggest_models(3, random_seed=1),
    "benchmarks": lambda p: p.suggest_benchmarks(p.forecast("Family-A", 1e24, random_seed=1), 2),
    "factors": lambda p: p.factors,
    "check": lambda p: p.predictive_check(draws=20, random_seed=1),
    "evals": lambda p: p.evals,
}


def widest(text: str) -> str:
    return max(re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines(), key=len)


@pytest.mark.parametrize("name", RESULTS)
def test_results_and_their_summaries_fit(name: str, posterior: Posterior) -> None:
    result = RESULTS[name](posterior)
    for text in (repr(result), str(result), result.summary().to_string()):
        assert len(widest(text)) <= WIDTH, widest(text)


def test_other_tables_fit(
    posterior: Posterior, prior: PriorPredictive, two_factors: Posterior, sizes: Posterior
) -> None:
    efficiency, uplift = posterior.efficiency(), posterior.uplift("bench-1", "bench-2", random_seed=1)
    tables = [
        bs.list_evals(),
        efficiency.summary(by="benchmark"),
        efficiency.summary(by="model"),
        uplift.starts_to_pay(),
        prior.summary(),
        two_factors.factors.summary(),
        sizes.compute_optimal(1e24, "Family-B", random_seed=1).summary(),
    ]
    results = (prior, two_factors.factors, sizes.compute_optimal(1e24, "Family-B", random_seed=1))
    for text in (*(table.to_string() for table in tables), *map(repr, results)):
        assert len(widest(text)) <= WIDTH, widest(text)


def test_printed_tables_have_few_digits_and_exact_values(posterior: Posterior) -> None:
    table = posterior.summary()
    assert "0." in repr(table)
    assert len(f"{table['median'][0]}") > len(repr(table[:1]).split()[-3])
    assert repr(table.head(1)) == repr(table[:1])  # what is derived from a table prints as the table


LINES = [
    "data list",
    "specs",
    "check {saved}",
    "forecast {saved} --family Family-A --family Family-B --flops 1e24 --above bench-1=0.5",
    "required-compute {saved} --above bench-2=0.6 --family Family-B --new-family",
    "predict {saved}",
    "effect {saved} log10_flops",
    "suggest {saved} --budget 3",
    "probability {saved} --above bench-1=0.5 --family Family-A --flops 1e24",
    "compute {saved}",
    "efficiency {saved}",
    "efficiency {saved} --by benchmark",
    "efficiency {saved} --by model",
    "equivalent-flops {saved}",
    "prior-sensitivity {saved} --new-family --flops 1e24",
    "emergence {saved} bench-1 --scores 0.5",
    "uplift {saved} bench-1 --baseline bench-2",
    "explained-variance {saved} bench-1",
    "factors {saved}",
    "suggest-benchmarks {saved} --model Family-A-0 --budget 1 --targets bench-2 --candidates bench-1",
]


@pytest.fixture(scope="module")
def saved(posterior: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posterior.save(tmp_path_factory.mktemp("width") / "posterior.nc")


@pytest.mark.parametrize("line", LINES)
def test_commands_fit(line: str, run: Run, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch)
    code, out, err = run(*(part.format(saved=saved) for part in line.split()))
    assert code == 0, err
    assert len(widest(out)) <= WIDTH, widest(out)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def test_long_names_leave_room_for_the_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "togethercomputer/RedPajama-INCITE-Base-3B-v1"
    row = {"model": name, "compute": "with error", "flops": 1.23e22, "equivalent flops": "1.2e+22 [1.2e+21, 3.4e+23]"}
    printed = repr(Table([row, row]))
    assert len(widest(printed)) <= WIDTH
    assert "3.4e+23" in printed
    show.plain_table(pd.DataFrame([row]))
    assert name in capsys.readouterr().out  # whole, in a pipe
    on_a_terminal(monkeypatch)
    show.plain_table(pd.DataFrame([row]))
    out = capsys.readouterr().out
    assert len(widest(out)) <= WIDTH
    first, second = (line.split()[0] for line in out.splitlines() if line.split()[:1] and line.split()[0] in name)
    assert first + second == name


@pytest.mark.heavy
def test_tables_of_evaluations_fit(
    result: Backtest,
    comparison: Comparison,
    prior: PriorPredictive,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_a_terminal(monkeypatch)
    backtest_command._print_tables(result)
    show.prior_table(prior.summary(), 0.9)
    # A comparison as large as they come: of single scores, models and families.
    widths = {"large_k": 0.05, "p_loo": 456.7, "weight": 0.5, "dse_model": 45.6, "dse_family": 45.6}
    widths |= {"difference_model": -123.4, "difference_family": -123.4}
    row = {name: widths.get(name, -1234.5) for name in compare_command.COLUMNS}
    table = pd.DataFrame([row], pd.Index(["one_factor"], name="spec"))
    show.plain_table(show.formatted(table, compare_command.COLUMNS))
    out = capsys.readouterr().out
    assert len(widest(out)) <= WIDTH, widest(out)
    assert len(widest(repr(comparison))) <= WIDTH
    assert len(widest(repr(result))) <= WIDTH
