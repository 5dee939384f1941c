"""Wide tables of models by benchmarks, exports of the Open LLM Leaderboard among them."""

from __future__ import annotations

import builtins
import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayescale as bs
from bayescale.errors import EvalsError, MissingDependencyError
from bayescale.evals.importers import import_evals

OBSSCALING = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "obsscaling"

# The columns of the dataset open-llm-leaderboard/contents, in its order; the rows are made up.
LEADERBOARD = (
    "eval_name,Precision,Type,T,Weight type,Architecture,Model,fullname,Model sha,Average ⬆️,Hub License,Hub ❤️,"
    "#Params (B),Available on the hub,MoE,Flagged,Chat Template,CO₂ cost (kg),IFEval Raw,IFEval,BBH Raw,BBH,"
    "MATH Lvl 5 Raw,MATH Lvl 5,GPQA Raw,GPQA,MUSR Raw,MUSR,MMLU-PRO Raw,MMLU-PRO,Merged,Official Providers,"
    "Upload To Hub Date,Submission Date,Generation,Base Model"
)


def leaderboard_row(**cells: object) -> dict[str, object]:
    row = dict.fromkeys(LEADERBOARD.split(","), "")
    row |= {"Precision": "bfloat16", "Type": "🟢 pretrained", "Upload To Hub Date": "2024-05-11", "#Params (B)": 7.242}
    row |= {"IFEval Raw": 0.33, "BBH Raw": 0.36, "MATH Lvl 5 Raw": 0.0125, "GPQA Raw": 0.2592, "MUSR Raw": 0.38}
    row |= {"MMLU-PRO Raw": 0.1164, "MMLU-PRO": 1.82, "Average ⬆️": 8.9}
    return row | cells


@pytest.fixture
def leaderboard(tmp_path: Path) -> Path:
    rows = [
        leaderboard_row(fullname="lab/tiny-7b"),
        leaderboard_row(fullname="lab/tiny-7b", Precision="float16", **{"GPQA Raw": 0.27}),
        leaderboard_row(fullname="lab/tiny-7b-chat", Type="💬 chat models (RLHF, DPO, IFT, ...)"),
        leaderboard_row(fullname="lab/odd", Type="❓ other", **{"#Params (B)": -1, "BBH Raw": ""}),
    ]
    path = tmp_path / "contents.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_an_export_of_the_open_llm_leaderboard(leaderboard: Path) -> None:
    imported = import_evals("wide", leaderboard, mapping="open-llm-leaderboard-2")
    scores = imported.scores.set_index(["model", "benchmark"])["score"]
    assert scores["lab/tiny-7b", "LB2 GPQA"] == 0.2592
    assert scores["lab/tiny-7b", "LB2 MMLU-Pro"] == 0.1164
    assert ("lab/odd", "LB2 BBH") not in scores.index
    facts = imported.benchmarks.set_index("benchmark")
    assert facts.loc["LB2 GPQA", "items"] == 1192
    assert facts.loc["LB2 MMLU-Pro", "floor"] == 0.1
    # The leaderboard's IFEval is another average than the one that ships, so it is a benchmark of its own.
    assert facts.loc["LB2 IFEval (mean)", "testlet"] == "LB2 IFEval"
    models = imported.models.set_index("model")
    assert models.loc["lab/tiny-7b", ["kind", "params_b", "released"]].tolist() == ["base", 7.242, "2024-05-11"]
    assert models.loc["lab/tiny-7b-chat", "kind"] == "instruct"
    assert models.loc["lab/odd", "kind"] == ""
    assert np.isnan(models.loc["lab/odd", "params_b"])


def test_what_an_export_holds_beside_scores_is_accounted_for(leaderboard: Path) -> None:
    imported = import_evals("wide", leaderboard, mapping="open-llm-leaderboard-2")
    skipped = imported.skipped.set_index("what")["reason"]
    read = {"fullname", "#Params (B)", "Type", "Upload To Hub Date"}
    scores = {c for c in LEADERBOARD.split(",") if c.endswith("Raw")}
    assert set(LEADERBOARD.split(",")) == read | scores | (set(skipped.index) & set(LEADERBOARD.split(",")))
    # Precision float16 is a second row of one model.
    assert sum("another result of this model" in r for r in imported.skipped["reason"]) == 6
    notes = "\n".join(imported.notes)
    assert "❓ other" in notes
    assert "params_b is left blank" in notes


def test_rows_are_chosen_by_where(leaderboard: Path) -> None:
    mapping = {
        "columns": {"model": "fullname"},
        "benchmarks": {"GPQA Raw": "LB2 GPQA"},
        "where": {"Type": ["🟢 pretrained"], "Precision": ["bfloat16"]},
    }
    imported = import_evals("wide", leaderboard, mapping=mapping)
    assert imported.models["model"].tolist() == ["lab/tiny-7b"]
    told = imported.skipped.query("reason.str.contains('where')")
    assert told["what"].tolist() == ["1 row", "1 row", "1 row"]
    assert "Precision is 'float16'" in " ".join(told["reason"])


def test_columns_called_as_benchmarks_need_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "model,family,flops,MMLU,HellaSwag,mmlu,Notes\nmine-1,Mine,1e22,0.5,,0.4,x\nmine-2,Mine,1e23,0.6,0.8,0.4,\n"
    )
    imported = import_evals("wide", path)
    assert imported.taken["benchmark"].tolist() == ["MMLU", "HellaSwag"]
    # Another spelling is another name: nothing is matched because it looks alike.
    assert set(imported.skipped["what"]) == {"mmlu", "Notes"}
    assert imported.to_fill.empty
    evals = imported.evals("mine")
    assert evals.n_scores == 3
    assert evals.benchmarks.set_index("benchmark").loc["MMLU", ["items", "floor"]].tolist() == [14042, 0.25]


def test_percentages_are_skipped_with_the_remedy_and_read_with_a_scale(tmp_path: Path) -> None:
    path = tmp_path / "percent.csv"
    path.write_text("model,MMLU,GSM8K\na,50,12.5\nb,1,0\n")
    # A cell of 1 or less has the unit of its column: it is no share among percentages.
    with pytest.raises(EvalsError, match=r"(?s)MMLU: outside \[0, 1\]: 50.*scale: 100.*GSM8K: .*12\.5.*scale: 100"):
        import_evals("wide", path)
    scaled = import_evals("wide", path, mapping={"scale": 100})
    assert scaled.scores["score"].tolist() == [0.5, 0.125, 0.01, 0.0]
    one = {"benchmarks": {"GSM8K": {"benchmark": "GSM8K", "scale": 100}}}
    assert import_evals("wide", path, mapping=one).scores.query("benchmark == 'GSM8K'")["score"].tolist() == [0.125, 0]


def test_standard_errors_beside_the_scores(tmp_path: Path) -> None:
    path = tmp_path / "errors.csv"
    path.write_text(f"model,Quiz,Quiz error\na,40,{100 * (0.24 / 99) ** 0.5}\nb,100,0\n")
    mapping = {"benchmarks": {"Quiz": {"benchmark": "Quiz", "stderr": "Quiz error", "floor": 0.2}}, "scale": 100}
    imported = import_evals("wide", path, mapping=mapping)
    assert imported.benchmarks["items"].tolist() == [100]
    assert imported.scores["stderr"].tolist() == pytest.approx([(0.24 / 99) ** 0.5, 0])


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("name,MMLU\na,0.5\n")
    (tmp_path / "two.csv").write_text("model,MMLO\na,0.5\n")
    with pytest.raises(EvalsError) as caught:
        import_evals(
            "wide", tmp_path, mapping={"benchmarks": {"MMLU": "MMLU", "Score": "X"}, "columns": {"family": "Lab"}}
        )
    for words in ("one.csv", "two.csv", "'model'", "'Score'", "'Lab'", "Did you mean 'MMLO'"):
        assert words in str(caught.value)


def test_cells_that_are_no_numbers_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text("model,MMLU\na,0.5\nb,n/a\n,0.3\nc,nan\n")
    imported = import_evals("wide", path)
    assert imported.models["model"].tolist() == ["a"]
    assert set(imported.skipped["reason"]) == {"not a number: 'n/a'", "names no model"}


def test_parquet_and_csv_give_the_same(leaderboard: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (pip install 'bayescale[parquet]')")
    table = pd.read_csv(leaderboard)
    table.to_parquet(tmp_path / "contents.parquet")
    from_csv = import_evals("wide", leaderboard, mapping="open-llm-leaderboard-2")
    from_parquet = import_evals("wide", tmp_path / "contents.parquet", mapping="open-llm-leaderboard-2")
    for name in ("models", "benchmarks"):
        pd.testing.assert_frame_equal(getattr(from_parquet, name), getattr(from_csv, name))
    pd.testing.assert_frame_equal(from_parquet.scores.drop(columns="source"), from_csv.scores.drop(columns="source"))


def test_parquet_without_pyarrow_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    actual = builtins.__import__

    def without(name: str, *more: Any, **settings: Any) -> Any:
        if name.split(".")[0] in ("pyarrow", "fastparquet"):
            raise ImportError(name)
        return actual(name, *more, **settings)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(pd, "read_parquet", lambda path: without("pyarrow"))
    with pytest.raises(MissingDependencyError, match=r"bayescale\[parquet\]"):
        import_evals("wide", tmp_path / "a.parquet")


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
shares = st.none() | st.floats(0, 1)


@settings(max_examples=15, deadline=None)
@given(
    models=st.lists(names, unique=True, min_size=1, max_size=5),
    benchmarks=st.lists(names.map("b ".__add__), unique=True, min_size=1, max_size=4),
    data=st.data(),
)
def test_a_wide_table_survives_the_way_to_tables_and_back(
    models: list[str], benchmarks: list[str], data: st.DataObject
) -> None:
    cells = {(m, b): data.draw(shares) for m in models for b in benchmarks}
    observed = {cell: value for cell, value in cells.items() if value is not None}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["model", "family", *benchmarks])
    writer.writerows([m, "F", *("" if (v := cells[m, b]) is None else repr(v) for b in benchmarks)] for m in models)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.csv"
        path.write_text(text.getvalue(), encoding="utf-8")
        mapping = {"benchmarks": {b: b for b in benchmarks}}
        if not observed:
            with pytest.raises(EvalsError, match="Nothing"):
                import_evals("wide", path, mapping=mapping)
            return
        import_evals("wide", path, mapping=mapping).write(Path(folder) / "out")
        evals = bs.read_evals(Path(folder) / "out")
    back = {(r.model, r.benchmark): r.score for r in evals.scores.itertuples()}
    assert back == observed


@pytest.mark.skipif(
    not OBSSCALING.is_dir(), reason="the paper's tables lie beside the repository only where it is developed"
)
def test_a_table_of_the_paper_gives_the_scores_that_ship() -> None:
    mapping = {
        "columns": {"model": "Model"},
        "benchmarks": {"MMLU": "MMLU", "HellaSwag": "HellaSwag", "Winograd": "Winogrande"},
    }
    imported = import_evals("wide", OBSSCALING / "base_llm_benchmark_eval.csv", mapping=mapping)
    ours = bs.load_evals("base-llms").scores.set_index(["model", "benchmark"])["score"]
    actual = imported.scores.set_index(["model", "benchmark"])["score"]
    both = actual.index.intersection(ours.index)
    assert len(both) > 200
    np.testing.assert_allclose(actual[both], ours[both], atol=1e-9)
    assert imported.to_fill["family"].ne("").all()
