"""Reading directories and validating tables: what is wrong is said, all at once, with its place and a remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import EvalsError, EvalsWarning, suggest
from bayescale.evals import Evals, load_evals, read_evals
from bayescale.evals.csv_files import export_csv
from bayescale.evals.tables import MOST_SHOWN, TablesError
from bayescale.evals.validation import check_directory
from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.data import covariate_prior
from bayescale.model.spec import Spec

MODELS = """\
model,family,kind,code,params_b,tokens_t,flops,flops_log10_sd,context
a-7b,A,base,false,7,2,8.4e22,,4096
a-70b,A,base,false,70,2,8.4e23,0.1,4096
b,B,instruct,true,,,,,
"""
BENCHMARKS = """\
benchmark,title,items,floor,ceiling
MMLU,Understanding,14042,0.25,1
GSM8K,,1319,,
"""
SCORES = """\
model,benchmark,score
a-7b,MMLU,0.44
a-70b,MMLU,0.70
b,MMLU,0.5
b,GSM8K,0.1
"""


def write(folder: Path, models: str = MODELS, benchmarks: str = BENCHMARKS, scores: str = SCORES) -> Path:
    for name, text in (("models", models), ("benchmarks", benchmarks), ("scores", scores)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_reading(tmp_path: Path) -> None:
    evals = read_evals(write(tmp_path))
    assert evals.name == tmp_path.name
    assert evals.models["code"].tolist() == [False, False, True]
    assert evals.models["context"].tolist() == ["4096", "4096", ""]
    assert evals.benchmarks["title"].tolist() == ["Understanding", "GSM8K"]
    assert evals.benchmarks["floor"].tolist() == [0.25, 0.0]
    assert not [p for p in check_directory(tmp_path) if p.severity == "error"]


def test_spreadsheet_habits_are_understood(tmp_path: Path) -> None:
    write(tmp_path)
    text = SCORES.replace("\n", "\r\n").replace("a-7b,MMLU", '" a-7b ",MMLU') + "\r\n,,\r\n"
    (tmp_path / "scores.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_evals(tmp_path).n_scores == 4


# What is changed in which table; the line and column that must be named; words of the message.
BAD = [
    (
        "scores",
        "a-7b,MMLU,0.44",
        "a-7b,MMLU,57.3",
        2,
        "score",
        "57.3 — outside [0, 1], looks like a percentage; divide by 100",
    ),
    ("scores", "a-7b,MMLU,0.44", "a-7b,MMLU,-0.1", 2, "score", "-0.1 — outside [0, 1]; rescale"),
    ("scores", "a-7b,MMLU,0.44", "a-7b,MMLU,1437", 2, "score", "1437 — outside [0, 1]; rescale"),
    ("scores", "a-70b,MMLU,0.70", "a-70b,MMLU,inf", 3, "score", "must be finite"),
    ("scores", "a-70b,MMLU,0.70", "a-70b,MMLU,nan", 3, "score", "'nan' — not a number"),
    ("scores", "a-70b,MMLU,0.70", "a-70b,MMLU,n/a", 3, "score", "'n/a' — not a number"),
    ("scores", "a-70b,MMLU,0.70", 'a-70b,MMLU,"0,70"', 3, "score", "'0,70' — not a number"),
    ("scores", "a-70b,MMLU,0.70", "a-70b,MMLU,", 3, "score", "remove the row"),
    ("scores", "b,GSM8K,0.1", "b,MMLU,0.6", 5, "score", "b on MMLU has another score, 0.5, already (line 4)"),
    (
        "scores",
        "b,GSM8K",
        "c,GSM8K",
        5,
        "model",
        "'c' — not in the table of models. Known: a-70b, a-7b, b; correct the name",
    ),
    ("scores", "b,GSM8K", "b,GSM-8K", 5, "benchmark", "Did you mean 'GSM8K'"),
    ("scores", "b,GSM8K", ",GSM8K", 5, "model", "a score needs a model"),
    ("scores", "b,GSM8K", "b, ", 5, "benchmark", "a score needs a benchmark"),
    ("models", "b,B,", "a-7b,B,", 4, "model", "in the table already (line 2)"),
    ("models", "a-7b,A,", ",A,", 2, "model", "needs a name"),
    ("models", "a-7b,A,", "a-7b,,", 2, "family", "blank — a model needs a family"),
    ("models", "b,B,", "b,B\u00a0B,", 4, "family", "invisible character"),
    ("models", "b,B,instruct", "b,B,chat", 4, "kind", "'chat' — no such kind of model; write base or instruct"),
    ("models", "A,base,false,7,", "A,base,maybe,7,", 2, "code", "write true or false"),
    ("models", ",7,2,", ",-7,2,", 2, "params_b", "positive"),
    ("models", ",7,2,", ",7e9,2,", 2, "params_b", "divide by 1e9"),
    ("models", ",7,2,", ",7B,2,", 2, "params_b", "'7B' — not a number; write a plain number, or leave the cell blank"),
    ("models", ",7,2,", ",7,0,", 2, "tokens_t", "positive"),
    ("models", ",7,2,", ",7,2e12,", 2, "tokens_t", "divide by 1e12"),
    ("models", "8.4e22", "-8.4e22", 2, "flops", "positive"),
    ("models", "8.4e22", "0", 2, "flops", "positive"),
    ("models", "8.4e22", "1e999", 2, "flops", "finite"),
    ("models", "8.4e22", "22.9", 2, "flops", "22.9 — too little compute for a language model: it looks like a log10"),
    ("models", "8.4e22", "84", 2, "flops", "in units of 10^21; write plain FLOP, for example 8.4e22"),
    ("models", "8.4e22,", "8.4e22,-0.1", 2, "flops_log10_sd", "not negative"),
    ("benchmarks", "GSM8K,", "MMLU,", 3, "benchmark", "in the table already (line 2)"),
    ("benchmarks", "GSM8K,", ",", 3, "benchmark", "needs a name"),
    ("benchmarks", "14042", "14042.5", 2, "items", "whole number"),
    ("benchmarks", "14042", "0", 2, "items", "1 or more"),
    ("benchmarks", "14042", "1e19", 2, "items", "more than 1e+09 test items; correct it"),
    ("benchmarks", "Understanding", "Under\0standing", 2, "title", "no file does (NUL, or half of a pair)"),
    ("models", "a-7b,A,", "a-7b,new family,", 2, "family", "forecasts call a family that is not in the data so"),
    ("benchmarks", "14042", '"14,042"', 2, "items", "'14,042' — not a number"),
    ("benchmarks", "0.25,1", "25,1", 2, "floor", "[0, 1]"),
    ("benchmarks", "0.25,1", "0.25,100", 2, "ceiling", "[0, 1]"),
    ("benchmarks", "0.25,1", "0.25,0.2", 2, "floor", "0.25 — the floor is not below the ceiling (0.2)"),
]


@pytest.mark.parametrize(("table", "old", "new", "line", "column", "words"), BAD)
def test_a_bad_cell_is_named(
    tmp_path: Path, table: str, old: str, new: str, line: int, column: str, words: str
) -> None:
    texts = {"models": MODELS, "benchmarks": BENCHMARKS, "scores": SCORES}
    assert texts[table].count(old) == 1
    texts[table] = texts[table].replace(old, new)
    with pytest.raises(TablesError) as caught:
        read_evals(write(tmp_path, **texts))
    lines = [text for text in str(caught.value).splitlines() if f"{table}.csv line {line}, column {column}: " in text]
    assert len(lines) == 1, str(caught.value)
    assert words in lines[0]
    assert (table, line, column) in [(p.table, p.row, p.column) for p in caught.value.problems]
    errors = [p for p in check_directory(tmp_path) if p.severity == "error"]
    assert errors == list(caught.value.problems)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    models = MODELS.replace("8.4e22", "84").replace("b,B", "b,")
    scores = SCORES.replace("0.44", "44").replace("b,GSM8K,0.1", "b,GSM8K,n/a")
    with pytest.raises(EvalsError) as caught:
        read_evals(write(tmp_path, models=models, scores=scores))
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).splitlines()[0].startswith("4 problems in ")
    places = [(p.table, p.row, p.column) for p in caught.value.problems]  # type: ignore[attr-defined]
    assert places == [("models", 2, "flops"), ("models", 4, "family"), ("scores", 2, "score"), ("scores", 5, "score")]


def test_a_long_list_is_cut_in_the_message_only(tmp_path: Path) -> None:
    scores = "model,benchmark,score\n" + "".join(f"m{i},MMLU,{i + 2}\n" for i in range(90))
    with pytest.raises(TablesError) as caught:
        read_evals(write(tmp_path, scores=scores))
    assert len(caught.value.problems) == 180
    assert len(str(caught.value).splitlines()) == MOST_SHOWN + 2
    assert "and 130 more" in str(caught.value)


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    models = MODELS.replace("a-7b,A", '\n\n"a\n-7b",A').replace("b,B", "b,")
    with pytest.raises(TablesError) as caught:
        read_evals(write(tmp_path, models=models, scores="model,benchmark,score\n"))
    assert [(p.row, p.column) for p in caught.value.problems] == [(4, "model"), (7, "family")]


def test_missing_columns_and_odd_headers(tmp_path: Path) -> None:
    with pytest.raises(
        TablesError, match=r"scores.csv line 1, column score: the column is missing.*model, benchmark, accuracy"
    ):
        read_evals(write(tmp_path, scores=SCORES.replace("score", "accuracy")))
    with pytest.raises(TablesError, match="separated by commas"):
        read_evals(write(tmp_path, scores=SCORES.replace(",", ";")))
    with pytest.raises(TablesError, match="column family: the column is there twice"):
        read_evals(write(tmp_path, models=MODELS.replace("kind", "family")))


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    write(tmp_path, scores=SCORES.replace("b,MMLU,0.5", "b,MMLU,0,5"))
    with pytest.raises(TablesError, match=r"scores.csv line 4: the row has 4 cells, the header 3"):
        read_evals(tmp_path)
    write(tmp_path, scores=SCORES.replace("b,MMLU", '"b,MMLU'))
    with pytest.raises(TablesError, match=r"scores.csv line 4: cannot be read as CSV.*unbalanced"):
        read_evals(tmp_path)
    write(tmp_path, scores="")
    with pytest.raises(TablesError, match=r"scores.csv: the file is empty; write a header: model,benchmark,score"):
        read_evals(tmp_path)
    (tmp_path / "scores.csv").write_bytes(SCORES.encode() + "é,MMLU,0.5\n".encode("latin-1"))
    with pytest.raises(TablesError, match=r"scores.csv line 6: this is not UTF-8"):
        read_evals(tmp_path)
    (tmp_path / "scores.csv").unlink()
    (tmp_path / "benchmarks.csv").unlink()
    with pytest.raises(TablesError) as caught:
        read_evals(tmp_path)
    assert [p.table for p in caught.value.problems] == ["benchmarks", "scores"]


def test_a_file_problem_does_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, models=MODELS.replace("8.4e22", "84"))
    (tmp_path / "scores.csv").unlink()
    with pytest.raises(TablesError) as caught:
        read_evals(tmp_path)
    assert [(p.table, p.row) for p in caught.value.problems] == [("scores", None), ("models", 2)]


def test_missing_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EvalsError, match=r"directory: .*there is no such directory"):
        read_evals(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvalsError, match="no such directory") as caught:
        read_evals("base-llms")
    assert "load_evals('base-llms')" in caught.value.__notes__[0]
    write(tmp_path)
    with pytest.raises(EvalsError, match="read_evals"):
        load_evals(str(tmp_path))
    assert check_directory(tmp_path / "nowhere")[0].severity == "error"


def test_notes_of_a_directory(tmp_path: Path) -> None:
    models = MODELS + "c,C,base,,,,,,\n"
    notes = check_directory(write(tmp_path, models=models, scores=SCORES + "b,GSM8K,0.1\n"))
    assert {p.severity for p in notes} == {"note"}
    said = [str(p) for p in notes]
    assert said[0].startswith("scores.csv line 6, column score: 0.1 — ")
    assert said[1:] == [
        "models.csv, column family: 2 families have one model (B, C); their efficiency is shrunk towards the average",
        "models.csv, column model: 1 model has no scores (c); the fit learns nothing from them",
        # The repetition is not a second observation.
        "benchmarks.csv, column benchmark: 1 benchmark has fewer than 3 scores (GSM8K); forecasts of them will be wide",
    ]
    with pytest.warns(EvalsWarning, match=r"scores.csv line 6.*\(line 5\)"):
        assert read_evals(tmp_path).n_scores == 4


def test_data_frames_are_named_by_position() -> None:
    models = pd.DataFrame({"model": ["a", "b"], "family": ["A", None], "flops": ["unknown", 1e22]})
    benchmarks = pd.DataFrame({"benchmark": ["MMLU"]})
    scores = pd.DataFrame({"model": ["a"], "benchmark": ["MMLU"], "score": [0.5]}, index=[7])
    with pytest.raises(TablesError) as caught:
        Evals(models, benchmarks, scores)
    assert [(p.row, p.column) for p in caught.value.problems] == [(2, "flops"), (3, "family")]
    assert "models.iloc[1], column family: blank" in str(caught.value)
    with pytest.raises(TablesError, match="models: 'list' — not a table"):
        Evals([1], benchmarks, scores)  # type: ignore[arg-type]


def test_writing_leaves_no_half_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evals = read_evals(write(tmp_path))
    before = (tmp_path / "models.csv").read_text()

    def fail(*_: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr("bayescale.evals.csv_files.cell_text", fail)
    with pytest.raises(OSError, match="disk full"):
        evals.to_directory(tmp_path)
    assert (tmp_path / "models.csv").read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["benchmarks.csv", "models.csv", "scores.csv"]


def test_half_of_a_pair_is_reported_with_its_place() -> None:
    """JSON has such characters, and no file."""
    models = pd.DataFrame({"model": ["a"], "family": ["A"], "note": pd.Series(["x\ud800"], dtype=object)})
    scores = pd.DataFrame({"model": ["a"], "benchmark": ["MMLU"], "score": [0.5]})
    with pytest.raises(EvalsError, match=r"models.iloc\[0\], column note: .*half of a pair"):
        Evals(models, pd.DataFrame({"benchmark": ["MMLU"]}), scores)
    with pytest.raises(EvalsError, match="name"):
        Evals(models.drop(columns="note"), pd.DataFrame({"benchmark": ["MMLU"]}), scores, name="a\0b")


def test_names_spelled_with_and_without_a_maker_are_matched_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []

    def search(name: str, options: object, what: str) -> str:
        searches.append(name)
        return ""

    monkeypatch.setattr("bayescale.evals.validation.suggest", search)
    names = [f"model-{i}" for i in range(2000)]
    models = pd.DataFrame({"model": names, "family": "A"})
    given = [f"org/{name}" for name in names[:1000]] + [f"other-{i}" for i in range(1000)]
    scores = pd.DataFrame({"model": given, "benchmark": "MMLU", "score": 0.5})
    with pytest.raises(TablesError) as caught:
        Evals(models, pd.DataFrame({"benchmark": ["MMLU"]}), scores)
    assert len(caught.value.problems) == 2000
    assert "Did you mean 'model-7'?" in caught.value.problems[7].message
    assert len(searches) <= 10


def test_long_names_are_short_in_messages() -> None:
    message = suggest("x" * 100_000, ["x" * 100_000 + "y", "z"], "model")
    assert len(message) < 500
    assert "Did you mean 'xxx" in message


@pytest.mark.parametrize("items", [1, 1e9])
@pytest.mark.parametrize("floor", [0.0, 0.99])
def test_what_passes_validation_has_starting_points(items: float, floor: float) -> None:
    models = pd.DataFrame(
        {"model": list("ab"), "family": "A", "flops": [1e22, 1e24], "flops_log10_sd": [1e-160, 1e160]}
    )
    benchmarks = pd.DataFrame({"benchmark": ["one", "none"], "items": items, "floor": floor, "ceiling": 0.995})
    scores = pd.DataFrame({"model": list("ab"), "benchmark": "one", "score": [0.2, 1.0]})
    at = Coordinates.of(Spec(factors=1), Evals(models, benchmarks, scores))
    for name, values in {**at.arrays, **at.starting_point(np.random.default_rng(1))}.items():
        assert np.isfinite(values).all(), name
    assert all(np.isfinite(values).all() for values in covariate_prior(at.spec, at.data))


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1"])
def test_a_spreadsheet_runs_nothing_in_a_table_of_results(name: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"model": [name, "plain"], "text": ["-0.5", ""], "score": [-0.5, 1.0], name: [1, 2]})
    export_csv(table, tmp_path / "table.csv")
    back = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert back["model"].tolist() == [f"'{name}", "plain"]
    assert back["text"].tolist() == ["-0.5", ""]
    assert back["score"].tolist() == [-0.5, 1.0]
    assert f"'{name}" in back.columns


@pytest.mark.parametrize("name", ["=1+1", "'=1+1", "@mine", "-2+3", "'plain", "-0.5"])
def test_nor_in_tables_of_data_which_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    models = pd.DataFrame({"model": [name], "family": "A", "note": name})
    scores = pd.DataFrame({"model": [name], "benchmark": "MMLU", "score": [0.5]})
    evals = Evals(models, pd.DataFrame({"benchmark": ["MMLU"]}), scores)
    assert read_evals(evals.to_directory(tmp_path)).identity == evals.identity
    formulas = [line for line in (tmp_path / "models.csv").read_text().splitlines() if line[0] in "=+-@"]
    assert formulas in ([], [line for line in formulas if line.startswith("-0.5")])
