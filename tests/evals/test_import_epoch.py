"""Long tables as Epoch AI publishes them: scores with standard errors, releases, compute with its confidence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from bayescale.errors import EvalsError
from bayescale.evals.importers import import_evals
from bayescale.evals.importers.base import effective_count
from bayescale.evals.importers.epoch import log10_sd

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
        ("alpha_8K", "GPQA diamond"): 0.50,
        ("beta", "GPQA diamond"): 0.40,
        ("alpha_8K", "FrontierMath"): 0.02,
        ("delta", "FrontierMath"): 0.07,
    }
    told = imported.skipped.set_index("model")["reason"]
    assert told["gamma"] == "the score is blank"
    models = imported.models.set_index("model")
    assert models.loc["beta", ["flops", "released"]].tolist() == [1.1e26, "2024-03-04"]


def test_the_level_of_confidence_becomes_a_standard_deviation(long: Path) -> None:
    sd = import_evals("epoch", long).models.set_index("model")["flops_log10_sd"]
    # Epoch's factor holds 90% of what may be: the 95th percentile of the normal lies at its log10.
    for model, factor in {"alpha_8K": 3, "beta": 31}.items():
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
