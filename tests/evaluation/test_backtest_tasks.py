"""Tasks and folds: the paper's test sets, and nothing hidden in what a fit may see."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from backtest_fakes import make_tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate import posterior_near, simulate

from bayescale._files import shipped
from bayescale.errors import EvaluationError
from bayescale.evals import Evals
from bayescale.evaluation.backtest import Fold, Task, load_tasks, make_folds
from bayescale.evaluation.backtest.bayes import BayesMethod
from bayescale.evaluation.backtest.task import Hide, task_evals
from bayescale.methods import Posterior
from bayescale.model import model_data
from bayescale.model.data import unknown_cells
from bayescale.model.spec import Spec, load_spec

ANCHORS = Path(__file__).parents[1] / "fixtures" / "anchors" / "observational_law_predictions.csv.gz"

PAPER = {"emergent": 8, "post_training": 4, "leaderboard_v2": 3, "agent": 2}


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return load_tasks()


@pytest.fixture(scope="module")
def folds(tasks: list[Task]) -> list[Fold]:
    return make_folds(tasks)


def fold_of(folds: list[Fold], task: str) -> Fold:
    (fold,) = (f for f in folds if task in [t.name for t in f.tasks])
    return fold


def all_scores(fold: Fold) -> pd.DataFrame:
    """Every score of the fold's benchmarks, hidden or not."""
    task = fold.tasks[0]
    return task_evals(task.evals).select(benchmarks=task.benchmarks).scores


# The shipped tasks


def test_there_are_the_papers_tasks(tasks: list[Task]) -> None:
    groups = pd.Series([t.group for t in tasks]).value_counts()
    for group, count in PAPER.items():
        assert groups[group] == count
    averaged = [t.name for t in tasks if t.averaged]
    assert len(averaged) == 15
    assert {name.split("/")[0] for name in averaged} == {"emergent", "post_training", "leaderboard_v2"}


def test_test_sets_are_the_papers(folds: list[Fold]) -> None:
    anchors = pd.read_csv(ANCHORS)
    # Models of unknown compute are dropped from the paper's law of compute; `pc_3` leaves nobody out.
    test = anchors[(anchors["role"] == "test") & (anchors["predictor"] == "pc_3")]
    assert test["task"].nunique() == 17
    for task, rows in test.groupby("task"):
        fold = fold_of(folds, str(task))
        asked = fold.cells[fold.cells["task"] == task]
        assert sorted(asked["model"]) == sorted(rows["model"]), task


def test_training_sets_are_the_papers(folds: list[Fold]) -> None:
    anchors = pd.read_csv(ANCHORS)
    train = anchors[(anchors["role"] == "train") & (anchors["predictor"] == "pc_3")]
    for task, rows in train.groupby("task"):
        fold = fold_of(folds, str(task))
        (target,) = next(t.targets for t in fold.tasks if t.name == task)
        shown = fold.evals.scores[fold.evals.scores["benchmark"] == target]
        assert sorted(shown["model"]) == sorted(rows["model"]), task


def test_tasks_that_hide_the_same_scores_share_a_fit(folds: list[Fold]) -> None:
    paper = [f for f in folds if f.tasks[0].group in PAPER]
    assert [len(f.tasks) for f in paper] == [4, 4, 4, 1, 1, 1, 1, 1]


def test_folds_over_the_same_benchmarks_share_coordinates(folds: list[Fold]) -> None:
    coordinates: dict[tuple[str, tuple[str, ...]], set[tuple[str, ...]]] = {}
    for fold in folds:
        key = fold.tasks[0].evals, fold.tasks[0].benchmarks
        coordinates.setdefault(key, set()).add((*fold.evals.model_names, *fold.evals.benchmark_names))
    assert len(coordinates) == 4 + 4  # of the paper's models, and of four origins
    assert {len(actual) for actual in coordinates.values()} == {1}


def test_no_hidden_score_is_seen(folds: list[Fold]) -> None:
    for fold in folds:
        seen = fold.evals.scores
        hidden = seen["model"].isin(fold.test_models) & ~seen["benchmark"].isin(fold.tasks[0].seen)
        assert not hidden.any(), fold.name
        cells = set(zip(fold.cells["model"], fold.cells["benchmark"], strict=True))
        assert cells.isdisjoint(zip(seen["model"], seen["benchmark"], strict=True))
        assert set(seen["model"]) <= set(fold.participants)


def test_what_may_be_seen_is_seen(folds: list[Fold]) -> None:
    for fold in folds:
        scores = all_scores(fold)
        mine = scores[scores["model"].isin(fold.participants)]
        open_ = ~mine["model"].isin(fold.test_models) | mine["benchmark"].isin(fold.tasks[0].seen)
        assert len(fold.evals) == open_.sum(), fold.name


def test_every_cell_is_a_score_of_the_data(folds: list[Fold]) -> None:
    for fold in folds:
        scores = all_scores(fold).set_index(["model", "benchmark"])["score"]
        asked = pd.MultiIndex.from_frame(fold.cells[["model", "benchmark"]])
        np.testing.assert_array_equal(scores.loc[asked], fold.cells["score"])
        assert not fold.cells.duplicated(["task", "model", "benchmark"]).any()


def test_identity_tells_folds_apart(folds: list[Fold], tasks: list[Task]) -> None:
    assert len({f.identity for f in folds}) == len(folds)
    assert [f.identity for f in make_folds([t for t in tasks if t.group == "agent"])] == [
        f.identity for f in folds if f.tasks[0].group == "agent"
    ]


# Leave the largest out, and the future


def test_all_but_the_smallest_of_a_family_are_hidden(folds: list[Fold]) -> None:
    fold = fold_of(folds, "largest_out/Llama-2")
    assert set(fold.test_models) == {"meta-llama/Llama-2-13b-hf", "meta-llama/Llama-2-70b-hf"}
    assert set(fold.cells["model"]) == set(fold.test_models)
    assert len(fold.cells) == 2 * 8
    left = fold.evals.scores[fold.evals.scores["model"].str.contains("Llama-2")]
    assert set(left["model"]) == {"meta-llama/Llama-2-7b-hf"}


def test_every_family_of_three_is_left_out_once(tasks: list[Task]) -> None:
    models = task_evals("base-llms").models.dropna(subset="flops")
    sizes = models["family"].value_counts()
    families = [t.name.removeprefix("largest_out/") for t in tasks if t.group == "largest_out"]
    assert sorted(families) == sorted(sizes[sizes >= 3].index)


def test_siblings_of_unknown_compute_are_hidden_and_not_asked_for(folds: list[Fold]) -> None:
    for fold in folds:
        if fold.tasks[0].group == "largest_out":
            models = fold.evals.models.set_index("model")
            family = models.loc[fold.test_models[0], "family"]
            siblings = models[models["family"] == family]["flops"]
            smallest = siblings.idxmin()
            assert set(fold.test_models) == set(siblings.index) - {smallest}
            assert set(fold.cells["model"]) == set(siblings.dropna().index) - {smallest}


def test_the_future_is_the_twenty_models_that_were_added_later(folds: list[Fold]) -> None:
    fold = fold_of(folds, "future/all")
    assert len(fold.test_models) == 20
    assert {"meta-llama/Meta-Llama-3.1-405B-FP8", "Qwen/Qwen2-72B", "google/gemma-2-27b"} <= set(fold.test_models)
    assert not fold.evals.scores["model"].isin(fold.test_models).any()
    assert set(fold.cells["model"]) == set(fold.test_models)
    assert (fold.evals.models.set_index("model").loc[list(fold.test_models), "released"] >= "2024-03").all()


# Rolling origins


ORIGINS = ("2024-01", "2024-07", "2025-01", "2025-07")


@pytest.fixture(scope="module")
def rolling(folds: list[Fold]) -> list[Fold]:
    return [fold for fold in folds if fold.tasks[0].hide.released]


def test_there_are_four_origins_of_two_horizons(tasks: list[Task], rolling: list[Fold]) -> None:
    for group in ("rolling_6m", "rolling_12m"):
        assert [t.name for t in tasks if t.group == group] == [f"{group}/{origin}" for origin in ORIGINS]
    for fold, origin in zip(rolling, ORIGINS, strict=True):  # both horizons of an origin are one fit
        assert [t.name for t in fold.tasks] == [f"rolling_6m/{origin}", f"rolling_12m/{origin}"]
    sizes = [fold.cells.groupby("task").size().to_dict() for fold in rolling]
    assert [size[f"rolling_12m/{origin}"] for size, origin in zip(sizes, ORIGINS, strict=True)] == [303, 205, 234, 325]
    assert [size[f"rolling_6m/{origin}"] for size, origin in zip(sizes, ORIGINS, strict=True)] == [160, 143, 156, 222]


def test_nothing_released_from_the_origin_on_is_seen(rolling: list[Fold]) -> None:
    """Dates sort as texts: those that are only a month come first in it, and no origin is within a month."""
    for fold, origin in zip(rolling, ORIGINS, strict=True):
        models, benchmarks = fold.evals.models.set_index("model"), fold.evals.benchmarks
        seen = models.loc[fold.evals.scores["model"].unique(), "released"]
        assert (seen < origin).all()
        assert (benchmarks["released"] < origin).all()
        assert (models.loc[list(fold.test_models), "released"] >= origin).all()
        whole = all_scores(fold)
        later = task_evals("frontier").models.set_index("model")["released"]
        for task in fold.tasks:
            asked = fold.cells[fold.cells["task"] == task.name]
            assert task.hide.released is not None
            end = str(task.hide.released.before)
            released = whole["model"].map(later)
            assert len(asked) == ((released >= origin) & (released < end)).sum()
            assert asked["model"].map(later).between(origin, end, inclusive="left").all()
        # Nobody who is released later lends so much as a date to the fit.
        assert set(fold.evals.model_names) == {*fold.test_models, *fold.evals.scores["model"]}


def test_a_benchmark_takes_part_with_six_scores_at_the_origin(rolling: list[Fold]) -> None:
    frontier = task_evals("frontier")
    released = frontier.models.set_index("model")["released"]
    age = frontier.benchmarks.set_index("benchmark")["released"]
    for fold, origin in zip(rolling, ORIGINS, strict=True):
        seen = frontier.scores[frontier.scores["model"].map(released) < origin]
        counts = seen["benchmark"].value_counts()
        enough = {b for b in counts.index[counts >= 6] if age[b] < origin}
        assert set(fold.evals.benchmark_names) == enough
        assert set(fold.tasks[0].targets) == enough


def test_models_of_unknown_compute_and_new_families_are_asked_for(rolling: list[Fold]) -> None:
    for fold in rolling:
        models = fold.evals.models.set_index("model")
        asked = models.loc[fold.cells["model"].unique()]
        assert asked["flops"].isna().any()
        assert not set(asked["family"]) <= set(models.loc[fold.evals.scores["model"].unique(), "family"])
        assert asked["released"].ne("").all()


def test_a_spec_of_dates_draws_the_unknown_compute_of_hidden_models(rolling: list[Fold]) -> None:
    spec = load_spec("dated")
    for fold in rolling:
        data, models = model_data(spec, fold.evals), fold.evals.models
        rows, columns = unknown_cells(data)
        assert {spec.covariates[c] for c in columns} == {"log10_flops"}
        latent = set(models["model"].iloc[rows])
        undisclosed = set(models["model"][models["flops"].isna()])
        assert latent >= undisclosed
        assert undisclosed & set(fold.test_models)
        # All else is known: date and flag of every model, and a family, be it a new one.
        known = np.delete(data.covariates, spec.covariates.index("log10_flops"), axis=1)
        assert np.isfinite(known).all()
        assert set(fold.evals.families) == set(models["family"])


def window(**changes: Any) -> dict[str, Any]:
    return {
        "seen": [],
        "targets": "all",
        "hide": {"released": {"from": "2023-07-01", "before": "2024-01-01", "least_scores": 3} | changes},
    }


@pytest.fixture
def dates(evals: Evals, tmp_path: Path) -> tuple[Evals, Path]:
    """Models before, in and after the second half of 2023; two without a date."""
    months = [
        ("2022-11-15", "2023-08-15", "2024-02-01", "2023-02-03", "2023-11-02")[i % 5]
        for i in range(len(evals.model_names))
    ]
    months[:5] = ["", "", "2023-06", "2023", "2023-07-01"]
    dated = Evals(evals.models.assign(released=months), evals.benchmarks, evals.scores)
    return dated, dated.to_directory(tmp_path / "dated")


def test_a_split_by_date_of_ones_own(dates: tuple[Evals, Path], tmp_path: Path) -> None:
    evals, folder = dates
    (task,) = load(tmp_path, document(evals, folder, **window()))
    assert task.name == "mine/2023-07"
    (fold,) = make_folds([task])
    day = evals.models.set_index("model")["released"]
    names = evals.model_names
    assert not {names[0], names[1]} & set(fold.participants)  # no date
    assert names[2] not in fold.test_models  # June is over
    assert names[3] in fold.test_models  # a year counts when it is over
    assert names[4] in fold.test_models  # the first day
    assert not [m for m in fold.participants if day[m] == "2024-02-01"]
    assert all(day[m] >= "2023-07" or m == names[3] for m in fold.test_models)


def test_both_windows_of_an_origin_share_a_fold_and_another_origin_does_not(
    dates: tuple[Evals, Path], tmp_path: Path
) -> None:
    evals, folder = dates
    group = document(evals, folder, **window())["groups"][0]  # type: ignore[index]
    rules = [("2023-07-01", "2023-10-01"), ("2023-07-01", "2024-01-01"), ("2023-09-01", "2024-01-01")]
    groups = [
        group | {"group": f"g{i}", "hide": {"released": {"from": start, "before": end, "least_scores": 3}}}
        for i, (start, end) in enumerate(rules)
    ]
    first, other = make_folds(load(tmp_path, {"groups": groups}))
    assert [len(first.tasks), len(other.tasks)] == [2, 1]
    short, long = (set(first.cells["model"][first.cells["task"] == t.name]) for t in first.tasks)
    assert short < long
    assert set(first.test_models) >= long
    # Alone, a task asks for the same.
    (alone,) = make_folds(first.tasks[:1])
    assert set(alone.cells["model"]) == short


@pytest.mark.parametrize(
    ("changes", "released", "words"),
    [
        ({"least_scores": 1000}, None, "Group 'mine': no benchmark has scores of 1000 models"),
        ({}, "in spring", "Table of models, column released: 'in spring' of .*: no date such as 2024-07-23"),
        ({}, "", "no benchmark has scores of 3 models that were released before 2023-07-01"),
    ],
)
def test_a_split_that_leaves_nothing_is_refused(
    changes: dict[str, Any], released: str | None, words: str, dates: tuple[Evals, Path], tmp_path: Path
) -> None:
    evals, folder = dates
    if released is not None:
        models = evals.models.assign(released=released)
        folder = Evals(models, evals.benchmarks, evals.scores).to_directory(tmp_path / "other")
    with pytest.raises(EvaluationError, match=words):
        make_folds(load(tmp_path, document(evals, folder, **window(**changes))))


# Tasks of one's own, on a small simulation


def document(evals: Evals, folder: Path, **changes: object) -> dict[str, object]:
    entry: dict[str, object] = {
        "group": "mine",
        "title": "Mine",
        "evals": str(folder),
        "benchmarks": evals.benchmark_names,
        "seen": ["bench-1"],
        "hide": {"flops_above": 3e23},
        "targets": {"two": "bench-2"},
    }
    return {"groups": [{k: v for k, v in (entry | changes).items() if v is not None}]}


@pytest.fixture(scope="module")
def tables(evals: Evals, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evals.to_directory(tmp_path_factory.mktemp("tables"))


def load(tmp_path: Path, content: object) -> list[Task]:
    file = tmp_path / "tasks.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return load_tasks(file=file)


def test_tasks_of_ones_own(evals: Evals, tables: Path, tmp_path: Path) -> None:
    (task,) = load(tmp_path, document(evals, tables))
    (fold,) = make_folds([task])
    flops = evals.models.set_index("model")["flops"]
    assert {m for m in fold.participants if not flops[m] <= 3e23} == set(fold.test_models)
    # Unknown compute counts as above the cutoff.
    assert set(flops[flops.isna()].index) & set(fold.participants) <= set(fold.test_models)


BAD = [
    ({"hide": {}}, "exactly one rule"),
    ({"hide": {"flops_above": 1e22, "top_share": 0.1}}, "exactly one rule"),
    ({"hide": {"flops_above": 22}}, "flops_above"),
    ({"hide": {"top_share": 1.5}}, "top_share"),
    ({"hide": {"larger": 3}}, "larger"),
    ({"hide": None}, "hide"),
    ({"hide": {"released": {"from": "2024-01-01"}}}, "before"),
    ({"hide": {"released": {"from": "2024-07-01", "before": "2024-01-01"}}, "targets": "all"}, "is the first day"),
    ({"hide": {"released": {"from": "spring", "before": "2024-01-01"}}, "targets": "all"}, "from"),
    ({"hide": {"released": {"from": "2023-01-01", "before": "2024-01-01"}}}, "give targets: all"),
    ({"targets": {"two": "bench-22"}}, "Did you mean 'bench-2'"),
    ({"seen": ["bench-9"]}, "is not in the joint data of group 'mine'"),
    ({"suites": ["standrd"]}, "Suite 'standrd' is not in"),
    ({"law_floor": "none"}, "law_floor"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("changes", "words"), BAD, ids=[str(c) for c, _ in BAD])
def test_a_bad_task_file_is_refused_in_words(
    changes: dict[str, object], words: str, evals: Evals, tables: Path, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match=words):
        load(tmp_path, document(evals, tables, **changes))


@pytest.mark.parametrize("content", ["", "groups", "groups: 3", "groups: [1]", "tasks: []", "groups: [{"])
def test_what_is_no_task_file_is_said(content: str, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"tasks\.yaml is not a valid task file"):
        load(tmp_path, content)


def test_a_missing_task_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none\.yaml cannot be read"):
        load_tasks(file=tmp_path / "none.yaml")


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(EvaluationError, match="Did you mean 'post_training'"):
        load_tasks(["post-training"])
    with pytest.raises(EvaluationError, match="Did you mean 'leaderboard_v2/gpqa'"):
        load_tasks(["leaderboard_v2/gpq"])


def test_single_tasks_come_in_the_order_of_the_file() -> None:
    names = ["leaderboard_v2/bbh", "emergent/persian_qa"]
    assert [t.name for t in load_tasks(names)] == names[::-1]


@pytest.mark.parametrize("hide", [{"flops_above": 1e30}, {"models": ["none"]}])
def test_tasks_that_ask_for_nothing_are_refused(hide: dict[str, object], evals: Evals, tmp_path: Path) -> None:
    # Of unknown compute there must be nobody, or they would be asked for.
    known = evals.select(models=evals.models.dropna(subset="flops")["model"])
    folder = known.to_directory(tmp_path / "known")
    tasks = load(tmp_path, document(evals, folder, hide=hide))
    with pytest.raises(EvaluationError, match="Task mine/two has nothing to forecast"):
        make_folds(tasks)


def test_tasks_that_leave_nothing_to_learn_from_are_refused(evals: Evals, tables: Path, tmp_path: Path) -> None:
    tasks = load(tmp_path, document(evals, tables, seen=[], hide={"flops_above": 1e15}))
    with pytest.raises(EvaluationError, match="there is nothing to fit"):
        make_folds(tasks)


@pytest.mark.heavy
@given(cutoff=st.floats(21, 25), seen=st.sets(st.integers(1, 5), max_size=3), target=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_whatever_the_cutoff_nothing_hidden_is_seen(
    cutoff: float, seen: set[int], target: int, small: tuple[str, list[str]]
) -> None:
    tables, benchmarks = small
    task = Task(
        name="mine/one",
        group="mine",
        title="",
        evals=tables,
        benchmarks=tuple(benchmarks),
        models={},
        seen=tuple(f"bench-{i}" for i in sorted(seen - {target})),
        hide=Hide(flops_above=10**cutoff),
        targets=(f"bench-{target}",),
        averaged=True,
        law_floor="learned",
    )
    try:
        (fold,) = make_folds([task])
    except EvaluationError:
        return
    scores = fold.evals.scores
    hidden = scores["model"].isin(fold.test_models) & ~scores["benchmark"].isin(task.seen)
    assert not hidden.any()
    flops = fold.evals.models.set_index("model")["flops"]
    assert all(not flops[m] <= 10**cutoff for m in fold.test_models)
    assert set(fold.cells["model"]) <= set(fold.test_models)
    assert set(fold.cells["benchmark"]) == {f"bench-{target}"}
    shown = scores[scores["benchmark"] == f"bench-{target}"]
    assert (flops[shown["model"]] <= 10**cutoff).all()


@pytest.fixture(scope="module")
def small(tables: Path, evals: Evals) -> tuple[str, list[str]]:
    return str(tables), evals.benchmark_names


def test_the_shipped_file_is_what_is_loaded(tasks: list[Task]) -> None:
    again = load_tasks(file=shipped("data") / "tasks.yaml")
    assert again == tasks


def test_task_files_with_the_old_name_of_the_chance_level_still_load() -> None:
    (task,) = load_tasks(["leaderboard_v2/bbh"])
    fields = task.model_dump(by_alias=True)
    assert fields["chance_level"] == 0.26243386
    old = {("chance" if name == "chance_level" else name): value for name, value in fields.items()}
    assert Task(**old) == task


def test_hidden_models_are_forecast_at_their_own_covariates(
    dated: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold holds all columns of its models; a method that forecasts from them needs nothing else."""
    seen: list[Evals] = []

    def fit(spec: Spec, evals: Evals, **settings: Any) -> Posterior:
        seen.append(evals)
        truth = simulate(factors=2)[1]
        x = np.nan_to_num(model_data(spec, evals).covariates)
        return posterior_near(evals, truth, spec, covariate_value=x, draws=100)

    monkeypatch.setattr(importlib.import_module("bayescale.methods"), "fit", fit)
    (fold, *_) = make_folds(make_tasks(dated.evals, tmp_path))
    actual = BayesMethod(dated.spec).predict(fold, 0)
    assert len(actual.mean) == len(fold.cells) > 0
    (evals,) = seen
    columns = ["model", "released", "reasoning", "context"]
    whole = dated.evals.models[columns].set_index("model")
    hidden = list(fold.test_models)
    assert evals.models.set_index("model").loc[hidden, columns[1:]].equals(whole.loc[hidden])
    assert not set(zip(evals.scores["model"], evals.scores["benchmark"], strict=True)) & set(
        zip(fold.cells["model"], fold.cells["benchmark"], strict=True)
    )
    rows = [evals.model_names.index(name) for name in hidden]
    assert np.isfinite(model_data(dated.spec, evals).covariates[rows][:, [0, 2]]).any(axis=0).all()
