"""Faults that wrong figures came from: each file here has the form of a real one, with invented values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bayescale.errors import EvalsError, EvalsWarning
from bayescale.evals.importers import Imported, import_evals
from bayescale.evals.importers.assemble import assemble_tables
from bayescale.evals.importers.base import Names, load_mapping
from bayescale.evals.importers.inspect_logs import read_frame, unlisted_logs
from bayescale.evals.validation import find_implausible

ARC = {"arc_challenge": {"acc,none": 0.33, "acc_norm,none": 0.36, "acc_norm_stderr,none": 0.014}}


def run_of(model: str | None = "lab/wren", results: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    run = {"results": ARC if results is None else results, "n-shot": {"arc_challenge": 25}, **parts}
    return run if model is None else run | {"model_name": model}


def write(folder: Path, **runs: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, run in runs.items():
        (folder / f"{name}.json").write_text(json.dumps(run))
    return folder


def cells(imported: Imported) -> dict[tuple[str, str], float]:
    """Return the scores that count: the first of each model and benchmark."""
    rows = imported.scores.drop_duplicates(["model", "benchmark"])
    return {(r.model, r.benchmark): r.score for r in rows.itertuples()}


def scored(value: float) -> dict[str, Any]:
    return {"arc_challenge": {"acc_norm,none": value}}


# Units


def test_a_column_has_one_unit(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("model,MMLU,GSM8K\na,0.25,0.4\nb,0.61,31.5\n")
    imported = import_evals("wide", table)
    assert set(imported.scores["benchmark"]) == {"MMLU"}
    assert imported.skipped["model"].tolist() == ["a", "b"]
    assert "scale: 100" in imported.skipped["reason"].iloc[0]


def test_minutes_are_no_shares_even_if_some_are_below_one(tmp_path: Path) -> None:
    (tmp_path / "horizon.csv").write_text("Model version,Score\na,0.5\nb,250\n")
    (tmp_path / "quiz.csv").write_text("Model version,Score\na,0.5\n")
    assert set(import_evals("epoch", tmp_path).scores["benchmark"]) == {"quiz"}


def test_metrics_in_percent_are_none_in_any_file(tmp_path: Path) -> None:
    higher = {"higher_is_better": {"translation": {"bleu": True}}}
    runs = {m: run_of(m, {"translation": {"bleu,none": v}}, **higher) for m, v in {"a": 0.7, "b": 27.0}.items()}
    with pytest.raises(EvalsError, match="one column has one unit"):
        import_evals("lm-eval", write(tmp_path / "runs", **runs))


# Tables


def test_a_separator_at_the_end_of_rows_shifts_nothing(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("model,MMLU,GSM8K\na,0.25,0.02,\nb,0.5,0.1,\n")
    assert cells(import_evals("wide", table))["a", "MMLU"] == 0.25


@pytest.mark.parametrize("row", ["a,0.25,0.02,0.3", "a,0.25"])
def test_rows_of_another_length_are_refused_with_their_line(row: str, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"model,MMLU,GSM8K\nb,0.5,0.1\n{row}\n")
    with pytest.raises(EvalsError, match=r"line 3 has \d cells, the header 3.*Columns would shift"):
        import_evals("wide", table)


FORMATS = {
    "decimal_comma.csv": 'model,MMLU\na,"0,25"\nb,"0,5"\n',
    "semicolons.csv": "model;MMLU\na;0,25\nb;0,5\n",
    "tabs.tsv": "model\tMMLU\na\t0.25\nb\t0.5\n",
    "tabs.csv": "model\tMMLU\na\t0.25\nb\t0.5\n",
    "blanks.csv": " model , MMLU \n a , 0.25 \n b , 0.5 \n",
    "percent.csv": "model,MMLU\na,25%\nb,50 %\n",
    "errors.csv": "model,MMLU\na,0.25 ± 0.01\nb,0.5+/-0.02\n",
    "numbered.csv": ",model,MMLU\n0,a,0.25\n1,b,0.5\n",
    "index.csv": ",MMLU\na,0.25\nb,0.5\n",
    "case.csv": "Model,MMLU\na,0.25\nb,0.5\n",
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spellings_of_a_table(name: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMATS[name], encoding=encoding)
    assert cells(import_evals("wide", tmp_path / name)) == {("a", "MMLU"): 0.25, ("b", "MMLU"): 0.5}


def test_what_follows_the_sign_is_the_standard_error(tmp_path: Path) -> None:
    frame = pd.DataFrame({"model": ["a", "b"], "MMLU": ["25 ± 1%", "50 ± 2%"]})
    assert import_evals("wide", frame).scores["stderr"].tolist() == [0.01, 0.02]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('model,MMLU\na,"1.000,5"\n', "decimal points"),
        ('model,MMLU\na,"1,319"\n', "decimal points"),
        ("model,MMLU\na,25%\nb,0.5\n", "write all of them in one unit"),
    ],
)
def test_spellings_that_can_mean_two_things_are_refused_with_the_remedy(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(EvalsError, match=words):
        import_evals("wide", tmp_path / "table.csv")


def test_a_table_without_rows_or_benchmarks_says_so(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("model,MMLU\n")
    for tool in ("wide", "epoch"):
        with pytest.raises(EvalsError, match="has no rows"):
            import_evals(tool, tmp_path / "table.csv")
    with pytest.raises(EvalsError, match="no column of benchmarks"):
        import_evals("long", pd.DataFrame({"model": ["a"], "score": [0.5]}))


def test_another_encoding_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes("model,MMLU\ncrème,0.5\n".encode("latin-1"))
    with pytest.raises(EvalsError, match="line 2 is not UTF-8 text: save the file as 'CSV UTF-8'"):
        import_evals("wide", tmp_path / "table.csv")


def test_one_odd_table_does_not_stop_a_folder(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("model,MMLU\na,0.5\n")
    (tmp_path / "odd.csv").write_text("name;points\nx;1\n")
    imported = import_evals("wide", tmp_path)
    assert len(imported.scores) == 1
    assert imported.skipped["source"].tolist() == ["odd.csv"]


def test_an_export_of_excel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"Unnamed: 0": [1, 2], "Model": ["a", "b"], "MMLU": [0.25, 0.5]})
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: {"Sheet1": frame, "Sheet2": frame.head(0)})
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    assert cells(import_evals("wide", tmp_path / "table.xlsx")) == {("a", "MMLU"): 0.25, ("b", "MMLU"): 0.5}


def test_several_sheets_are_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"model": ["a"], "MMLU": [0.25]})
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: {"new": frame, "old": frame})
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    with pytest.raises(EvalsError, match="several sheets \\('new', 'old'\\)"):
        import_evals("wide", tmp_path / "table.xlsx")


def test_frames_wide_and_long() -> None:
    wide = pd.DataFrame({"MMLU": [0.25, 0.5]}, index=["a", "b"])
    long = pd.DataFrame({"model": ["a", "b"], "benchmark": "MMLU", "score": [0.25, 0.5]})
    expected = {("a", "MMLU"): 0.25, ("b", "MMLU"): 0.5}
    assert cells(import_evals("wide", wide)) == cells(import_evals("long", long)) == expected
    with pytest.raises(EvalsError, match="import it with `long`"):
        import_evals("wide", long)
    with pytest.raises(EvalsError, match="reads files"):
        import_evals("lm-eval", long)


def test_columns_of_one_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("model,score\na,0.5\n")
    (tmp_path / "two.csv").write_text("model,score,points\na,9,0.25\n")
    imported = import_evals("long", tmp_path, mapping={"files": {"two.csv": {"score": "points"}}})
    assert cells(imported) == {("a", "one"): 0.5, ("a", "two"): 0.25}
    # A column of the mapping that a table lacks leaves it the usual one.
    imported = import_evals("long", tmp_path, mapping={"columns": {"score": "points"}})
    assert cells(imported) == {("a", "one"): 0.5, ("a", "two"): 0.25}


def test_of_several_rows_the_usual_prompt_counts(tmp_path: Path) -> None:
    table = tmp_path / "gsm8k_external.csv"
    table.write_text("Model version,EM,Shots\na,0.12,0\na,0.56,8\nb,0.14,8-shot\n")
    imported = import_evals("epoch", table)
    assert cells(imported) == {("a", "GSM8K"): 0.56, ("b", "GSM8K"): 0.14}
    assert any("a on GSM8K: 0.56 counts, not 0.12 (8-shot, this one 0-shot)" in n for n in imported.notes)
    assert imported.scores["shots"].tolist() == ["8", "0", "8"]
    assert any("GSM8K 8 (ships with 5)" in n for n in imported.notes)


def test_figures_that_agree_to_rounding_are_one(tmp_path: Path) -> None:
    for name, flops in {"a": "3.35e+25", "b": "3.3499999999999998e+25"}.items():
        (tmp_path / f"{name}.csv").write_text(f"Model version,Score,Training compute (FLOP)\nm,0.5,{flops}\n")
    assert not any("several values" in n for n in import_evals("epoch", tmp_path).notes)


# Runs of the harness


def test_a_checkpoint_is_a_model_of_its_own(tmp_path: Path) -> None:
    runs = {
        "main": run_of(config={"model_revision": "main"}),
        "early": run_of(results=scored(0.2), config={"model_args": "pretrained=lab/wren,revision=step1000"}),
        "late": run_of(results=scored(0.3), config={"model_revision": "step9000"}),
    }
    imported = import_evals("lm-eval", write(tmp_path / "runs", **runs))
    assert cells(imported) == {
        ("lab/wren", "ARC-C"): 0.36, ("lab/wren@step1000", "ARC-C"): 0.2, ("lab/wren@step9000", "ARC-C"): 0.3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "limited",
    [{"n-samples": {"arc_challenge": {"original": 1172, "effective": 8}}}, {"config": {"limit": 8}}],
    ids=["counted", "asked for"],
)
def test_a_limited_run_never_replaces_a_full_one(limited: dict[str, Any], tmp_path: Path) -> None:
    later = run_of(results=scored(0.75), date=1.7e9, **limited)
    folder = write(tmp_path / "runs", full=run_of(date=1.6e9), smoke=later)
    assert cells(import_evals("lm-eval", folder)) == {("lab/wren", "ARC-C"): 0.36}
    alone = import_evals("lm-eval", folder / "smoke.json")
    assert any("only some samples were scored: lab/wren on ARC-C: 8 " in n for n in alone.notes)
    assert alone.scores["setting"].iloc[0].startswith("only 8 ")


def test_another_prompt_is_another_benchmark_in_the_same_testlet(tmp_path: Path) -> None:
    runs = {"a": run_of(), "b": run_of("lab/finch", **{"n-shot": {"arc_challenge": 0}})}
    imported = import_evals("lm-eval", write(tmp_path / "runs", **runs))
    facts = imported.benchmarks.set_index("benchmark")
    assert facts["testlet"].to_dict() == {"ARC-C": "ARC-C", "ARC-C 0-shot": "ARC-C"}
    assert facts.loc["ARC-C 0-shot", "floor"] == 0.25
    assert any("benchmarks of their own" in n and "ARC-C 0-shot (ships with 25)" in n for n in imported.notes)
    mapped = import_evals("lm-eval", tmp_path / "runs", mapping={"benchmarks": {"arc_challenge/acc_norm": "ARC-C"}})
    assert set(mapped.scores["benchmark"]) == {"ARC-C"}
    assert any("ARC-C 0 (ships with 25)" in n for n in mapped.notes)


def test_a_mapping_names_metrics_whose_direction_the_file_does_not_say(tmp_path: Path) -> None:
    results = {"truthfulqa_mc": {"mc1": 0.22, "mc2": 0.37}, "reading": {"f1": 0.41, "em": 0.31}}
    folder = write(tmp_path / "runs", old=run_of(results=results))
    imported = import_evals("lm-eval", folder, mapping={"benchmarks": {"reading/f1": "Reading"}})
    assert cells(imported) == {("lab/wren", "TruthfulQA"): 0.37, ("lab/wren", "Reading"): 0.41}
    assert "to take this one, map 'reading/em'" in " ".join(imported.skipped["reason"])


ODD: dict[str, Any] = {
    "config_is_text": {"results": {"quiz": {"acc": 0.5}}, "config": "quiz.yaml"},
    "config_is_null": {"results": {"quiz": {"acc": 0.5}}, "config": None, "model_name": "a"},
    "count_is_number": {"results": {"quiz": {"acc": 0.5}}, "model_name": "a", "n-samples": {"quiz": 40}},
    "date_in_milliseconds": {"results": {"quiz": {"acc": 0.5}}, "model_name": "a", "date": 1.7e12},
    "date_too_large": {"results": {"quiz": {"acc": 0.5}}, "model_name": "a", "date": 1e300},
    "groups_are_null": {"results": {"quiz": {"acc": 0.5}}, "model_name": "a", "group_subtasks": {"quiz": None}},
    "groups_in_a_circle": {
        "results": {"x": {"acc": 0.5}, "y": {"acc": 0.5}}, "model_name": "a", "group_subtasks": {"x": ["y"], "y": ["x"]}
    },
    "arguments_are_a_list": {"results": {"quiz": {"acc": 0.5}}, "config": {"model_args": ["pretrained=a"]}},
    "a_list": [1, 2],
    "nothing": None,
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_one_odd_file_does_not_stop_the_others(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", good=run_of(), **{name: ODD[name]})
    imported = import_evals("lm-eval", folder)
    assert cells(imported)["lab/wren", "ARC-C"] == 0.36
    assert f"{name}.json" in {*imported.skipped["source"], *imported.scores["source"].str.removeprefix("lm-eval:")}


def test_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(run_of()), encoding="utf-8-sig")
    assert len(import_evals("lm-eval", tmp_path / "a.json").scores) == 1


def test_the_model_from_the_path(tmp_path: Path) -> None:
    write(tmp_path / "runs", **{"wren-1b": run_of(None)})
    write(tmp_path / "runs" / "lab__finch", **{"results_2025-01-01T00-00-00.0": run_of(None)})
    with pytest.raises(EvalsError, match="--model-from-path"):
        import_evals("lm-eval", tmp_path / "runs")
    imported = import_evals("lm-eval", tmp_path / "runs", model_from_path=True)
    assert set(imported.models["model"]) == {"wren-1b", "lab/finch"}


def test_variants_of_a_model_are_told_apart(tmp_path: Path) -> None:
    runs = {
        "plain": run_of(date=1.60e9),
        "small": run_of(
            results=scored(0.3), date=1.65e9, config={"model_args": "pretrained=lab/wren,load_in_4bit=True"}
        ),
        "chat": run_of(results=scored(0.34), date=1.7e9, chat_template_sha="0a1b"),
    }
    imported = import_evals("lm-eval", write(tmp_path / "runs", **runs))
    assert cells(imported) == {("lab/wren", "ARC-C"): 0.36}
    # The others are measurements of the same model, and say how they were made.
    settings = ["", "with a chat template", "load_in_4bit=True"]
    assert imported.scores[["score", "setting"]].values.tolist() == [
        [0.36, settings[0]],
        [0.34, settings[1]],
        [0.3, settings[2]],
    ]
    (told,) = [n for n in imported.notes if "2 repeated measurements are kept" in n]
    assert all(s in told for s in settings)


def test_subjects_of_mmlu(tmp_path: Path) -> None:
    subjects = {f"hendrycksTest-{i}": {"acc": 0.3 + 0.001 * i, "acc_stderr": 0.04, "acc_norm": 0.2} for i in range(57)}
    shots = {"n-shot": dict.fromkeys(subjects, 5)}
    whole = import_evals("lm-eval", write(tmp_path / "whole", a=run_of(results=subjects, **shots)))
    assert cells(whole) == {("lab/wren", "MMLU"): pytest.approx(0.328)}
    few = dict(list(subjects.items())[:3])
    some = import_evals("lm-eval", write(tmp_path / "some", a=run_of(results=few, **shots)))
    assert some.scores["score"].tolist() == [0.3, 0.301, 0.302]
    assert (some.benchmarks["floor"] == 0.25).all()
    assert any("3 parts of MMLU" in n for n in some.notes)


def test_a_group_without_a_score(tmp_path: Path) -> None:
    parts = {f"leaderboard_musr_{n}": {"acc_norm,none": s, "acc_norm_stderr,none": 0.03} for n, s in
             {"murder_mysteries": 0.5, "object_placements": 0.25, "team_allocation": 0.4}.items()}  # fmt: skip
    sizes = dict(zip(parts, (250, 256, 250), strict=True))
    run = run_of(
        results={"leaderboard_musr": {" ": " "}, **parts},
        **{"group_subtasks": {"leaderboard_musr": list(parts)}, "n-shot": {}},
        **{"n-samples": {t: {"original": n, "effective": n} for t, n in sizes.items()}},
    )
    imported = import_evals("lm-eval", write(tmp_path / "runs", a=run))
    mean = (250 * 0.5 + 256 * 0.25 + 250 * 0.4) / 756
    assert cells(imported)["lab/wren", "LB2 MuSR"] == pytest.approx(mean)
    del run["n-samples"]
    parted = import_evals("lm-eval", write(tmp_path / "parts", a=run))
    assert "LB2 MuSR" not in set(parted.benchmarks["benchmark"])
    assert any("leaderboard_musr has no score of its own" in n for n in parted.notes)


def test_the_number_of_parameters_is_in_the_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", a=run_of(config={"model_num_parameters": 1100048384}))
    assert import_evals("lm-eval", folder).models["params_b"].tolist() == [1.1]


def test_nothing_found_says_what_was_looked_for(tmp_path: Path) -> None:
    for tool, suffix in {"lm-eval": r"\.json", "wide": r"\.csv", "every-eval-ever": r"\.json"}.items():
        with pytest.raises(EvalsError, match=f"there is no file {suffix}"):
            import_evals(tool, tmp_path)


# Logs of Inspect


def log(**columns: Any) -> pd.DataFrame:
    row = {"log": "a.eval", "model": "lab/wren", "task_name": "birds", "status": "success", "created": "2025-01-01"}
    return pd.DataFrame([row | {"completed_samples": 40, "epochs": 1} | columns])


def headline(metric: str, value: float, **metrics: float) -> dict[str, Any]:
    found = {f"score_choice_{k}": v for k, v in {metric: value, **metrics}.items()}
    return {"score_headline_name": "choice", "score_headline_metric": metric, "score_headline_value": value, **found}


@pytest.mark.parametrize(
    "columns",
    [headline("owls", 0.1, finches=0.6, all=0.5), headline("std", 0.45, accuracy=0.5), headline("mean", 0.5, std=0.3)],
    ids=["groups", "spread first", "mean first"],
)
def test_the_score_of_a_log_is_the_mean_over_all(columns: dict[str, Any], tmp_path: Path) -> None:
    assert [p.score for p in read_frame(log(**columns), tmp_path).parsed] == [0.5]


def test_groups_without_a_whole_need_a_mapping(tmp_path: Path) -> None:
    parsed = read_frame(log(**headline("owls", 0.1, finches=0.6)), tmp_path).parsed
    assert [p.score for p in parsed] == [0.1, 0.6]
    assert all("owls, finches" in p.by_name_only for p in parsed)


def test_epochs_ask_the_same_questions(tmp_path: Path) -> None:
    (parsed,) = read_frame(log(**headline("mean", 0.4), completed_samples=250, epochs=5), tmp_path).parsed
    assert parsed.items == 50


def test_the_prompt_of_a_log_is_in_its_name_or_argument(tmp_path: Path) -> None:
    logs = [log(**headline("accuracy", 0.5), task_name="mmlu_0_shot"), log(**headline("accuracy", 0.5))]
    logs[1] = logs[1].assign(task_name="gsm8k", task_arg_fewshot=10)
    names = Names("inspect", load_mapping(None))
    imported = assemble_tables(read_frame(pd.concat(logs, ignore_index=True), tmp_path), names, {})
    assert set(imported.scores["benchmark"]) == {"MMLU 0-shot", "GSM8K 10-shot"}


def test_logs_with_names_of_ones_own_are_found(tmp_path: Path) -> None:
    write(tmp_path / "logs", wren={"eval": {"task": "birds"}}, other={"a": 1})
    logs, others = unlisted_logs(tmp_path / "logs")
    assert [p.name for p in logs] == ["wren.json"]
    assert [reason for _, reason in others] == ["is no log of Inspect"]


# Other layouts


def test_lighteval_and_the_first_leaderboard(tmp_path: Path) -> None:
    leaderboard = {
        "config_general": {"model_name": "lab/wren", "max_samples": None},
        "results": {
            "harness|arc:challenge|25": {"acc": 0.5, "acc_norm": 0.55}, "all": {"acc": 0.9},
            "harness|truthfulqa:mc|0": {"mc1": 0.3, "mc2": 0.42}, "harness|gsm8k|5": {"acc": 0.2},
        },
    }  # fmt: skip
    lighteval = {
        "config_general": {"model_config": {"model_name": "lab/finch"}, "max_samples": 10},
        "results": {
            "leaderboard|arc:challenge|25|0": {"acc": 0.4, "acc_norm": 0.45},
            "leaderboard|arc:challenge|0|0": {"acc": 0.3, "acc_norm": 0.35},
        },
    }
    folder = write(tmp_path / "runs", a=leaderboard, b=lighteval)
    imported = import_evals("lighteval", folder)
    assert cells(imported) == {
        ("lab/wren", "ARC-C"): 0.55, ("lab/wren", "TruthfulQA"): 0.42, ("lab/wren", "GSM8K"): 0.2,
        ("lab/finch", "ARC-C"): 0.45, ("lab/finch", "ARC-C 0-shot"): 0.35,
    }  # fmt: skip
    assert any("lab/finch on ARC-C: 10 samples" in n for n in imported.notes)


def test_every_eval_ever(tmp_path: Path) -> None:
    def result(name: str, score: float, high: float = 1, **metric: Any) -> dict[str, Any]:
        return {
            "evaluation_name": name,
            "source_data": {"dataset_name": "Quizzes"},
            "metric_config": {"lower_is_better": False, "min_score": 0, "max_score": high, **metric},
            "score_details": {"score": score, "uncertainty": {"standard_error": {"value": 0.01 * high}}},
        }

    results = [result("Quizzes", 0.5), result("Hard", 0.25), result("Quizzes in percent", 75, 100)]
    results += [result("Spread", 0.1, metric_name="stderr"), result("std on quizzes", 0.1)]
    results += [result("Elo", 1200, 3000), result("Loss", 0.5, lower_is_better=True)]
    record = {
        "schema_version": "0.2.1",
        "model_info": {"name": "Wren", "id": "lab/wren"},
        "eval_library": {"name": "helm", "version": "unknown"},
        "source_metadata": {"source_organization_name": "CRFM", "evaluator_relationship": "third_party"},
        "evaluation_results": results,
    }
    imported = import_evals("every-eval-ever", write(tmp_path / "data", a=record, b={"evaluation_results": 3}, c=[]))
    assert imported.scores.set_index("benchmark")["score"].to_dict() == {
        "Quizzes": 0.5, "Quizzes: Hard": 0.25, "Quizzes in percent": 0.75,
    }  # fmt: skip
    assert imported.scores["stderr"].tolist() == pytest.approx([0.01] * 3)
    assert set(imported.scores["harness"]) == {"helm"}
    assert set(imported.scores["source"]) == {"every-eval-ever:a.json: CRFM (third party)"}
    assert set(imported.skipped["source"]) == {"a.json", "b.json", "c.json"}


# Merging


def test_what_was_filled_in_stays(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    import_evals("lm-eval", write(tmp_path / "a", a=run_of())).write(tables)
    template = tables / "models_to_fill.csv"
    filled = pd.read_csv(template, dtype="str").assign(family="Wren", params_b="1.1", remark="checked")
    filled.to_csv(template, index=False)
    import_evals("lm-eval", write(tmp_path / "b", b=run_of("lab/finch"))).write(tables, into=True)
    rows = pd.read_csv(template, dtype="str").set_index("model")
    assert rows.loc["lab/wren", ["family", "params_b", "remark"]].tolist() == ["Wren", "1.1", "checked"]
    assert "lab/finch" in rows.index
    # Given to a later import, it counts for the models that are there, not only for those of this import.
    imported = import_evals("lm-eval", tmp_path / "b", models=template)
    assert imported.write(tables, into=True).models.set_index("model").loc["lab/wren", "family"] == "Wren"


def test_names_that_stand_there_twice() -> None:
    names = ["lab/Wren-1B", "wren-1b/", "other"]
    frame = pd.DataFrame({"model": names, "family": ["Wren", "wren", "other"], "MMLU": [0.3, 0.4, 0.5]})
    notes = "\n".join(import_evals("wide", frame).notes)
    assert "lab/Wren-1B = wren-1b/" in notes
    assert "Wren = wren" in notes


def test_a_scale_that_was_applied_twice() -> None:
    frame = pd.DataFrame({"model": ["a", "b", "c"], "MMLU": [0.3, 0.4, 0.5]})
    notes = import_evals("wide", frame, mapping={"scale": 100}).notes
    assert any("far below the floor" in n and "MMLU: up to 0.005, floor 0.25" in n for n in notes)


@pytest.mark.heavy
def test_the_tables_that_ship_are_plausible() -> None:
    import bayescale as bs

    for name in bs.list_evals()["name"]:
        evals = bs.load_evals(name)
        assert find_implausible(evals.models, evals.benchmarks, evals.scores) == []


def test_with_everybody_else(tmp_path: Path) -> None:
    import bayescale as bs

    evals = bs.load_evals("base-llms")
    known = str(evals.model_names[0])
    frame = pd.DataFrame({"model": ["mine", f"other/{known}"], "family": ["Mine", "X"], "MMLU": [0.5, 0.6]})
    both = import_evals("wide", frame).merge_into(evals)
    assert len(both.scores) == len(evals) + 2
    assert any(known in n and "several names" in n for n in both.notes)
    both.write(tmp_path / "tables")
    assert len(bs.read_evals(tmp_path / "tables")) == len(evals) + 2
    assert any(known in note for note in bs.read_evals(tmp_path / "tables").notes)


def test_evals_of_a_frame() -> None:
    import bayescale as bs

    frame = pd.DataFrame({"family": "Mine", "MMLU": [0.44, 0.7], "Quiz": [0.5, None]}, index=["mine-1", "mine-2"])
    assert len(bs.Evals.from_wide(frame)) == 2
    assert len(bs.Evals.from_wide(frame, mapping={"benchmarks": {"MMLU": "MMLU", "Quiz": "Quiz"}}, name="mine")) == 3


def test_several_measurements_of_a_table_survive_a_merge(tmp_path: Path) -> None:
    frame = pd.DataFrame({"model": ["a"], "family": ["A"], "MMLU": [0.5]})
    tables = tmp_path / "tables"
    import_evals("wide", frame).write(tables)
    scores = pd.read_csv(tables / "scores.csv", dtype="str")
    pd.concat([scores, scores.assign(score="0.6", source="another")]).to_csv(tables / "scores.csv", index=False)
    import_evals("wide", frame.assign(model="b")).write(tables, into=True)
    assert pd.read_csv(tables / "scores.csv")["score"].tolist() == [0.5, 0.6, 0.5]


def test_a_score_of_another_source_is_a_measurement_and_no_conflict(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    (tmp_path / "ours.csv").write_text("model,family,MMLU,GSM8K\na,A,0.5,0.1\n")
    import_evals("wide", tmp_path / "ours.csv").write(tables)
    (tmp_path / "theirs.csv").write_text(
        "model,benchmark,score,stderr,shots\na,MMLU,0.6,0.00413,0\na,GSM8K,0.1,0.00826,8\n"
    )
    both = import_evals("long", tmp_path / "theirs.csv").write(tables, into=True)
    assert both.conflicts.empty
    # Another score is another measurement; the same one, of which more is known now, is not.
    assert cells(both) == {("a", "MMLU"): 0.5, ("a", "GSM8K"): 0.1}
    assert both.scores["score"].tolist() == [0.5, 0.1, 0.6]
    assert both.scores["stderr"].tolist()[1:] == [0.00826, 0.00413]
    assert both.notes[0] == "scores that repeat a measurement of the other tables, which counts: 1"
    # Read from files, and written once more, nothing changes.
    before = (tables / "scores.csv").read_bytes()
    import_evals("long", tmp_path / "theirs.csv").write(tables, into=True)
    assert (tables / "scores.csv").read_bytes() == before
    # The same source with another figure is a conflict.
    (tmp_path / "theirs.csv").write_text("model,benchmark,score,shots\na,MMLU,0.7,0\n")
    with pytest.warns(EvalsWarning, match="0.6 is kept, 0.7 is not"):
        import_evals("long", tmp_path / "theirs.csv").write(tables, into=True)


def test_a_turned_table_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Benchmark,Llama-2-7b,Llama-2-13b\nMMLU,0.45,0.55\n")
    with pytest.raises(EvalsError, match="turn the table, so that each model has a row"):
        import_evals("wide", tmp_path / "t.csv")


def test_two_tables_are_two_sources_and_a_copy_is_none(tmp_path: Path) -> None:
    for name, score in {"a": 0.5, "b": 0.6, "copy": 0.5}.items():
        (tmp_path / f"{name}.csv").write_text(f"model,benchmark,score\nm,MMLU,{score}\n")
    imported = import_evals("long", tmp_path)
    assert imported.scores[["score", "source"]].values.tolist() == [[0.5, "long:a.csv"], [0.6, "long:b.csv"]]
    assert imported.skipped["source"].tolist() == ["copy.csv"]


def test_results_of_other_tools_are_refused_with_the_remedy(tmp_path: Path) -> None:
    helm = {"run_spec": {"name": "mmlu", "adapter_spec": {}, "scenario_spec": {}}}
    helm |= {"stats": [{"name": {"name": "exact_match", "split": "test"}, "count": 1, "sum": 0.5}]}
    for tool in ("lm-eval", "every-eval-ever"):
        with pytest.raises(
            EvalsError, match=r"run_spec.json.*it is of HELM: pip install .*every_eval_ever convert helm"
        ):
            import_evals(tool, write(tmp_path / "helm", **helm))
    with pytest.raises(EvalsError, match="import it with `every-eval-ever`"):
        import_evals("lm-eval", write(tmp_path / "record", a={"model_info": {}, "evaluation_results": []}))
    with pytest.raises(EvalsError, match="import it with `inspect`"):
        import_evals("lm-eval", write(tmp_path / "log", a={"version": 2, "status": "success", "eval": {}}))
    with pytest.raises(EvalsError, match="import it with `lm-eval` or `lighteval`"):
        import_evals("every-eval-ever", write(tmp_path / "run", a=run_of()))


@pytest.mark.parametrize("ruler", ["|---|---|", "| :--- | ---: |", "--- | ---"])
def test_markdown_is_refused_with_the_remedy(ruler: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"| model | MMLU |\n{ruler}\n| a | 0.5 |\n")
    with pytest.raises(EvalsError, match=r"table\.csv is a table in Markdown: save it as CSV"):
        import_evals("wide", tmp_path / "table.csv")
    (tmp_path / "table.md").write_text("| model | MMLU |\n")
    with pytest.raises(EvalsError, match=r"its name ends in '\.md'\. Save it as CSV"):
        import_evals("wide", tmp_path / "table.md")


def test_facts_of_ones_own_stay() -> None:
    facts = pd.DataFrame({"model": ["a"], "family": ["A"], "organization": ["Maker"], "reasoning": ["true"]})
    models = import_evals("wide", pd.DataFrame({"model": ["a", "b"], "MMLU": [0.5, 0.6]}), models=facts).models
    assert models[["organization", "reasoning"]].values.tolist() == [["Maker", "true"], ["", ""]]


def test_half_of_a_pair_in_a_name_is_replaced(tmp_path: Path) -> None:
    """Found by fuzzing: JSON may escape what no text file holds."""
    odd = {"od\ud800d": {"acc,none": "x", "acc_norm,none": 0.2}}
    imported = import_evals("lm-eval", write(tmp_path, odd=run_of(results=ARC | odd)))
    assert ("lab/wren", "ARC-C") in cells(imported)
    for table in (imported.skipped, imported.scores, imported.benchmarks):
        table.to_csv(tmp_path / "table.csv")
    assert "od\ufffdd" in imported.benchmarks["benchmark"].tolist() + " ".join(imported.skipped["what"]).split()
