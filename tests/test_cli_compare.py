"""The command `compare`: what it asks of the library, prints and writes. Fits are draws around the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from simulate import world_spec

from bayescale.cli import main
from bayescale.evals import Evals
from bayescale.posterior import Posterior


@pytest.fixture
def tables(evals: Evals, fits: list[tuple[str, int, int]], tmp_path: Path) -> Path:
    """Folder with the simulated tables and a spec of that world."""
    for name, table in {"models": evals.models, "benchmarks": evals.benchmarks, "scores": evals.scores}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "mine.yaml").write_text(world_spec().replace(name="mine").to_yaml())
    return tmp_path


def run(tables: Path, *arguments: str) -> int:
    out = tables / "out"
    return main(
        ["compare", str(tables / "mine.yaml"), "--data", str(tables), "--jobs", "1", *arguments, "-o", str(out)]
    )


def test_a_scan_of_a_prior_prints_a_table_and_writes_everything(
    tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = ("--family", "Family-B", "--flops", "1e25")
    assert run(tables, "--prior", "slope=Normal(0, 5)", "--leave-out", "model", "--folds", "2", *question) == 0
    out, err = capsys.readouterr()
    assert re.search(r"elpd .*\n.*models", out)
    assert "families" not in out
    # Nobody watches a pipe.
    assert " of 2" not in err
    folder = tables / "out"
    assert sorted(p.name for p in folder.iterdir()) == [
        "comparison.csv", "elpd.png", "forecasts.csv", "forecasts.png", "mine.nc", "slope_Normal_mu_0_sigma_5.nc",
    ]  # fmt: skip
    table = pd.read_csv(folder / "comparison.csv")
    assert set(table["spec"]) == {"mine", "slope Normal(mu=0, sigma=5)"}
    assert pd.read_csv(folder / "forecasts.csv").groupby("spec")["benchmark"].count().tolist() == [5, 5]
    assert Posterior.load(folder / "mine.nc").spec.name == "mine"


def test_without_refits_there_is_loo_alone(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tables, "--leave-out", "none") == 0
    assert "models" not in capsys.readouterr().out
    assert not (tables / "out" / "forecasts.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--factors", "one"), "'one' is not a number or of the form A-B"),
        (("--factors", "1", "--prior", "slope=Normal(0, 1)"), "either --factors or --prior"),
        (("--prior", "slope"), "'slope' is not of the form NAME=PRIOR"),
        (("--prior", "slop=Normal(0, 1)"), "slope"),
        (("--family", "Family-B"), "a forecast needs compute"),
        (("--flops", "1e25"), "say whose model it is"),
        (("--leave-out", "cell"), "'cell' is none of model, family"),
        (("--folds", "90"), "models have scores. Take fewer folds"),
    ],
)
def test_mistakes_are_said_in_a_sentence(
    tables: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tables, *arguments) == 2
    assert message in capsys.readouterr().err
