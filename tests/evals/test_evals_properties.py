"""Properties that hold for all tables: reading, writing, validating, taking apart."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from bayescale.errors import EvalsError
from bayescale.evals import Evals, read_evals
from bayescale.evals.tables import TABLES, TablesError
from bayescale.evals.validation import check_directory

few = settings(max_examples=8, deadline=None)

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda s: s.isprintable() and s == s.strip()
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
positive = st.floats(1e-9, 999_999.0)


def maybe(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


@st.composite
def tables(draw: st.DrawFn, least: int = 0) -> dict[str, pd.DataFrame]:
    """Draw three valid tables."""
    models = draw(st.lists(names, unique=True, min_size=least, max_size=6))
    benchmarks = draw(st.lists(names, unique=True, min_size=least, max_size=4))
    cells = [(m, b) for m in models for b in benchmarks]
    observed = draw(st.lists(st.sampled_from(cells), unique=True, min_size=least) if cells else st.just([]))

    def column(values: st.SearchStrategy, length: int) -> list:
        return draw(st.lists(values, min_size=length, max_size=length))

    m, b, s = len(models), len(benchmarks), len(observed)
    floors = column(st.floats(0, 0.5), b)
    return {
        "models": pd.DataFrame(
            {
                "model": models,
                "family": column(names, m),
                "kind": column(st.sampled_from(["base", "instruct"]), m),
                "code": column(st.booleans(), m),
                "params_b": column(maybe(positive), m),
                "tokens_t": column(maybe(positive), m),
                "flops": column(maybe(st.floats(1e15, 1e30)), m),
                "flops_log10_sd": column(maybe(st.floats(0, 10)), m),
                "released": column(texts, m),
                "remark": column(texts, m),
            }
        ),
        "benchmarks": pd.DataFrame(
            {
                "benchmark": benchmarks,
                "title": column(texts, b),
                "items": column(maybe(st.integers(1, 10**9)), b),
                "floor": floors,
                "ceiling": column(st.floats(0.6, 1), b),
                "testlet": column(texts, b),
            }
        ),
        "scores": pd.DataFrame(
            {
                "model": [m for m, _ in observed],
                "benchmark": [b for _, b in observed],
                "score": column(st.floats(0, 1), s),
                "source": column(texts, s),
            }
        ),
    }


def assert_same(left: Evals, right: Evals) -> None:
    for table in TABLES:
        assert_frame_equal(getattr(left, table), getattr(right, table), check_exact=True)
    assert left.identity == right.identity


@few
@given(tables())
def test_files_and_json_give_back_every_bit(drawn: dict[str, pd.DataFrame]) -> None:
    evals = Evals(**drawn)
    with tempfile.TemporaryDirectory() as folder:
        assert_same(read_evals(evals.to_directory(folder)), evals)
    assert_same(Evals.from_json(evals.to_json()), evals)
    assert Evals.from_json(evals.to_json()).name == evals.name


@few
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_is_no_content(drawn: dict[str, pd.DataFrame], random: object) -> None:
    shuffled = {
        name: table.sample(frac=1, random_state=random.randrange(2**32)).sample(frac=1, axis=1, random_state=1)  # type: ignore[attr-defined]
        for name, table in drawn.items()
    }
    assert Evals(**shuffled).identity == Evals(**drawn).identity


@few
@given(tables(least=1), st.data())
def test_every_score_is_in_exactly_one_half(drawn: dict[str, pd.DataFrame], data: st.DataObject) -> None:
    evals = Evals(**drawn)
    whole = evals.matrix()
    assert int(np.isfinite(whole).sum()) == evals.n_scores

    seen, hidden = evals.split(data.draw(st.floats(1e15, 1e30)), unknown=data.draw(st.sampled_from(["above", "below"])))
    assert seen.n_scores + hidden.n_scores == evals.n_scores
    assert seen.matrix().combine_first(hidden.matrix()).identical(whole)
    assert not bool((np.isfinite(seen.matrix()) & np.isfinite(hidden.matrix())).any())

    where = whole.copy(
        data=np.array(data.draw(st.lists(st.booleans(), min_size=whole.size, max_size=whole.size))).reshape(whole.shape)
    )
    rest, masked = evals.mask(where), evals.mask(~where)
    assert rest.matrix().identical(whole.where(~where))
    assert rest.n_scores + masked.n_scores == evals.n_scores
    # Deriving skips validation; what comes out would pass it.
    assert_same(Evals(rest.models, rest.benchmarks, rest.scores), rest)


BAD_CELLS = {
    ("models", "kind"): ["chat", "Base"],
    ("models", "family"): ["", "A\tB", None],
    ("models", "code"): ["perhaps", 2],
    ("models", "params_b"): ["7B", 0, -1.5, math.inf, 7e9],
    ("models", "tokens_t"): ["2T", 0, -1.5, math.inf, 2e12],
    ("models", "flops"): ["n/a", 0, -8e22, math.inf, 22.9, 84.0],
    ("models", "flops_log10_sd"): ["?", -0.1, math.inf],
    ("benchmarks", "items"): ["1,319", 0, -5, 0.25, math.inf],
    ("benchmarks", "floor"): ["chance", -0.1, 25.0, 0.999999999, math.inf],
    ("benchmarks", "ceiling"): ["max", -0.1, 100.0, math.inf],
    ("scores", "score"): ["n/a", "", None, math.nan, -1e-9, 1.0000001, 57.3, 101.0, math.inf, True],
    ("scores", "model"): ["", "no such model (surely)"],
    ("scores", "benchmark"): ["", "no such benchmark (surely)"],
}


@settings(max_examples=20, deadline=None)
@given(tables(least=1), st.data())
def test_any_one_bad_cell_is_found_and_nothing_else_is(drawn: dict[str, pd.DataFrame], data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(sorted(BAD_CELLS)))
    table, column = place
    value = data.draw(st.sampled_from(BAD_CELLS[place]))
    if value == 0.999999999:
        drawn["benchmarks"]["ceiling"] = 0.9
    row = data.draw(st.integers(0, len(drawn[table]) - 1))
    drawn[table] = drawn[table].astype(object)
    drawn[table].loc[row, column] = value
    with pytest.raises(TablesError, match=rf"{table}\.iloc\[{row}\], column {column}: ") as caught:
        Evals(**drawn)
    (problem,) = caught.value.problems
    assert (problem.table, problem.row, problem.column) == (table, row + 2, column)
    assert problem.message
    assert problem.remedy


@few
@given(tables(least=1), st.data())
def test_a_second_score_or_name_is_found(drawn: dict[str, pd.DataFrame], data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(["models", "benchmarks", "scores"]))
    row = data.draw(st.integers(0, len(drawn[table]) - 1))
    again = drawn[table].iloc[[row]].astype(object)
    if table == "scores":
        again["score"] = 1.0 - again["score"] if again["score"].iloc[0] != 0.5 else 0.25
    drawn[table] = pd.concat([drawn[table].astype(object), again], ignore_index=True)
    column = "score" if table == "scores" else drawn[table].columns[0]
    with pytest.raises(TablesError) as caught:
        Evals(**drawn)
    (problem,) = caught.value.problems
    place = problem.table, problem.row, problem.column, problem.earlier
    assert place == (table, len(drawn[table]) + 1, column, row + 2)


@few
@given(
    st.sampled_from(sorted(TABLES)),
    st.binary(max_size=60) | texts.map(str.encode) | st.lists(texts).map(",".join).map(str.encode),
)
def test_no_file_content_leads_to_a_traceback_of_something_else(table: str, content: bytes) -> None:
    good = Evals(
        pd.DataFrame({"model": ["m"], "family": ["F"]}),
        pd.DataFrame({"benchmark": ["B"]}),
        pd.DataFrame({"model": ["m"], "benchmark": ["B"], "score": [0.5]}),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = good.to_directory(folder) / f"{table}.csv"
        for text in (content, path.read_bytes() + content):
            path.write_bytes(text)
            problems = [p for p in check_directory(Path(folder)) if p.severity == "error"]
            try:
                read_evals(folder)
            except EvalsError:
                assert problems
            else:
                assert not problems
