"""Epoch AI's Benchmarking Hub: what the tables made from an export say, and what stops the reader."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from bayescale._files import shipped
from bayescale.errors import EvalsError
from bayescale.evals import Evals, load_evals, read_evals
from bayescale.evals.importers.hub import Export, known_hub, log10_sd, model_facts
from bayescale.evals.importers.hub_tables import HubTables, read_hub
from bayescale.evals.validation import check_directory

HUB = Path(__file__).parents[1] / "fixtures" / "hub"
# The export that the shipped tables were made from lies beside a developer's checkout.
SHARED = [p / "shared" / "data" / "epoch-hub-2026-04" for p in Path(__file__).parents]


@pytest.fixture(scope="module")
def tables() -> HubTables:
    return read_hub(HUB / "export", HUB / "facts.yaml")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HUB / "export", tmp_path / "export"))


def test_versions_become_models_with_settings(tables: HubTables) -> None:
    assert tables.models["model"].tolist() == ["alpha-1", "alpha-2", "maker-of-beta/beta"]
    rows = tables.scores.set_index("record")
    assert rows.loc["a1", ["model", "setting", "harness"]].tolist() == [
        "alpha-2", "effort high; tools None; served by hosted", "Fancy",
    ]  # fmt: skip
    assert rows.loc["o1", "setting"] == "thinking 8K"
    assert rows.loc["o2", ["setting", "harness", "source"]].tolist() == [
        "thinking 16K", "Inspect", "epoch-hub:own_runs: Epoch AI",
    ]  # fmt: skip
    assert rows.loc["a6", "version"] == "maker/old-name"
    assert rows.loc["r6", "note"] == "with a remark"


def test_units_are_those_of_the_columns(tables: HubTables) -> None:
    rows = tables.scores.set_index("record")
    # Half a percent is no share of one half.
    assert rows.loc["a6", "score"] == 0.005
    assert rows.loc["a1", ["score", "stderr"]].tolist() == [0.425, 0.07]
    assert np.isnan(rows.loc["a4", "stderr"])


def test_the_row_that_counts_comes_first_and_the_others_are_kept(tables: HubTables) -> None:
    records = {cell: rows["record"].tolist() for cell, rows in tables.scores.groupby(["model", "benchmark"])}
    # The standard number of examples; of three, the median.
    assert records["alpha-1", "Quiz"] == ["r3", "r1", "r2", "r4"]
    # Another metric counts last, whatever its number of examples. A row under the wrong version is corrected.
    assert records["maker-of-beta/beta", "Quiz"] == ["r6", "r5"]
    # The preferred harness, then the largest effort.
    assert records["alpha-2", "Agents"] == ["a2", "a1", "a3", "a4"]
    assert records["alpha-2", "Own runs"] == ["o2", "o1"]


def test_facts_about_models(tables: HubTables) -> None:
    models = tables.models.set_index("model")
    assert models["family"].tolist() == ["Alpha", "Alpha", "Beta"]
    assert models["organization"].tolist() == ["Maker A", "Maker A", "Maker B"]
    assert models["kind"].tolist() == ["instruct", "instruct", "base"]
    assert models["reasoning"].tolist() == ["false", "true", "false"]
    assert models["weights"].tolist() == ["closed", "closed", "open"]
    assert models["params_b"].isna().all()
    # The first of several dates, and what the hub lacks.
    assert models["released"].tolist() == ["2023-05", "2025-03-01", "2022-01-01"]
    assert models.loc["alpha-1", "note"] == "from general knowledge: released"
    assert models.loc["alpha-2", ["flops", "flops_log10_sd"]].tolist() == [3.5e24, round(log10_sd("Likely") or 0, 4)]
    assert np.isnan(models.loc["alpha-1", "flops"])


def test_what_is_left_out_is_said(tables: HubTables) -> None:
    assert tables.account == (
        "15 measurements of 7 cells; where a cell has several, the first counts",
        "left out: index: an index",
        "left out: minutes: minutes of work",
        "left out: rows that name no version of a model",
        "left out: rows without a score",
        "left out: 1 models with fewer than 2 benchmarks: lonely",
    )
    assert tables.few == ("lonely",)


def test_the_tables_are_evals(tables: HubTables, tmp_path: Path) -> None:
    tables.write(tmp_path)
    evals = read_evals(tmp_path)
    assert len(evals) == 7
    assert len(evals.measurements) == 15


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("quiz_external.csv", "Notes,id", "Mood,id", "quiz_external.csv: the column 'Mood'"),
        ("quiz_external.csv", ",EM,", ",F1,", "quiz_external.csv: there is no column 'EM' any more"),
        (
            "quiz_external.csv",
            "alpha-1,0.5,",
            "alpha-1,50,",
            "quiz_external.csv row 2: a score of 50, outside the unit 1",
        ),
        ("quiz_external.csv", "alpha-1,0.5,", "alpha-1,half,", "quiz_external.csv row 2: "),
        ("quiz_external.csv", "alpha-1,0.5,", "alpha-1_later,0.5,", "the ending 'later' of 'alpha-1_later'"),
        ("quiz_external.csv", "0.5,,Maker A,", "0.5,,Maker C,", "alpha-1: the organization 'Maker C'"),
        ("quiz_external.csv", "0.5,,Maker A,", "0.5,,Maker B,", "alpha-1: which organization is right"),
        ("quiz_external.csv", "3.5e+24", "3.6e+24", "alpha-2: its compute (3.5e+24, 3.6e+24;"),
        ("index.csv", "24,Likely", "24,Guessed", "alpha-2: the confidence 'Guessed'"),
        ("index.csv", "API access,,", "Rumoured,,", "alpha-1: the weights 'Rumoured'"),
        ("own_runs.csv", "alpha-1", "ALPHA-1", "alpha-1"),
    ],
)
def test_what_is_unknown_stops_the_reader(export: Path, file: str, old: str, new: str, said: str) -> None:
    path = export / file
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1) if file != "own_runs.csv" else content + "ALPHA-1,0.1,0.1,o4\n")
    if file == "own_runs.csv":
        (export / "agents_external.csv").write_text((export / "agents_external.csv").read_text() + "ALPHA-1,1,,,,a9\n")
    with pytest.raises(EvalsError) as caught:
        read_hub(export, HUB / "facts.yaml")
    assert said in str(caught.value)


def test_all_that_is_unknown_is_said_at_once(export: Path) -> None:
    (export / "new_bench.csv").write_text("Model version,Score\nalpha-1,0.5\n")
    agents = export / "agents_external.csv"
    agents.write_text("Model version,Solved %,SE,Agent,Tools,id,Why\nalpha-1,0.5,,,,a1,\nalpha-2,0.6,,,,a2,\n")
    with pytest.raises(EvalsError) as caught:
        read_hub(export, HUB / "facts.yaml")
    assert str(caught.value).startswith("3 things are unknown:")
    assert "new_bench.csv: the file" in str(caught.value)
    assert "agents_external.csv: the column 'Why'" in str(caught.value)
    # A column in percent that turned into shares is no hundredth of what it was.
    assert "agents_external.csv: scores of at most 0.6 in 100ths" in str(caught.value)


def test_no_export_and_no_facts(tmp_path: Path) -> None:
    with pytest.raises(EvalsError, match="no CSV files"):
        read_hub(tmp_path)
    with pytest.raises(EvalsError, match="Cannot read the facts"):
        read_hub(HUB / "export", tmp_path / "facts.yaml")
    (tmp_path / "facts.yaml").write_text("fewest: 3\n")
    with pytest.raises(EvalsError, match="lack columns, facts,"):
        read_hub(HUB / "export", tmp_path / "facts.yaml")


# The tables that ship


@pytest.fixture(scope="module")
def frontier() -> Evals:
    return load_evals("frontier")


def test_the_shipped_tables_are_large_and_clean(frontier: Evals) -> None:
    assert [str(p) for p in check_directory(shipped("data") / "frontier") if p.severity == "error"] == []
    assert (frontier.scores["model"].value_counts() >= 3).sum() >= 240
    assert frontier.scores["benchmark"].nunique() >= 40
    assert frontier.n_scores >= 1800
    models = frontier.models
    assert models["released"].str.fullmatch(r"\d{4}-\d\d(-\d\d)?").all()
    assert frontier.benchmarks["released"].str.fullmatch(r"\d{4}-\d\d").all()
    assert models["flops"].notna().sum() >= 120
    # Five have the paper's size and tokens alone.
    assert (models["flops"].notna() & models["flops_log10_sd"].isna()).sum() == 5
    assert models["params_b"].notna().sum() >= 100
    assert (models[["organization", "family"]] != "").all(axis=None)
    assert set(models["reasoning"]) == {"true", "false"}
    assert set(models["weights"]) == {"open", "closed"}


@pytest.mark.parametrize(
    ("benchmark", "share"),
    [("SWE-bench Verified", 0.85), ("FrontierMath Tier 4", 1), ("Chess puzzles", 0.95), ("CadEval", 1), ("HLE", 0.95)],
)
def test_scores_are_whole_numbers_of_items(frontier: Evals, benchmark: str, share: float) -> None:
    items = frontier.benchmarks.set_index("benchmark").loc[benchmark, "items"]
    counts = frontier.scores.query("benchmark == @benchmark")["score"] * items
    assert (np.abs(counts - counts.round()) < 0.06).mean() >= share


@pytest.mark.parametrize(
    ("benchmark", "items"), [("HLE", 2500), ("FrontierMath", 290), ("SWE-bench Verified", 484), ("Chess puzzles", 100)]
)
def test_standard_errors_are_those_of_the_items(frontier: Evals, benchmark: str, items: int) -> None:
    rows = frontier.measurements.query("benchmark == @benchmark and 0.1 < score < 0.9").dropna(subset="stderr")
    implied = (rows["score"] * (1 - rows["score"]) / rows["stderr"] ** 2).median()
    assert implied == pytest.approx(items, rel=0.02)


def test_one_known_model(frontier: Evals) -> None:
    model = frontier.models.set_index("model").loc["gpt-4-0314"]
    assert model[["family", "organization", "released", "flops", "kind", "weights"]].tolist() == [
        "GPT-4", "OpenAI", "2023-03-14", 2.1e25, "instruct", "closed",
    ]  # fmt: skip


def test_all_joins_the_paper_and_the_hub(frontier: Evals) -> None:
    everything, base = load_evals("all"), load_evals("base-llms-all")
    assert len(set(base.model_names) & set(frontier.model_names)) >= 40
    assert set(everything.model_names) == {
        *base.model_names, *load_evals("instruct-llms").model_names, *frontier.model_names,
    }  # fmt: skip
    models = everything.models.set_index("model")
    llama = models.loc["meta-llama/Llama-2-7b-hf"]
    assert llama[["params_b", "flops", "released", "organization"]].tolist() == [7, 8.4e22, "2023-07", "Meta"]
    # The paper's compute is exact, the hub's is not.
    assert np.isnan(llama["flops_log10_sd"])
    assert models.loc["gpt-4-0314", "flops_log10_sd"] > 0
    assert (models[["organization", "weights", "reasoning"]] != "").all(axis=None)
    rows = everything.measurements.query("model == 'meta-llama/Llama-2-7b-hf' and benchmark == 'MMLU'")
    assert len(rows) > 1
    assert rows.loc[rows["counts"], "source"].tolist() == ["obsscaling:base_llm_benchmark_eval"]


def test_a_family_has_one_maker() -> None:
    models = load_evals("all").models
    assert (models.groupby("family")["organization"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("name", "size"),
    [("Qwen-1_8B", 1.8), ("Gopher (280B)", 280), ("deepseek-coder-6.7b-base", 6.7), ("Llama-2-34b", 34),
     ("Qwen3-235B-A22B", None), ("gpt-oss-120b", None), ("Mixtral-8x7B-v0.1", None), ("grok-4-0709", None),
     ("microsoft/phi-2", 2.7)],
)  # fmt: skip
def test_sizes_are_those_of_the_names(name: str, size: float | None) -> None:
    found = model_facts(Export(known_hub()), name)["params_b"]
    assert np.isnan(found) if size is None else found == size


def test_matched_names_are_names_of_the_paper() -> None:
    facts = yaml.safe_load((shipped("data") / "frontier" / "hub.yaml").read_text(encoding="utf-8"))
    ours = {*load_evals("base-llms-all").model_names, *load_evals("instruct-llms").model_names}
    assert [name for name in facts["spellings"].values() if "/" in name and name not in ours] == []


def test_the_shared_export_makes_the_shipped_tables_byte_for_byte(tmp_path: Path) -> None:
    folder = next((p for p in SHARED if p.is_dir()), None)
    if folder is None:
        pytest.skip("the export is not here")
    read_hub(folder).write(tmp_path)
    for name in ("models.csv", "benchmarks.csv", "scores.csv"):
        assert (tmp_path / name).read_bytes() == (shipped("data") / "frontier" / name).read_bytes()
