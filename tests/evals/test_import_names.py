"""What the names of other tools stand for: aliases and mappings that ship, and nothing by likeness."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bayescale._files import shipped
from bayescale.evals import load_evals
from bayescale.evals.importers import import_evals
from bayescale.evals.importers.base import ALIASES, FOLDER, Names, load_mapping, shipped_aliases, shipped_benchmarks
from bayescale.evals.importers.read import READERS

MAPPINGS = sorted(p.stem for p in (shipped("data") / FOLDER).glob("*.yaml"))


def test_every_alias_names_a_tool_and_one_benchmark() -> None:
    aliases = [a.strip() for row in shipped_benchmarks().values() for a in row[ALIASES].split(";") if a.strip()]
    assert len(aliases) == len(set(aliases)) > 60
    assert {a.partition(":")[0] for a in aliases} <= set(READERS)
    assert sum(len(shipped_aliases(tool)) for tool in READERS if tool != "lighteval") == len(aliases)
    assert shipped_aliases("lighteval") == shipped_aliases("lm-eval")


@pytest.mark.parametrize(
    ("tool", "name", "benchmark"),
    [
        ("lm-eval", "arc_challenge/acc_norm", "ARC-C"),
        ("lm-eval", "gsm8k/exact_match,strict-match", "GSM8K"),
        ("lm-eval", "bbh_cot_fewshot_snarks/exact_match", "BBH snarks CoT"),
        ("lm-eval", "leaderboard_musr/acc_norm", "LB2 MuSR"),
        ("inspect", "gsm8k", "GSM8K"),
        ("epoch", "mmlu_external", "MMLU"),
        ("epoch", "gpqa_diamond", "GPQA Diamond"),
        ("lm-eval", "gpqa_diamond_zeroshot/acc_norm", "GPQA Diamond"),
        ("inspect", "hle", "HLE"),
        ("wide", "HellaSwag", "HellaSwag"),
        ("wide", "SWE-bench Verified", "SWE-bench Verified"),
    ],
)
def test_names_that_are_known(tool: str, name: str, benchmark: str) -> None:
    match = Names(tool).match(name)
    assert match is not None
    assert match.target.benchmark == benchmark


@pytest.mark.parametrize(
    ("tool", "name"),
    [("lm-eval", "arc_challenge/acc"), ("lm-eval", "mmlu_pro/acc"), ("wide", "mmlu"), ("epoch", "gpqa")],
)
def test_names_that_only_look_alike_are_not_matched(tool: str, name: str) -> None:
    assert Names(tool).match(name) is None


def test_benchmarks_of_the_frontier_bring_their_facts() -> None:
    facts = shipped_benchmarks()
    assert (facts["GPQA Diamond"]["floor"], facts["GPQA Diamond"]["items"]) == ("0.25", "198")
    assert facts["SWE-bench bash"]["testlet"] == "SWE-bench Verified"
    # The facts of the paper's tables come first.
    assert facts["MMLU"]["source"].startswith("base_llm_benchmark_eval")
    assert set(load_evals("frontier").benchmark_names) <= set(facts)


def test_what_looks_alike_is_asked_about() -> None:
    assert Names("lm-eval").near("helaswag") == ["HellaSwag"]


@pytest.mark.parametrize("name", MAPPINGS)
def test_mappings_that_ship_lead_to_benchmarks_that_ship_or_describe_their_own(name: str) -> None:
    for target in load_mapping(name).benchmarks.values():
        assert target is not None
        assert target.benchmark in shipped_benchmarks() or {"items", "floor", "title"} <= set(target.facts)


def test_the_first_leaderboard_is_in_percent(tmp_path: Path) -> None:
    row = {"fullname": "lab/tiny", "#Params (B)": 7, "ARC": 53.1, "HellaSwag": 78.6, "MMLU": 46.9}
    row |= {"TruthfulQA": 38.8, "Winogrande": 74.0, "GSM8K": 14.5, "Average ⬆️": 51.0}
    pd.DataFrame([row]).to_csv(tmp_path / "contents.csv", index=False)
    imported = import_evals("wide", tmp_path / "contents.csv", mapping="open-llm-leaderboard-1")
    scores = imported.scores.set_index("benchmark")["score"]
    assert scores["ARC-C"] == pytest.approx(0.531)
    assert scores["GSM8K"] == pytest.approx(0.145)
    assert imported.skipped["what"].tolist() == ["Average ⬆️"]
