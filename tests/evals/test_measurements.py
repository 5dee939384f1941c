"""Several measurements of one model and benchmark: one counts, all are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import EvalsError, EvalsWarning
from bayescale.evals import Evals, load_evals, read_evals
from bayescale.evals.validation import check_directory

MODELS = pd.DataFrame({"model": ["a", "b"], "family": "F"})
BENCHMARKS = pd.DataFrame({"benchmark": ["MMLU", "GSM8K"]})
SCORES = pd.DataFrame(
    [
        ("a", "MMLU", 0.44, "5", "", "0.01"),
        ("a", "MMLU", 0.40, "0", "", ""),
        ("a", "GSM8K", 0.10, "8", "effort low", ""),
        ("b", "MMLU", 0.70, "5", "", ""),
        ("a", "GSM8K", 0.30, "8", "effort high", "0.02"),
    ],
    columns=["model", "benchmark", "score", "shots", "setting", "stderr"],
)


@pytest.fixture
def evals() -> Evals:
    return Evals(MODELS, BENCHMARKS, SCORES, name="several")


def test_the_first_counts_and_all_are_kept(evals: Evals) -> None:
    assert evals.scores["score"].tolist() == [0.44, 0.10, 0.70]
    assert len(evals) == 3
    table = evals.measurements
    assert table["score"].tolist() == SCORES["score"].tolist()
    assert table["counts"].tolist() == [True, False, True, True, False]
    assert table["shots"].tolist() == ["5", "0", "8", "5", "8"]
    assert table["harness"].tolist() == [""] * 5
    np.testing.assert_array_equal(table["stderr"], [0.01, np.nan, np.nan, np.nan, 0.02])
    assert "5 measurements" in repr(evals)


def test_selections_and_masks_keep_the_measurements_of_their_cells(evals: Evals) -> None:
    assert evals.select(benchmarks="MMLU").measurements["score"].tolist() == [0.44, 0.40, 0.70]
    # A hidden score is hidden however it was measured.
    assert evals.mask([("a", "MMLU")]).measurements["score"].tolist() == [0.10, 0.70, 0.30]
    assert evals.add("c", "F", {"MMLU": 0.5}).measurements["score"].tolist() == [*SCORES["score"], 0.5]


def test_files_and_json_keep_them(evals: Evals, tmp_path: Path) -> None:
    assert read_evals(evals.to_directory(tmp_path)).identity == evals.identity
    again = Evals.from_json(evals.to_json())
    assert again.identity == evals.identity
    pd.testing.assert_frame_equal(again.measurements, evals.measurements)


def test_which_row_counts_is_part_of_the_identity(evals: Evals) -> None:
    turned = Evals(MODELS, BENCHMARKS, SCORES[::-1])
    assert turned.scores["score"].tolist() == [0.30, 0.70, 0.40]
    assert turned.identity != evals.identity


def test_what_no_longer_has_several_is_as_if_it_never_had(evals: Evals) -> None:
    once = Evals(MODELS, BENCHMARKS, SCORES.iloc[[3]])
    chosen = evals.mask([("a", "MMLU"), ("a", "GSM8K")])
    assert chosen.identity == once.identity
    assert '"format": 1' in chosen.to_json()


def test_tables_without_several_have_measurements_too() -> None:
    evals = load_evals("base-llms")
    table = evals.measurements
    assert table["score"].tolist() == evals.scores["score"].tolist()
    assert table["counts"].all()
    # Saved posteriors refer to it.
    assert evals.identity == "e93deac284e1fd2d1bc37014352ccc780f6df03c34a0f01791f794d24305d359"


def test_rows_that_differ_in_nothing_but_the_score_are_an_error() -> None:
    wrong = SCORES.assign(shots="5", setting="", stderr="")
    with pytest.raises(EvalsError, match=r"another score, 0.44, already.*columns source, harness, shots, setting"):
        Evals(MODELS, BENCHMARKS, wrong)
    repeated = pd.concat([SCORES, SCORES.iloc[[1]]])
    with pytest.warns(EvalsWarning, match="this score already"):
        assert len(Evals(MODELS, BENCHMARKS, repeated).measurements) == 5


@pytest.mark.parametrize("stderr", ["-0.1", "about 0.1"])
def test_standard_errors_are_numbers(stderr: str) -> None:
    with pytest.raises(EvalsError, match=r"column stderr.*no number of 0 or more"):
        Evals(MODELS, BENCHMARKS, SCORES.assign(stderr=stderr))


def test_notes_count_cells(evals: Evals, tmp_path: Path) -> None:
    notes = [str(p) for p in check_directory(evals.to_directory(tmp_path))]
    assert any("2 benchmarks have fewer than 3 scores (MMLU, GSM8K)" in note for note in notes)
