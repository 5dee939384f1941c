"""Long tables as Epoch AI publishes them: scores with standard errors, releases, compute with its confidence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from bayescale.errors import EvalsError
from bayescale.evals import load_evals
from bayescale.evals.importers import import_evals
from bayescale.evals.importers.base import effective_count
from bayescale.evals.importers.hub import log10_sd

# The export that the shipped tables were made from lies beside a developer's checkout.
SHARED = [f for p in Path(__file__).parents if (f := p / "shared" / "data" / "epoch-hub-2026-04").is_dir()]

LONG = """Model version,task,Best score (across scorers),mean_score,stderr,\
Release date,Training compute (FLOP),Confidence
alpha_8K,GPQA diamond,0.52,0.50,0.03562,2024-05-13,2e25,Confident
beta,GPQA diamond,0.41,0.40,0.0349,2024-03-04,1.1e26,Speculative
alpha_8K,FrontierMath,0.02,0.02,0.008,2024-05-13,2e25,Confident
gamma,FrontierMath,0.05,,,2025-01-01,,
delta,FrontierMath,0.07,0.07,,2025-01-01,5e25,Unknown
"""


@pytest.fixture
def long(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(LONG)
    return path


def test_a_long_table(long: Path) -> None:
    imported = import_evals("epoch", long)
    scores = imported.scores.set_index(["model", "benchmark"])["score"]
    # The standard error is that of the mean score, so that is what counts.
    assert scores.to_dict() == {
        ("alpha", "GPQA diamond"): 0.50,
        ("beta", "GPQA diamond"): 0.40,
        ("alpha", "FrontierMath"): 0.02,
        ("delta", "FrontierMath"): 0.07,
    }
    # The effort at the end of a version is a setting of the score, and no model of its own.
    assert imported.scores["setting"].tolist() == ["thinking 8K", "", "thinking 8K", ""]
    told = imported.skipped.set_index("model")["reason"]
    assert told["gamma"] == "the score is blank"
    models = imported.models.set_index("model")
    assert models.loc["beta", ["flops", "released"]].tolist() == [1.1e26, "2024-03-04"]


def test_the_level_of_confidence_becomes_a_standard_deviation(long: Path) -> None:
    sd = import_evals("epoch", long).models.set_index("model")["flops_log10_sd"]
    # Epoch's factor holds 90% of what may be: the 95th percentile of the normal lies at its log10.
    for model, factor in {"alpha": 3, "beta": 31}.items():
        assert norm.cdf(math.log10(factor), scale=sd[model]) == pytest.approx(0.95)
    assert np.isnan(sd["delta"])


def test_compute_without_a_known_level_is_told(long: Path) -> None:
    (note,) = [n for n in import_evals("epoch", long).notes if "counts as exact" in n]
    assert note.endswith(": delta")


@pytest.mark.parametrize(("level", "factor"), [("Confident", 3), ("likely", 10), (" Speculative ", 31)])
def test_levels(level: str, factor: float) -> None:
    assert log10_sd(level) == pytest.approx(math.log10(factor) / norm.ppf(0.95))


def test_no_level_is_no_number() -> None:
    assert log10_sd("Unknown") is None
    assert log10_sd("") is None


def test_standard_errors_give_the_items(long: Path) -> None:
    items = import_evals("epoch", long).benchmarks.set_index("benchmark")["items"]
    worth = [1 + 0.5 * 0.5 / 0.03562**2, 1 + 0.4 * 0.6 / 0.0349**2]
    assert items["GPQA diamond"] == round(np.median(worth))
    assert items["FrontierMath"] == round(1 + 0.02 * 0.98 / 0.008**2)


def test_effective_count_inverts_the_standard_error_of_a_proportion() -> None:
    rng = np.random.default_rng(1)
    for n in (5, 40, 1319):
        answers = rng.random(n) < 0.4
        stderr = answers.std(ddof=1) / np.sqrt(n)
        assert effective_count(answers.mean(), stderr) == pytest.approx(n)
    assert np.isnan(effective_count([0, 1, 0.5, 0.5], [0, 0, 0, np.nan])).all()


def test_a_folder_with_one_file_per_benchmark(tmp_path: Path) -> None:
    (tmp_path / "mmlu_external.csv").write_text(
        "Model version,EM,Name,Training compute (FLOP)\nalpha,0.86,Alpha,3e25\n"
    )
    (tmp_path / "quiz.csv").write_text("Model version,mean_score,stderr,id\nalpha,0.5,0.05,x1\nbeta,0.25,0.04,x2\n")
    (tmp_path / "index.csv").write_text(
        "Model version,Index,Training compute (FLOP),Confidence\nalpha,140,3e25,Likely\n"
    )
    (tmp_path / "notes.csv").write_text("Note\nhello\n")
    imported = import_evals("epoch", tmp_path)
    facts = imported.benchmarks.set_index("benchmark")
    assert imported.taken.set_index("benchmark")["by"].to_dict() == {"MMLU": "alias", "quiz": "new"}
    assert facts.loc["MMLU", ["items", "floor"]].tolist() == [14042, 0.25]
    assert facts.loc["quiz", "items"] == round(np.median([101, 1 + 0.1875 / 0.0016]))
    # What the index says of a model counts, although it has no score.
    assert imported.models.set_index("model").loc["alpha", "flops_log10_sd"] == pytest.approx(0.608, abs=1e-3)
    assert set(imported.skipped["source"]) == {"index.csv", "notes.csv"}


def test_other_columns_by_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("System,Test,Points,Error,Lab,Sure\nalpha,Quiz,60,5,A,Likely\nbeta,Quiz,30,4,B,\n")
    mapping = {
        "columns": {"model": "System", "benchmark": "Test", "score": "Points", "stderr": "Error", "family": "Lab"},
        "benchmarks": {"Quiz": {"benchmark": "The Quiz", "floor": 0.25}},
        "scale": 100,
    }
    imported = import_evals("epoch", path, mapping=mapping)
    assert imported.scores["score"].tolist() == [0.6, 0.3]
    assert imported.scores["stderr"].tolist() == [0.05, 0.04]
    assert imported.evals().families == ["A", "B"]
    with pytest.raises(EvalsError, match="no column of models"):
        import_evals("epoch", path)


def test_several_figures_of_one_model_are_told(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("Model version,benchmark,score,Training compute (FLOP)\na,X,0.5,1e25\na,Y,0.6,2e25\na,X,0.7,1e25\n")
    imported = import_evals("epoch", path)
    assert imported.models["flops"].tolist() == [1e25]
    assert any("a has several values of flops: 1e+25 is kept" in n for n in imported.notes)
    assert imported.scores["score"].tolist() == [0.5, 0.6]
    assert "another result of this model on X" in imported.skipped["reason"].iloc[0]


def test_files_of_the_hub_are_read_by_what_is_known_of_them(tmp_path: Path) -> None:
    (tmp_path / "aider_polyglot_external.csv").write_text(
        "Model version,Percent correct,Edit format,Organization,id\n"
        "gpt-5-2025-08-07_high,0.9,diff,OpenAI,1\ngpt-5-2025-08-07_low,0.5,diff,OpenAI,2\n"
        "wren-1b_chat,0.4,,Nest,3\n,0.3,,,4\n"
    )
    (tmp_path / "metr_time_horizons_external.csv").write_text(
        "Model version,Score,Release date\nwren-1b,3,2025-01-01\n"
    )
    imported = import_evals("epoch", tmp_path)
    # Percent, although every value is below 1.
    assert imported.scores["score"].tolist() == [0.009, 0.005, 0.004]
    assert imported.scores["benchmark"].unique().tolist() == ["Aider polyglot"]
    settings = ["effort high; edit format diff", "effort low; edit format diff", ""]
    assert imported.scores["setting"].tolist() == settings
    models = imported.models.set_index("model")
    assert models.loc["gpt-5-2025-08-07", ["family", "organization", "reasoning"]].tolist() == [
        "GPT-5",
        "OpenAI",
        "true",
    ]
    assert models.loc["wren-1b_chat", ["family", "kind"]].tolist() == ["", ""]
    reasons = " ".join(imported.skipped["reason"])
    assert "the ending 'chat' of 'wren-1b_chat'" in reasons
    assert "rows that name no version of a model" in reasons
    assert "minutes of work" in reasons
    # What a mapping says of a file counts.
    mapping = {"files": {"aider*": {"score": "Percent correct"}}, "scale": 100}
    assert import_evals("epoch", tmp_path, mapping=mapping).scores["score"].tolist() == pytest.approx(
        [0.009, 0.005, 0.004]
    )


def test_the_shared_export_is_one_command_away(tmp_path: Path) -> None:
    if not SHARED:
        pytest.skip("the export is not here")
    imported = import_evals("epoch", SHARED[0])
    assert imported.benchmarks["benchmark"].nunique() == 47
    assert set(imported.skipped["kind"]) & {"no column of scores; its facts about models are used"} == set()
    cells = imported.scores.drop_duplicates(["model", "benchmark"]).set_index(["model", "benchmark"])["score"]
    frontier = load_evals("frontier").scores.set_index(["model", "benchmark"])["score"]
    # The rows that count are those of the tables that ship.
    np.testing.assert_array_equal(cells.reindex(frontier.index), frontier)
