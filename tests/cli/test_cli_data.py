"""`bayescale data export` and `data update`: tables that ship, written to a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

import bayescale as bs
from bayescale.evals.importers.hub_tables import read_hub

HUB = Path(__file__).parents[1] / "fixtures" / "hub"


def test_export_writes_what_ships(run: Run, tmp_path: Path) -> None:
    code, out, err = run("data", "export", "base-llms", tmp_path / "mine")
    assert (code, err) == (0, "")
    assert "data validate" in out
    assert bs.read_evals(tmp_path / "mine").identity == bs.load_evals("base-llms").identity


def test_export_of_an_unknown_set(run: Run, tmp_path: Path) -> None:
    code, _, err = run("data", "export", "base-llm", tmp_path / "mine")
    assert code == 2
    assert "Did you mean 'base-llms'" in err
    assert not (tmp_path / "mine").exists()


def test_update_writes_what_the_library_makes(run: Run, tmp_path: Path) -> None:
    code, out, err = run("data", "update", HUB / "export", "--facts", HUB / "facts.yaml", "-o", tmp_path / "cli")
    assert (code, err) == (0, "")
    assert "Wrote 3 models, 3 benchmarks, 15 rows of scores" in out
    read_hub(HUB / "export", HUB / "facts.yaml").write(tmp_path / "library")
    for name in ("models.csv", "benchmarks.csv", "scores.csv"):
        assert (tmp_path / "cli" / name).read_bytes() == (tmp_path / "library" / name).read_bytes()


def test_update_stops_at_what_it_does_not_know(run: Run, tmp_path: Path) -> None:
    # The shipped facts know nothing of an invented export.
    code, _, err = run("data", "update", HUB / "export", "-o", tmp_path / "cli")
    assert code == 2
    assert "quiz_external.csv: the file" in err
    assert "--facts" in err
    assert not (tmp_path / "cli").exists()


def test_a_data_set_is_validated_by_its_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "fit --evals base-llms " in run("data", "validate", "base-llms")[1]
    # A folder of this name is meant by itself, and `--evals` needs a path to see it.
    run("data", "export", "instruct-llms", "base-llms")
    out = run("data", "validate", "base-llms")[1]
    assert "27 models" in out
    assert "fit --evals ./base-llms " in out
