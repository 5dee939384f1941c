"""`--json`: one document on standard output and nothing else, whatever the command."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_lines import COMMANDS
from conftest import Run
from fake_posterior import posterior_of_dates
from simulate import posterior_near, simulation_spec

from bayescale import Evals, Posterior

FIXTURES = Path(__file__).parents[1] / "fixtures"

# How each command is called, and what its document holds at least.
CALLS: dict[tuple[str, ...], tuple[str, set[str]]] = {
    ("specs",): ("", {"specs"}),
    ("data", "list"): ("", {"evals"}),
    ("data", "validate"): ("{tables}", {"usable", "problems", "models", "benchmarks", "scores"}),
    ("data", "export"): ("base-llms {new}", {"name", "folder", "models", "benchmarks", "scores"}),
    ("data", "update"): (
        "{hub}/export --facts {hub}/facts.yaml -o {new}",
        {"folder", "models", "benchmarks", "scores", "account", "few"},
    ),
    ("import", "lm-eval"): ("{lm_eval} -o {new}", {"taken", "skipped", "to_fill", "conflicts", "notes"}),
    ("import", "lighteval"): ("{lm_eval} -o {new}", {"taken", "skipped", "to_fill", "conflicts", "notes"}),
    ("import", "every-eval-ever"): ("{record} -o {new}", {"taken", "skipped", "to_fill", "conflicts", "notes"}),
    ("import", "inspect"): ("{inspect} -o {new}", {"taken", "skipped", "to_fill", "conflicts", "notes"}),
    ("import", "wide"): ("{wide} -o {new}", {"taken", "skipped", "to_fill", "conflicts", "notes"}),
    ("import", "long"): ("{epoch} -o {new}", {"taken", "skipped", "to_fill", "conflicts", "notes"}),
    ("import", "epoch"): ("{epoch} -o {new}", {"taken", "skipped", "to_fill", "conflicts", "notes"}),
    ("prior",): ("{spec} --evals {tables} --draws 20", {"benchmarks", "prob", "interval"}),
    ("fit",): (
        "{spec} --evals {tables} --random-seed 1 --save {new}.nc",
        {"converged", "blocks", "problems", "sampling", "file"},
    ),
    ("check",): ("{saved}", {"converged", "blocks", "problems", "predictive"}),
    ("forecast",): ("{saved} --new-family --flops 1e25", {"forecasts", "prob", "interval", "converged"}),
    ("predict",): ("{saved} --models Family-A-0", {"rows", "prob", "interval", "converged"}),
    ("required-compute",): ("{saved} --above bench-1=0.6 --new-family", {"rows", "probability", "prob", "converged"}),
    ("probability",): (
        "{saved} --above bench-1=0.6 --family Family-A --flops 1e25",
        {"probabilities", "above", "converged"},
    ),
    ("compute-optimal",): ("{sizes} --flops 1e24 --family Family-B", {"rows", "at_edge", "prob", "converged"}),
    ("efficiency",): ("{saved} --reference Family-B", {"rows", "reference", "no_slope", "prob", "converged"}),
    ("equivalent-flops",): ("{saved} --reference Family-B", {"rows", "prob", "converged"}),
    ("emergence",): ("{saved} bench-1 --scores 0.6", {"rows", "benchmark", "family", "prob", "converged"}),
    ("uplift",): ("{saved} bench-1 --baseline bench-2", {"rows", "baseline", "family", "prob", "converged"}),
    ("prior-sensitivity",): ("{saved} --family Family-A --flops 1e25", {"benchmarks", "converged"}),
    ("explained-variance",): ("{saved} bench-1 --benchmarks bench-2", {"rows", "together", "sd_left", "converged"}),
    ("factors",): ("{saved}", {"rows", "prob", "interval", "converged"}),
    ("compute",): ("{saved}", {"rows", "prob", "interval", "converged"}),
    ("progress",): ("{dates}", {"rows", "prob", "interval", "converged"}),
    ("when",): ("{dates} --above MMLU=0.9", {"rows", "until", "prob", "converged"}),
    ("suggest-benchmarks",): (
        "{saved} --model Family-A-0 --budget 1 --candidates bench-1 --targets bench-2",
        {"rows", "least", "converged"},
    ),
    ("report",): ("{saved} --html {new}.html", {"file", "bytes", "converged"}),
    ("effect",): ("{saved} log10_flops", {"effects", "change", "at", "converged"}),
    ("suggest",): ("{saved} --budget 2", {"models", "least", "converged"}),
    ("demo",): ("-o {new}", {"forecasts", "prob", "interval", "files"}),
    ("backtest",): ("pc_2 --baselines none --tasks leaderboard_v2/gpqa -o {new}", {"tables", "scores", "methods"}),
    ("compare",): (
        "{spec} --evals {tables} --leave-out model --folds 2 --jobs 1 --family Family-B --flops 1e25 -o {new}",
        {"specs", "forecasts", "left_out"},
    ),
}


@pytest.fixture(scope="module")
def folder(posterior: Posterior, sizes: Posterior, evals: Evals, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json")
    posterior.save(folder / "posterior.nc")
    sizes.save(folder / "sizes.nc")
    posterior_of_dates().save(folder / "dates.nc")
    evals.to_directory(folder / "tables")
    (folder / "mine.yaml").write_text(simulation_spec().replace(name="mine").to_yaml())
    (folder / "epoch.csv").write_text("Model version,task,mean_score,stderr\nm-1,Quiz,0.5,0.02\nm-2,Quiz,0.6,0.02\n")
    (folder / "record.json").write_text(
        '{"model_info": {"id": "lab/m-1"}, "evaluation_results": [{"evaluation_name": "Quiz", '
        '"metric_config": {"lower_is_better": false}, "score_details": {"score": 0.5}}]}'
    )
    (folder / "wide.csv").write_text("model,family,flops,MMLU\nm-1,M,1e22,0.5\nm-2,M,,0.6\n")
    return folder


@pytest.fixture
def no_sampling(fits: Any, posterior: Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits are draws around the truth, those of `demo` too, whose forecasts are of families in these tables."""
    monkeypatch.setattr(importlib.import_module("bayescale.evals"), "load_evals", lambda name: posterior.evals)
    monkeypatch.setattr(importlib.import_module("bayescale.model.spec"), "load_spec", lambda name: simulation_spec())
    forecasts = (("Family-A", 1e25), ("Family-B", 1e25))
    monkeypatch.setattr(importlib.import_module("bayescale.cli.demo"), "FORECASTS", forecasts)


def values(document: Any) -> Iterator[Any]:
    if isinstance(document, dict | list):
        for part in document.values() if isinstance(document, dict) else document:
            yield from values(part)
    else:
        yield document


def test_all_commands_are_called_here() -> None:
    assert set(CALLS) == set(COMMANDS)


@pytest.mark.parametrize("command", CALLS, ids=" ".join)
def test_one_document_and_nothing_else(
    command: tuple[str, ...], run: Run, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for extra in {"report": ["bokeh", "jinja2"], "inspect": ["inspect_ai"]}.get(command[-1], []):
        pytest.importorskip(extra)
    if command[0] in ("fit", "compare", "demo"):
        request.getfixturevalue("no_sampling")
    arguments, keys = CALLS[command]
    places = {
        "tables": folder / "tables", "saved": folder / "posterior.nc", "sizes": folder / "sizes.nc",
        "dates": folder / "dates.nc",
        "spec": folder / "mine.yaml",
        "wide": folder / "wide.csv", "new": tmp_path / "new", "lm_eval": FIXTURES / "lm_eval", "hub": FIXTURES / "hub",
        "inspect": FIXTURES / "inspect", "epoch": folder / "epoch.csv", "record": folder / "record.json",
    }  # fmt: skip
    code, out, err = run(*command, *arguments.format(**places).split(), "--json")
    assert code in (0, 1), err
    document = json.loads(out, parse_constant=pytest.fail)
    assert set(document) >= keys
    actual = list(values(document))
    # A number is a number, and what is missing is null.
    assert not any(isinstance(v, str) and v.lower() in ("nan", "inf", "<na>", "nat") for v in actual)
    assert all(math.isfinite(v) for v in actual if isinstance(v, float))
    assert any(isinstance(v, int | float) for v in actual)


def test_tables_with_errors_are_a_document_too(run: Run, folder: Path, evals: Evals, tmp_path: Path) -> None:
    bad = evals.to_directory(tmp_path / "bad")
    with (bad / "scores.csv").open("a") as file:
        file.write(f"{evals.model_names[0]},nothing,57.3,x\n")
    code, out, err = run("data", "validate", bad, "--json")
    document = json.loads(out)
    assert code == 2
    assert err.startswith("Error: ")
    assert document["usable"] is False
    problem = next(p for p in document["problems"] if p["value"] == 57.3)
    assert (problem["table"], problem["column"], problem["severity"]) == ("scores", "score", "error")
    assert "percentage" in problem["message"]


@pytest.mark.heavy
def test_a_comparison_warns_of_specs_that_did_not_converge(run: Run, folder: Path, tmp_path: Path, fits: Any) -> None:
    code, out, _ = run(
        "compare", folder / "mine.yaml", "--evals", folder / "tables", "--leave-out", "none", "--jobs", 1,
        "-o", tmp_path / "new", "--json",
    )  # fmt: skip
    (row,) = json.loads(out)["specs"]
    assert code == 0
    assert row["spec"] == "mine"
    assert "warning" in row
    assert isinstance(row["elpd_loo"], float)


def test_a_fit_that_did_not_converge_warns_beside_the_document(
    run: Run, folder: Path, simulation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = posterior_near(*simulation, simulation_spec(), chains=2, draws=20)
    monkeypatch.setattr(importlib.import_module("bayescale.methods"), "fit", lambda *_, **__: few)
    code, out, err = run("fit", "--evals", folder / "tables", "--save", tmp_path / "p.nc", "--json")
    assert code == 0
    assert json.loads(out)["converged"] is False
    assert "did not converge" in err
