"""`bayescale prior` and `bayescale check`: what they print and write is what the library says."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run

from bayescale import Evals, Posterior, Spec
from bayescale._intervals import PROB, interval_columns
from bayescale.checks import prior_predictive
from bayescale.cli import checks
from bayescale.cli.options import SEED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checks")


@pytest.fixture(scope="module")
def saved(posterior: Posterior, folder: Path) -> Path:
    return posterior.save(folder / "posterior.nc")


@pytest.fixture(scope="module")
def tables(evals: Evals, folder: Path) -> Path:
    return evals.to_directory(folder / "tables")


@pytest.fixture(scope="module")
def spec_file(folder: Path) -> Path:
    path = folder / "mine.yaml"
    path.write_text(Spec(name="mine", factors=1, family_benchmark=False, testlets=False).to_yaml())
    return path


def lines_of(out: str, names: list[str]) -> dict[str, str]:
    """The line of the printed table for each benchmark."""
    return {name: next(line for line in out.splitlines() if line.startswith(name)) for name in names}


@pytest.mark.heavy
def test_prior_prints_writes_and_draws(run: Run, spec_file: Path, tables: Path, evals: Evals, tmp_path: Path) -> None:
    picture, csv = tmp_path / "prior.png", tmp_path / "prior.csv"
    wanted = ["--evals", tables, "--draws", 20, "--random-seed", 3, "--prob", 0.8, "--csv", csv, "--plot", picture]

    code, out, err = run("prior", spec_file, *wanted)

    expected = prior_predictive(Spec.from_yaml(spec_file.read_text()), evals, draws=20, random_seed=3).summary(prob=0.8)
    assert code == 0
    assert err == f"Wrote {csv}.\nWrote {picture}.\n"
    pd.testing.assert_frame_equal(pd.read_csv(csv), interval_columns(expected), check_dtype=False)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "80% equal-tailed interval" in out
    for row in expected.itertuples():
        line = lines_of(out, evals.benchmark_names)[row.benchmark]
        assert f"{row.mean:.3f} [{row.lower:.3f}, {row.upper:.3f}]" in line
        assert line.split()[-3:] == [f"{s:.0%}" for s in (row.falling, row.flat, row.saturated)]


def test_prior_as_json(run: Run, spec_file: Path, tables: Path, evals: Evals) -> None:
    code, out, err = run("prior", spec_file, "--evals", tables, "--draws", 5, "--json")
    actual = json.loads(out)
    assert (code, err) == (0, "")
    assert (actual["spec"], actual["draws"], actual["prob"]) == ("mine", 5, 0.9)
    assert [row["benchmark"] for row in actual["benchmarks"]] == evals.benchmark_names


@pytest.mark.heavy
def test_check_prints_writes_and_draws(run: Run, saved: Path, posterior: Posterior, tmp_path: Path) -> None:
    picture, csv = tmp_path / "pit.svg", tmp_path / "check.csv"

    code, out, err = run("check", saved, "--csv", csv, "--plot", picture)

    check = posterior.predictive_check(random_seed=SEED)
    expected = check.table()
    assert code == 0
    assert f"Scores of one model together: {check.together}." in out
    assert err == f"Wrote {csv}.\nWrote {picture}.\n"
    pd.testing.assert_frame_equal(pd.read_csv(csv), expected, check_dtype=False)
    assert "<svg" in picture.read_text()
    for row in expected.itertuples():
        line = lines_of(out, posterior.evals.benchmark_names)[row.benchmark]
        assert line.rstrip().endswith(row.pit)
        assert line.split()[1:6] == [
            str(row.scores), f"{row.observed:.3f}", f"{row.replicated:.3f}", f"{row.coverage_50:.0%}",
            f"{row.coverage_90:.0%}",
        ]  # fmt: skip


def test_check_as_json(run: Run, saved: Path, posterior: Posterior) -> None:
    code, out, err = run("check", saved, "--json")
    actual = json.loads(out)
    assert (code, err) == (0, "")
    assert actual["converged"] is True
    check = posterior.predictive_check(random_seed=SEED)
    assert actual["predictive"]["together"] == check.together
    assert actual["predictive"]["large_k"] == check.large_k
    table = pd.DataFrame(actual["predictive"]["benchmarks"])
    pd.testing.assert_frame_equal(table, check.table(), check_dtype=False)


MISTAKES = [
    ("prior nope", "There is no shipped spec 'nope'"),
    ("prior nope.yaml", "There is no spec file 'nope.yaml'"),
    ("prior --evals nope", "There is no set of evals 'nope'"),
    ("prior --draws 0", "--draws"),
    ("prior --prob 90", "Did you mean 0.9?"),
    ("prior --plot {folder}", "it is a folder"),
    ("prior --plot {folder}/prior.doc", ".png"),
    ("prior --csv {folder}/none/prior.csv", "there is no folder"),
    ("check {saved} --plot {folder}/pit.doc", ".png"),
    ("check {saved} --csv {folder}/none/a.csv", "there is no folder"),
]


@pytest.mark.parametrize(("command", "words"), MISTAKES, ids=[c for c, _ in MISTAKES])
def test_a_mistake_is_one_message_and_code_2(command: str, words: str, run: Run, saved: Path, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    code, out, err = run(*(part.format(saved=saved, folder=folder) for part in command.split()))
    assert (code, out) == (2, "")
    assert err.startswith(("Error: ", "Usage: "))
    assert words in err
    assert sorted(folder.rglob("*")) == before


def test_defaults_are_those_of_the_library() -> None:
    # They stand in the command line once more so that `--help` need not load the library.
    typed = {k: p.default for k, p in inspect.signature(checks.prior).parameters.items()}
    assert typed["draws"] == inspect.signature(prior_predictive).parameters["draws"].default
    assert typed["prob"] == PROB
