"""The command `compare`: what it asks of the library, prints and writes. Fits are draws around the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run
from simulate import simulation_spec

from bayescale.evals import Evals
from bayescale.methods import Posterior


@pytest.fixture
def tables(evals: Evals, fits: list[tuple[str, int, int]], tmp_path: Path) -> Path:
    """Folder with the simulated tables and the spec of the simulation."""
    for name, table in {"models": evals.models, "benchmarks": evals.benchmarks, "scores": evals.scores}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "mine.yaml").write_text(simulation_spec().replace(name="mine").to_yaml())
    return tmp_path


@pytest.fixture(name="run")
def run_compare(run: Run, tables: Path) -> Run:
    """Compare specs on the tables, the one in the folder first: exit code, stdout, stderr."""

    def command(*arguments: object) -> tuple[int, str, str]:
        target = tables / "out"
        return run("compare", tables / "mine.yaml", "--evals", tables, "--jobs", 1, *arguments, "-o", target)

    return command


@pytest.mark.heavy
def test_a_scan_of_a_prior_prints_a_table_and_writes_everything(run: Run, tables: Path) -> None:
    question = ("--family", "Family-B", "--flops", "1e25")
    code, out, err = run("--priors", "slope=Normal(0, 5)", "--leave-out", "model", "--folds", 2, *question)
    assert code == 0
    assert re.search(r"elpd .*\n.*model", out)
    assert "elpd\nfamily" not in re.sub(r" +", "", out)
    # Nobody watches a pipe.
    assert " of 2" not in err
    folder = tables / "out"
    assert sorted(p.name for p in folder.iterdir()) == [
        "comparison.csv", "elpd.png", "fits", "forecasts.csv", "forecasts.png", "mine.nc",
        "slope_Normal_mu_0_sigma_5.nc",
    ]  # fmt: skip
    table = pd.read_csv(folder / "comparison.csv")
    assert set(table["spec"]) == {"mine", "slope Normal(mu=0, sigma=5)"}
    assert pd.read_csv(folder / "forecasts.csv").groupby("spec")["benchmark"].count().tolist() == [5, 5]
    assert Posterior.load(folder / "mine.nc").spec.name == "mine"


@pytest.mark.heavy
def test_without_refits_there_is_loo_alone(run: Run, tables: Path) -> None:
    code, out, _ = run("--leave-out", "none")
    assert code == 0
    assert "models" not in out
    assert not (tables / "out" / "forecasts.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--factors", "one"), "'one' is not a number or of the form A-B"),
        (("--factors", "1", "--priors", "slope=Normal(0, 1)"), "either --factors or --priors"),
        (("--priors", "slope"), "'slope' is not of the form NAME=PRIOR"),
        (("--priors", "slop=Normal(0, 1)"), "slope"),
        (("--family", "Family-B"), "a forecast needs compute"),
        (("--flops", "1e25"), "give the family of the model"),
        (("--leave-out", "cell"), "'cell' is none of model, family"),
        (("--folds", "90"), "models have scores. Take fewer folds"),
    ],
)
def test_mistakes_are_said_in_a_sentence(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err
