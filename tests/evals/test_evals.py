"""Evals: what a user does with them once they are read."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from bayescale._files import shipped
from bayescale.errors import BayescaleError, EvalsError, EvalsWarning
from bayescale.evals import Evals, list_evals, load_evals


@pytest.fixture(scope="module")
def base() -> Evals:
    return load_evals("base-llms")


def small(**changes: pd.DataFrame) -> Evals:
    models = pd.DataFrame(
        {
            "model": ["a-7b", "a-70b", "b-1b", "c"],
            "family": ["A", "A", "B", "C"],
            "flops": [8.4e22, 8.4e23, 1e21, np.nan],
            "code": [False, False, True, False],
        }
    )
    benchmarks = pd.DataFrame({"benchmark": ["MMLU", "GSM8K"], "suite": ["standard", "maths"], "floor": [0.25, 0]})
    scores = pd.DataFrame(
        {
            "model": ["a-7b", "a-70b", "b-1b", "c", "a-7b"],
            "benchmark": ["MMLU", "MMLU", "MMLU", "MMLU", "GSM8K"],
            "score": [0.44, 0.70, 0.26, 0.86, 0.14],
        }
    )
    return Evals(**({"models": models, "benchmarks": benchmarks, "scores": scores} | changes), name="small")


def test_optional_columns_get_their_defaults() -> None:
    evals = Evals(
        pd.DataFrame({"model": ["m"], "family": ["F"]}),
        pd.DataFrame({"benchmark": ["B"]}),
        pd.DataFrame({"model": ["m"], "benchmark": ["B"], "score": [1]}),
    )
    model, benchmark = evals.models.iloc[0], evals.benchmarks.iloc[0]
    assert (model["kind"], bool(model["code"]), model["released"]) == ("base", False, "")
    assert model[["params_b", "tokens_t", "flops", "flops_log10_sd"]].isna().all()
    assert (benchmark["title"], benchmark["floor"], benchmark["ceiling"], benchmark["testlet"]) == ("B", 0, 1, "")
    assert np.isnan(benchmark["items"])
    assert evals.scores["score"].dtype == np.float64
    assert evals.scores["source"].tolist() == [""]


def test_missing_flops_are_six_n_d_and_given_flops_are_left() -> None:
    models = pd.DataFrame(
        {
            "model": ["x", "y", "z"],
            "family": "F",
            "params_b": [7, 7, 7],
            "tokens_t": [2, 2, None],
            "flops": [None, 1e23, None],
        }
    )
    evals = Evals(models, small().benchmarks, pd.DataFrame({"model": [], "benchmark": [], "score": []}))
    np.testing.assert_allclose(evals.models["flops"], [6 * 7e9 * 2e12, 1e23, np.nan])
    (note,) = [note for note in evals.notes if "6 x parameters x tokens" in note]
    assert note == "1 model has compute estimated as 6 x parameters x tokens (x); give flops if you know it better."
    assert not any("estimated" in note for note in evals.select(models=["y", "z"]).notes)


def test_the_tables_given_are_neither_changed_nor_shared() -> None:
    scores = small().scores
    before = scores.copy()
    evals = small(scores=scores)
    scores.loc[0, "score"] = 0.99
    assert evals.scores.loc[0, "score"] == before.loc[0, "score"]
    with pytest.raises(AttributeError):
        evals.scores = scores  # type: ignore[misc]


def test_matrix_is_labelled_and_blank_where_nothing_was_observed() -> None:
    matrix = small().matrix()
    assert matrix.dims == ("model", "benchmark")
    assert matrix["family"].sel(model="a-70b").item() == "A"
    assert matrix.sel(model="a-7b", benchmark="GSM8K").item() == 0.14
    assert int(np.isnan(matrix).sum()) == 3
    assert small().matrix("source").dtype == object
    with pytest.raises(EvalsError, match="Did you mean 'score'"):
        small().matrix("scores")


def test_names_and_counts() -> None:
    evals = small()
    assert evals.families == ["A", "B", "C"]
    assert evals.model_names == ["a-7b", "a-70b", "b-1b", "c"]
    assert evals.benchmark_names == ["MMLU", "GSM8K"]
    assert len(evals) == evals.n_scores == 5


@pytest.mark.parametrize(
    ("conditions", "models", "scores"),
    [
        ({"families": "A"}, ["a-7b", "a-70b"], 3),
        ({"families": ["C", "B"]}, ["b-1b", "c"], 2),
        ({"models": ["a-70b", "a-7b"], "benchmarks": "MMLU"}, ["a-7b", "a-70b"], 2),
        ({"suites": "maths"}, ["a-7b", "a-70b", "b-1b", "c"], 1),
        ({"code": False, "kinds": ["base"]}, ["a-7b", "a-70b", "c"], 4),
        ({}, ["a-7b", "a-70b", "b-1b", "c"], 5),
    ],
)
def test_select(conditions: dict, models: list[str], scores: int) -> None:
    chosen = small().select(**conditions)
    assert chosen.model_names == models
    assert chosen.n_scores == scores
    assert chosen.models.index.equals(pd.RangeIndex(len(models)))


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"families": "a"}, "Did you mean 'A'"),
        ({"models": ["a-7B"]}, "no model 'a-7B'. Did you mean 'a-7b'"),
        ({"benchmarks": ["MMLU", "GSM-8K"]}, "Did you mean 'GSM8K'"),
        ({"suites": "math"}, "Did you mean 'maths'"),
        ({"kinds": "instruct"}, "Known: base"),
        ({"families": "A", "code": True}, "leaves no models"),
        ({"benchmarks": []}, "leaves no benchmarks"),
    ],
)
def test_select_says_what_is_unknown_or_empty(conditions: dict, message: str) -> None:
    with pytest.raises(EvalsError, match=message):
        small().select(**conditions)


def test_mask_takes_every_form_and_keeps_models_and_benchmarks() -> None:
    evals = small()
    pairs = [("a-7b", "MMLU"), ("a-7b", "GSM8K"), ("c", "GSM8K")]
    hidden = evals.matrix() > 2
    for model, benchmark in pairs:
        hidden.loc[model, benchmark] = True
    forms = [
        pairs,
        iter(pairs),
        pd.DataFrame(pairs, columns=["model", "benchmark"]),
        hidden,
        hidden.T,
        hidden.to_pandas(),
        hidden.sel(model=["c", "a-7b"]),
    ]
    for form in forms:
        masked = evals.mask(form)
        assert masked.n_scores == 3
        assert masked.model_names == evals.model_names
        assert masked.benchmark_names == evals.benchmark_names
    assert evals.n_scores == 5
    assert evals.mask([]).identity == evals.identity


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ([("a-7b", "MMLUU")], "Did you mean 'MMLU'"),
        ([("d", "MMLU")], "no model 'd'"),
        (pd.DataFrame({"MMLU": [True]}, index=["a7b"]), "Did you mean 'a-7b'"),
        (pd.DataFrame({"MMLU": [0.3]}, index=["a-7b"]), "must be boolean"),
        (small().matrix().sel(benchmark="MMLU") > 0, "'model' and 'benchmark'"),
        (["MMLU"], "pairs"),
        ("MMLU", "pairs"),
    ],
)
def test_mask_refuses_what_it_cannot_mean(hidden: object, message: str) -> None:
    with pytest.raises(EvalsError, match=message):
        small().mask(hidden)  # type: ignore[arg-type]


def test_split_hides_what_is_above_or_unknown() -> None:
    seen, hidden = small().split(8.4e22)
    assert set(hidden.scores["model"]) == {"a-70b", "c"}
    assert set(seen.scores["model"]) == {"a-7b", "b-1b"}
    assert seen.model_names == hidden.model_names == small().model_names
    _, hidden = small().split(8.4e22, unknown="below")
    assert set(hidden.scores["model"]) == {"a-70b"}
    seen, hidden = small().split(1e22, benchmarks="GSM8K")
    assert hidden.scores["benchmark"].tolist() == ["GSM8K"]
    assert seen.n_scores == 4


@pytest.mark.parametrize("flops", [22.9, 84, -1e22, float("nan"), float("inf")])
def test_split_by_a_slip_of_units(flops: float) -> None:
    with pytest.raises(EvalsError, match=r"not a log10.*flops=8.4e22"):
        small().split(flops)


def test_add() -> None:
    evals = small().add("a-400b", "A", {"MMLU": 0.86}, params_b=400, tokens_t=15)
    assert evals.model_names[-1] == "a-400b"
    assert evals.matrix().sel(model="a-400b", benchmark="MMLU").item() == 0.86
    assert evals.models["flops"].iloc[-1] == pytest.approx(3.6e25)
    assert evals.models.dtypes.equals(small().models.dtypes)
    assert small().add("new", "N", {}).n_scores == 5


@pytest.mark.parametrize(
    ("scores", "columns", "message"),
    [
        ({"MMLUU": 0.5}, {}, "Did you mean 'MMLU'"),
        ({"MMLU": 86.0}, {}, "looks like a percentage; divide by 100"),
        ({}, {"flop": 1e25}, "no column of models 'flop'. Did you mean 'flops'"),
        ({}, {"flops": 25}, "log10"),
        ({}, {"kind": "chat"}, "base or instruct"),
    ],
)
def test_add_checks_what_it_is_given(scores: dict, columns: dict, message: str) -> None:
    with pytest.raises(EvalsError, match=message):
        small().add("new", "A", scores, **columns)
    with pytest.raises(EvalsError, match="in the table already"):
        small().add("c", "C", {})


def test_summary_and_text(base: Evals) -> None:
    summary = base.summary()
    assert summary.columns.tolist() == ["scores", "min", "median", "max", "items", "floor"]
    assert summary.loc["GSM8K", "scores"] == 148
    assert small().mask(small().matrix() > 0).summary()["scores"].tolist() == [0, 0]
    text = repr(base).replace("\n", " ")
    assert "148 models of 47 families, 8 benchmarks, 1144 scores (97%" in text
    assert "unknown for 25 models" in text
    assert 'bs.fit(bs.load_spec("default"), evals)' in text
    assert "&#x27;base-llms&#x27;" in base._repr_html_()
    assert base._repr_html_().startswith("<div ")


def test_notes_say_what_is_allowed_and_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notes = "\n".join(small().notes)
    assert "2 families have one model (B, C); their efficiency is shrunk towards the average." in notes
    assert "1 benchmark has fewer than 3 scores (GSM8K); forecasts of them will be wide." in notes
    assert " no scores (" in "\n".join(small().split(8.4e22)[0].notes)


@pytest.mark.parametrize(("flops", "said"), [(8.4e22, False), (4e22, False), (8.4e25, True), (8.4e19, True)])
def test_compute_that_contradicts_parameters_and_tokens_is_noted(flops: float, said: bool) -> None:
    models = small().models.assign(params_b=[7.0, None, None, None], tokens_t=[2.0, None, None, None])
    models.loc[0, "flops"] = flops
    notes = "\n".join(small(models=models).notes)
    assert ("1 model has compute far from 6 x parameters x tokens (" in notes) == said


def test_repeated_equal_scores_are_dropped_and_said() -> None:
    again = pd.concat([small().scores, small().scores.iloc[[1, 1]]], ignore_index=True)
    with pytest.warns(EvalsWarning, match=r"scores\.iloc\[5\].*\(\.iloc\[1\]\)") as record:
        evals = small(scores=again)
    assert len(record) == 1
    assert evals.identity == small().identity
    assert any("has this score already" in note for note in evals.notes)


def test_identity_is_of_the_content_only() -> None:
    evals = small()
    turned = Evals(
        evals.models[::-1], evals.benchmarks[::-1], evals.scores.sample(frac=1, random_state=1), name="other"
    )
    assert turned.identity == evals.identity
    assert len(evals.identity) == 64
    scores = evals.scores.copy()
    scores.loc[0, "score"] = np.nextafter(scores.loc[0, "score"], 1)
    assert small(scores=scores).identity != evals.identity


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "name": "x", "models": 3}', "null"])
def test_foreign_json(text: str) -> None:
    with pytest.raises(EvalsError):
        Evals.from_json(text)


def test_newer_json() -> None:
    with pytest.raises(EvalsError, match="install a newer bayescale"):
        Evals.from_json(small().to_json().replace('"format": 1', '"format": 3'))


def test_shipped_sets() -> None:
    with pytest.raises(EvalsError, match="Did you mean 'base-llms'"):
        load_evals("base-llm")
    sets = list_evals().set_index("name")
    assert sets.columns.tolist() == ["title", "models", "benchmarks", "scores"]
    for name in sets.index:
        evals = load_evals(name)
        assert evals.name == name
        assert [len(evals.models), len(evals.benchmarks), len(evals)] == sets.loc[name].tolist()[1:]
    with pytest.raises(BayescaleError, match="incomplete"):
        shipped("no-such-folder")
