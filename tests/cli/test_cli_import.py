"""`bayescale import`: what it writes is what the library makes, and it says what it took, skipped and misses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run

import bayescale as bs
from bayescale.evals.importers import import_evals

RESULTS = Path(__file__).parents[1] / "fixtures" / "lm_eval"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "scores.csv"
    path.write_text("model,family,MMLU,Quiz,Remark\nmine-1,Mine,0.5,0.25,x\nmine-2,,0.625,,\n")
    return path


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "mapping.yaml"
    path.write_text("benchmarks:\n  MMLU: MMLU\n  Quiz: {benchmark: My quiz, items: 40, floor: 0.25}\n")
    return path


def test_it_writes_what_the_library_makes(run: Run, tmp_path: Path) -> None:
    code, out, err = run("import", "lm-eval", RESULTS, "-o", tmp_path / "cli")
    assert (code, err) == (0, "")
    import_evals("lm-eval", RESULTS).write(tmp_path / "library")
    assert "arc_challenge acc of lab/tiny-1b" in (tmp_path / "cli" / "import_account.txt").read_text()
    names = sorted(p.name for p in (tmp_path / "library").iterdir())
    assert names == ["benchmarks.csv", "models.csv", "models_to_fill.csv", "scores.csv"]
    for name in names:
        assert (tmp_path / "cli" / name).read_bytes() == (tmp_path / "library" / name).read_bytes()
    for words in ("arc_challenge acc_norm", "lower is better", "part of mmlu", "their floor is 0", "3 models"):
        assert words in out


def test_the_way_from_a_table_to_evals(run: Run, table: Path, mapping: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    code, out, _ = run("import", "wide", table, "--mapping", mapping, "-o", folder)
    assert code == 0
    assert "1 of them without a family" in out
    assert run("data", "validate", folder)[0] == 2
    # The command that is printed is the one to run, once the template is filled in.
    template = folder / "models_to_fill.csv"
    pd.read_csv(template).assign(family="Mine", flops=[1e22, 1e23]).to_csv(template, index=False)
    (printed,) = [line for line in out.splitlines() if "--into" in line]
    code, out, err = run("import", *printed.split(" import ")[1].split())
    assert (code, err) == (0, "")
    assert "data validate" in out
    evals = bs.read_evals(folder)
    assert evals.models["flops"].tolist() == [1e22, 1e23]
    assert evals.benchmarks.set_index("benchmark").loc["My quiz", ["items", "floor"]].tolist() == [40, 0.25]


def test_conflicts_are_reported_and_nothing_is_overwritten(
    run: Run, table: Path, mapping: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tables"
    run("import", "wide", table, "-m", mapping, "-o", folder)
    table.write_text("model,family,flops,MMLU,Quiz\nmine-1,Other,1e22,0.75,0.25\nmine-3,New,,0.5,0.5\n")
    code, _, err = run("import", "wide", table, "-m", mapping, "--into", folder)
    assert code == 0
    assert "2 conflict(s)" in err
    assert "models, mine-1, family: Mine is kept, Other is not" in err
    assert "scores, mine-1 on MMLU, score: 0.5 is kept, 0.75 is not" in err
    models = pd.read_csv(folder / "models.csv").set_index("model")
    scores = pd.read_csv(folder / "scores.csv").set_index(["model", "benchmark"])["score"]
    assert models.loc["mine-1", ["family", "flops"]].tolist() == ["Mine", 1e22]
    assert models.index.tolist() == ["mine-1", "mine-2", "mine-3"]
    assert scores["mine-1", "MMLU"] == 0.5
    assert scores["mine-3", "My quiz"] == 0.5
    assert len(scores) == 5


def test_importing_twice_changes_nothing(run: Run, table: Path, mapping: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    run("import", "wide", table, "-m", mapping, "-o", folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    code, _, err = run("import", "wide", table, "-m", mapping, "--into", folder)
    assert (code, err) == (0, "")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_columns_and_remarks_of_ones_own_survive_a_merge(run: Run, table: Path, mapping: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    run("import", "wide", table, "-m", mapping, "-o", folder)
    scores = pd.read_csv(folder / "scores.csv").assign(remark="checked")
    scores.to_csv(folder / "scores.csv", index=False)
    table.write_text("model,family,MMLU,Quiz\nmine-3,Mine,0.5,\n")
    run("import", "wide", table, "-m", mapping, "--into", folder)
    merged = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    assert merged["remark"].tolist() == ["checked", "checked", "checked", ""]


def test_json_says_the_same(run: Run, table: Path, mapping: Path, tmp_path: Path) -> None:
    code, out, err = run("import", "wide", table, "-m", mapping, "-o", tmp_path / "tables", "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert said["tool"] == "wide"
    assert [t["benchmark"] for t in said["taken"]] == ["MMLU", "My quiz"]
    assert [s["what"] for s in said["skipped"]] == ["Remark"]
    assert [m["model"] for m in said["to_fill"]] == ["mine-1", "mine-2"]
    assert said["conflicts"] == []


def test_facts_of_models_that_are_wrong_are_told_with_their_lines(run: Run, table: Path, tmp_path: Path) -> None:
    facts = tmp_path / "facts.csv"
    facts.write_text("model,family,params_b,flops\nmine-1,Mine,seven,25\nmine-2,,,\n")
    code, _, err = run("import", "wide", table, "-o", tmp_path / "tables", "--models", facts)
    assert code == 2
    assert "facts.csv line 2, column params_b: 'seven'" in err
    assert "facts.csv line 2, column flops: 25" in err
    assert "family" not in err
    assert not (tmp_path / "tables").exists()


MISTAKES = [
    ("import wide {table}", "either --out DIR"),
    ("import wide {table} -o {tmp}/a --into {tmp}/b", "either --out DIR"),
    ("import wide {tmp}/none.csv -o {tmp}/a", "no file or folder"),
    ("import wide {table} --mapping open-llm-leaderbord-2 -o {tmp}/a", "Did you mean 'open-llm-leaderboard-2'"),
    ("import wide {table} --mapping {tmp}/none.yaml -o {tmp}/a", "no mapping file"),
    ("import wide {table} --models {tmp}/none.csv -o {tmp}/a", "no such file"),
    ("import epoch {table} -o {tmp}/a", "no column of scores"),
    ("import lm-eval {tmp} -o {tmp}/a", "Nothing in"),
    ("import csv {table}", "csv"),
]


@pytest.mark.parametrize(("command", "words"), MISTAKES, ids=[c for c, _ in MISTAKES])
def test_a_mistake_is_one_message_and_nothing_is_written(
    command: str, words: str, run: Run, table: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(*(part.format(table=table, tmp=tmp_path) for part in command.split()))
    assert (code, out) == (2, "")
    assert err.startswith(("Error: ", "Usage: "))
    assert words in err
    assert sorted(tmp_path.rglob("*")) == before


def test_tables_that_are_there_are_not_replaced(run: Run, table: Path, tmp_path: Path) -> None:
    run("import", "wide", table, "-o", tmp_path / "tables")
    before = (tmp_path / "tables" / "scores.csv").read_bytes()
    code, _, err = run("import", "wide", table, "-o", tmp_path / "tables")
    assert code == 2
    assert "--into" in err
    assert (tmp_path / "tables" / "scores.csv").read_bytes() == before


def test_damaged_tables_are_not_merged_into(run: Run, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    run("import", "wide", table, "-o", folder)
    (folder / "scores.csv").write_text("model,benchmark,score\nmine-1,MMLU,half\n")
    (folder / "benchmarks.csv").write_text("name\nMMLU\n")
    code, _, err = run("import", "wide", table, "--into", folder)
    assert code == 2
    assert "scores.csv line 2, column score: 'half'" in err
    assert "benchmarks.csv line 1, column benchmark" in err


def test_the_account_of_any_folder_fits_a_screen(run: Run, tmp_path: Path) -> None:
    for i in range(60):
        result = {f"task_{i}_{k}": {"acc": 0.5, "f1": 0.5} for k in range(3)}
        content = {"results": result, "model_name": f"lab/m{i}"} if i % 3 else {"a": i}
        (tmp_path / f"file_{i}.json").write_text(json.dumps(content))
        (tmp_path / f"again_{i}.json").write_text(json.dumps(content | {"date": 1.7e9 + i}))
    (tmp_path / "broken.json").write_text("{")
    code, out, _ = run("import", "lm-eval", tmp_path, "-o", tmp_path / "tables")
    assert code == 0
    assert len(out.splitlines()) <= 40
    skipped = out.split("Skipped:")[1].split("Notes:")[0].strip().splitlines()
    assert all(".json" in line for line in skipped)
    whole = (tmp_path / "tables" / "import_account.txt").read_text()
    assert all(f"again_{i}.json" in whole or f"file_{i}.json" in whole for i in range(60))


def test_with_a_data_set_that_ships(run: Run, table: Path, mapping: Path, tmp_path: Path) -> None:
    code, _, err = run("import", "wide", table, "-m", mapping, "--with", "base-llms", "-o", tmp_path / "tables")
    assert code == 0
    assert "base-llms adds" in err
    scores = pd.read_csv(tmp_path / "tables" / "scores.csv")
    assert len(scores) == len(bs.load_evals("base-llms")) + 3
    # Public models of unknown compute are nobody's to fill in.
    assert pd.read_csv(tmp_path / "tables" / "models_to_fill.csv")["model"].tolist() == ["mine-1", "mine-2"]


def test_models_from_the_names_of_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wren-1b.json").write_text('{"results": {"quiz": {"acc": 0.5}}}')
    code, _, err = run("import", "lm-eval", tmp_path, "-o", tmp_path / "tables")
    assert code == 2
    assert "--model-from-path" in err
    assert run("import", "lm-eval", tmp_path, "--model-from-path", "-o", tmp_path / "tables")[0] == 0
    assert pd.read_csv(tmp_path / "tables" / "models.csv")["model"].tolist() == ["wren-1b"]
