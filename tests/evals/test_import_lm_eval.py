"""Results of lm-evaluation-harness, as that tool wrote them (`fixtures/make_lm_eval.py`), become tables."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import EvalsError
from bayescale.evals.importers import Imported, import_evals

RESULTS = Path(__file__).parents[1] / "fixtures" / "lm_eval"


@pytest.fixture(scope="module")
def imported() -> Imported:
    return import_evals("lm-eval", RESULTS)


def raw(pattern: str) -> dict[str, Any]:
    (path,) = sorted(RESULTS.glob(pattern))
    return json.loads(path.read_text())


def score(imported: Imported, model: str, benchmark: str) -> pd.Series:
    scores = imported.scores.set_index(["model", "benchmark"])
    return scores.loc[(model, benchmark)]


def reasons(imported: Imported, what: str, model: str = "lab/tiny-1b") -> str:
    rows = imported.skipped.query("what == @what and model == @model")
    return " ".join(rows["reason"])


def test_both_layouts_are_read(imported: Imported) -> None:
    assert set(imported.models["model"]) == {"lab/tiny-1b", "lab/tiny-7b", "lab/tiny-3b", "meta-llama/Llama-2-7b-hf"}
    names = {"tiny_sums", "tiny_words", "tiny_arithmetic", "ARC-C 2-shot", "MMLU 2-shot"}
    assert set(imported.benchmarks["benchmark"]) == names


def test_scores_are_those_of_the_files(imported: Imported) -> None:
    run = raw("models/lab__tiny-1b/*.json")["results"]
    assert score(imported, "lab/tiny-1b", "tiny_sums")["score"] == run["tiny_sums"]["acc_norm,none"]
    assert score(imported, "lab/tiny-1b", "tiny_sums")["stderr"] == run["tiny_sums"]["acc_norm_stderr,none"]
    assert score(imported, "lab/tiny-1b", "tiny_words")["score"] == run["tiny_words"]["exact_match,flexible-extract"]
    assert score(imported, "lab/tiny-1b", "tiny_arithmetic")["score"] == run["tiny_arithmetic"]["acc,none"]
    assert score(imported, "lab/tiny-1b", "ARC-C 2-shot")["score"] == run["arc_challenge"]["acc_norm,none"]


def test_setting_and_source_are_kept(imported: Imported) -> None:
    row = score(imported, "lab/tiny-3b", "tiny_words")
    assert (row["shots"], row["version"]) == ("0", "2")
    assert row["source"].startswith("lm-eval:files/tiny-3b_")
    assert score(imported, "lab/tiny-1b", "tiny_sums")["shots"] == "2"


def test_standard_errors_give_the_items(imported: Imported) -> None:
    items = imported.benchmarks.set_index("benchmark")["items"]
    counted = raw("models/lab__tiny-1b/*.json")["n-samples"]
    assert items["tiny_words"] == counted["tiny_words"]["effective"] == 30
    assert items["tiny_sums"] == counted["tiny_sums"]["effective"] == 60
    assert items["tiny_arithmetic"] == counted["tiny_pairs"]["effective"] + counted["tiny_triples"]["effective"] == 65


def test_a_limited_run_and_other_counts_than_those_that_ship_are_told(imported: Imported) -> None:
    notes = "\n".join(imported.notes)
    assert "tiny_sums 60 (10 to 60)" in notes
    assert "ARC-C 2-shot 60 (ships with 1172)" in notes


def test_aliases_bring_the_facts_of_benchmarks_that_ship(imported: Imported) -> None:
    facts = imported.benchmarks.set_index("benchmark")
    assert facts.loc["ARC-C 2-shot", "floor"] == facts.loc["MMLU 2-shot", "floor"] == 0.25
    assert math.isnan(facts.loc["tiny_sums", "floor"])
    by = imported.taken.set_index("benchmark")["by"]
    assert by.to_dict() == {
        "tiny_sums": "new", "tiny_words": "new", "tiny_arithmetic": "new", "ARC-C 2-shot": "alias",
        "MMLU 2-shot": "alias",
    }  # fmt: skip
    assert any("tiny_sums, tiny_words, tiny_arithmetic" in n and "floor" in n for n in imported.notes)


def test_a_group_is_taken_instead_of_its_subtasks(imported: Imported) -> None:
    assert "part of tiny_arithmetic" in reasons(imported, "tiny_pairs")
    assert "part of mmlu" in reasons(imported, "mmlu_formal_logic")
    assert "part of mmlu" in reasons(imported, "mmlu_stem")


def test_subtasks_on_request() -> None:
    apart = import_evals("lm-eval", RESULTS, subtasks=True)
    names = set(apart.benchmarks["benchmark"])
    assert {"tiny_pairs", "tiny_triples", "mmlu_formal_logic", "mmlu_abstract_algebra"} <= names
    assert not names & {"tiny_arithmetic", "MMLU", "MMLU 2-shot", "mmlu_stem"}
    assert "parts are imported" in reasons(apart, "mmlu")


def test_subtasks_that_are_known_come_before_a_group_that_is_not() -> None:
    known = import_evals("lm-eval", RESULTS, mapping={"benchmarks": {"tiny_pairs": "Pairs"}})
    names = set(known.benchmarks["benchmark"])
    assert {"Pairs", "tiny_triples"} <= names
    assert "tiny_arithmetic" not in names


def test_everything_is_taken_or_skipped_with_a_reason(imported: Imported) -> None:
    run = raw("models/lab__tiny-1b/*.json")
    skipped = imported.skipped.query("model == 'lab/tiny-1b'")
    told = set(skipped["what"].str.split().str[0]) | {
        "tiny_sums",
        "tiny_words",
        "tiny_arithmetic",
        "arc_challenge",
        "mmlu",
    }
    assert told == set(run["results"])
    assert skipped["reason"].str.len().min() > 0
    assert "lower is better" in reasons(imported, "tiny_text word_perplexity,none")
    assert "'tiny_sums/acc'" in reasons(imported, "tiny_sums acc")


def test_a_later_run_replaces_an_earlier_one(imported: Imported) -> None:
    runs = sorted(RESULTS.glob("models/lab__tiny-7b/*.json"))
    later = json.loads(runs[-1].read_text())["results"]["tiny_sums"]["acc_norm,none"]
    assert json.loads(runs[0].read_text())["results"]["tiny_sums"]["acc_norm,none"] != later
    assert score(imported, "lab/tiny-7b", "tiny_sums")["score"] == later
    assert "a later result" in reasons(imported, "tiny_sums acc_norm", "lab/tiny-7b")


def test_a_mapping_chooses_metrics_and_names() -> None:
    mapping = {
        "benchmarks": {
            "tiny_sums/acc": {"benchmark": "Sums", "floor": 0.25, "items": 61},
            "tiny_words/exact_match,strict-match": "Words strict",
            "tiny_words/exact_match,flexible-extract": "Words",
            "tiny_arithmetic": None,
        },
        "models": {"lab/tiny-1b": "Tiny 1B"},
    }
    mapped = import_evals("lm-eval", RESULTS, mapping=mapping)
    run = raw("models/lab__tiny-1b/*.json")["results"]
    facts = mapped.benchmarks.set_index("benchmark")
    assert score(mapped, "Tiny 1B", "Sums")["score"] == run["tiny_sums"]["acc,none"]
    assert (facts.loc["Sums", "floor"], facts.loc["Sums", "items"]) == (0.25, 61)
    assert score(mapped, "Tiny 1B", "Words strict")["score"] == 0
    assert facts.loc["Words", "testlet"] == facts.loc["Words strict", "testlet"] == "tiny_words"
    assert "tiny_arithmetic" not in facts.index
    assert "the mapping leaves it out" in reasons(mapped, "tiny_arithmetic acc", "Tiny 1B")


def test_models_that_ship_are_known_and_the_others_are_to_fill_in(imported: Imported) -> None:
    llama = imported.models.set_index("model").loc["meta-llama/Llama-2-7b-hf"]
    assert (llama["family"], llama["flops"]) == ("Llama-2", 8.4e22)
    assert set(imported.to_fill["model"]) == {"lab/tiny-1b", "lab/tiny-3b", "lab/tiny-7b"}


def test_written_tables_say_what_is_missing_and_are_readable_once_it_is_filled_in(
    imported: Imported, tmp_path: Path
) -> None:
    imported.write(tmp_path / "tables")
    with pytest.raises(EvalsError, match="a model needs a family") as caught:
        bs.read_evals(tmp_path / "tables")
    assert len(caught.value.problems) == 3  # type: ignore[attr-defined]

    template = pd.read_csv(tmp_path / "tables" / "models_to_fill.csv", dtype=str)
    template.assign(family="Tiny", params_b=[1, 3, 7], tokens_t="0.3").to_csv(tmp_path / "filled.csv", index=False)
    filled = import_evals("lm-eval", RESULTS, models=tmp_path / "filled.csv")
    assert filled.to_fill.empty
    filled.write(tmp_path / "tables", into=True)
    evals = bs.read_evals(tmp_path / "tables")
    assert evals.n_scores == len(imported.scores)
    assert set(evals.families) == {"Tiny", "Llama-2"}
    assert evals.models["flops"].notna().all()
    assert not (tmp_path / "tables" / "models_to_fill.csv").exists()


def test_results_of_version_0_3(tmp_path: Path) -> None:
    old = {
        "results": {"arc_challenge": {"acc": 0.30, "acc_stderr": 0.0134, "acc_norm": 0.34, "acc_norm_stderr": 0.0138}},
        "versions": {"arc_challenge": 0},
        "config": {"model": "hf-causal", "model_args": "pretrained=lab/old-1b,dtype=auto", "num_fewshot": 25},
    }
    (tmp_path / "old.json").write_text(json.dumps(old))
    row = import_evals("lm-eval", tmp_path / "old.json").scores.iloc[0]
    assert (row["model"], row["benchmark"], row["score"]) == ("lab/old-1b", "ARC-C", 0.34)
    assert (row["shots"], row["version"]) == ("25", "0")


def test_files_that_are_no_results_are_skipped_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "nameless.json").write_text('{"results": {"x": {"acc": 0.5}}}')
    (path,) = RESULTS.glob("files/*.json")
    (tmp_path / "good.json").write_bytes(path.read_bytes())
    got = import_evals("lm-eval", tmp_path)
    assert set(got.models["model"]) == {"lab/tiny-3b"}
    told = got.skipped.set_index("source")["reason"]
    assert "cannot be read as JSON" in told["broken.json"]
    assert "no results" in told["other.json"]
    assert "names no model" in told["nameless.json"]


def test_several_prompts_under_one_name_are_told(tmp_path: Path) -> None:
    for model, shots in {"a": 0, "b": 5}.items():
        run = {"results": {"x": {"acc,none": 0.5}}, "n-shot": {"x": shots}, "model_name": model}
        (tmp_path / f"{model}.json").write_text(json.dumps(run))
    assert any(
        "mix several numbers of examples in the prompt: x (0, 5)" in n for n in import_evals("lm-eval", tmp_path).notes
    )


def test_nothing_to_take_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"results": {"x": {"acc,none": 73.0}}, "model_name": "a"}')
    with pytest.raises(EvalsError, match=r"(?s)Nothing in .*scale: 100"):
        import_evals("lm-eval", tmp_path)
    assert import_evals("lm-eval", tmp_path, mapping={"scale": 100}).scores["score"].tolist() == [0.73]


def test_wrong_calls() -> None:
    with pytest.raises(EvalsError, match="Did you mean 'lm-eval'"):
        import_evals("lm_eval", RESULTS)
    with pytest.raises(EvalsError, match="no file or folder"):
        import_evals("lm-eval", RESULTS / "none")
    with pytest.raises(EvalsError, match="no option subtasks"):
        import_evals("epoch", RESULTS, subtasks=True)
    with pytest.raises(EvalsError, match=r"(?s)2 problem.*benchmarks\.x\.floor.*Scale"):
        import_evals("lm-eval", RESULTS, mapping={"benchmarks": {"x": {"benchmark": "X", "floor": 2}}, "Scale": 1})
    with pytest.raises(EvalsError, match="no mapping 'nope'"):
        import_evals("lm-eval", RESULTS, mapping="nope")
