"""The run of a backtest: what it reports, what it keeps, and what it survives."""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtest_fakes import Guess, Mishap, Partial, make_tasks, stopping

from bayescale.errors import BacktestWarning, EvaluationError
from bayescale.evals import Evals
from bayescale.evaluation.backtest import Backtest, Fold, Predictive, Task, backtest, load_tasks, score
from bayescale.evaluation.backtest import fold as fold_room
from bayescale.evaluation.backtest.baselines import BASELINES, DATED
from bayescale.evaluation.backtest.job import make_jobs
from bayescale.evaluation.backtest.result import PREDICTIONS, SCORES
from bayescale.evaluation.backtest.run import default_baselines, resolve_methods
from bayescale.model.spec import Spec, load_spec

METHODS = [Guess("a"), Partial("b"), Guess("c", width=0.05)]

_FOLDS: dict[str, list[Fold]] = {}


def make_folds(tasks: list[Task]) -> list[Fold]:
    """Make the folds of the same tasks once: it takes longer than the fits of the fakes."""
    key = repr([task.model_dump() for task in tasks])
    if key not in _FOLDS:
        _FOLDS[key] = fold_room.make_folds(tasks)
    return _FOLDS[key]


@pytest.fixture(scope="module", autouse=True)
def _folds_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("bayescale.evaluation.backtest.run"), "make_folds", make_folds)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backtest")


@pytest.fixture(scope="module")
def tasks(evals: Evals, folder: Path) -> list[Task]:
    return make_tasks(evals, folder)


@pytest.fixture(scope="module")
def result(tasks: list[Task]) -> Backtest:
    return backtest(METHODS, tasks)


def same(one: Backtest, other: Backtest) -> None:
    """The same numbers, to the last bit."""
    pd.testing.assert_frame_equal(one.scores, other.scores, check_exact=True)
    pd.testing.assert_frame_equal(one.cells, other.cells, check_exact=True)


def asked(log: Path) -> list[str]:
    """What fakes were asked: method and first task."""
    return [" ".join(line.split()[:2]) for line in log.read_text().splitlines()] if log.exists() else []


# What it reports


def test_columns_are_those_that_were_promised(result: Backtest) -> None:
    assert list(result.scores) == [
        "spec_or_method", "task", "n_test", "mse", "mae", "crps", "log_score", "coverage_50", "coverage_90", "width_90",
        "rhat", "ess", "divergences", "seconds",
    ] == SCORES  # fmt: skip
    assert list(result.predictions) == [
        "task", "method", "model", "benchmark", "score", "mean", "median", "q05", "q25", "q75", "q95",
    ] == PREDICTIONS  # fmt: skip


def test_rows_come_in_the_order_of_what_was_asked(result: Backtest, tasks: list[Task]) -> None:
    names = [t.name for t in tasks]
    assert list(dict.fromkeys(result.scores["spec_or_method"])) == ["a", "b", "c"]
    rows = result.scores[result.scores["spec_or_method"] == "a"]["task"].tolist()
    assert rows == [*names, "all", "large", "huge", "out"]
    assert list(dict.fromkeys(result.cells["task"])) == names
    assert result.cells["method"].is_monotonic_increasing


def test_scores_are_those_of_the_one_score_function(result: Backtest, tasks: list[Task]) -> None:
    (fold,) = (f for f in make_folds(tasks) if f.tasks[0].name == "large/two")
    (job,) = make_jobs([Guess("a")], [fold], 0)
    expected = score(Guess("a").predict(fold, job.random_seed)).set_index("task")
    row = result.scores[(result.scores["spec_or_method"] == "a") & (result.scores["task"] == "large/two")].iloc[0]
    for name in ("n_test", "mse", "mae", "crps", "log_score", "coverage_50", "coverage_90", "width_90"):
        assert row[name] == expected.loc["large/two", name], name


def test_pools_hold_the_cells_of_their_tasks(result: Backtest) -> None:
    scores = result.scores.set_index(["spec_or_method", "task"])
    cells = result.cells[result.cells["method"] == "a"]
    averaged = cells[cells["task"].isin(["large/two", "huge/four", "huge/five"])]
    assert scores.loc[("a", "all"), "n_test"] == len(averaged)
    assert scores.loc[("a", "all"), "mae"] == pytest.approx((averaged["mean"] - averaged["score"]).abs().mean())
    assert scores.loc[("a", "out"), "n_test"] == cells["task"].str.startswith("out/").sum()
    # Two tasks of one fold are one fit.
    assert scores.loc[("a", "huge"), ["divergences", "seconds"]].tolist() == [1, 1.5]
    assert scores.loc[("a", "all"), ["divergences", "seconds", "rhat", "ess"]].tolist() == [2, 3.0, 1.01, 400.0]


def test_a_method_may_leave_cells_and_tasks_out(result: Backtest) -> None:
    scores = result.scores.set_index(["spec_or_method", "task"])["n_test"]
    assert scores["b", "large/two"] == scores["a", "large/two"] - 1
    assert ("b", "out") not in scores


def test_relative_errors(tasks: list[Task]) -> None:
    result = backtest([Guess("pc_3"), Partial("last_sibling"), Guess("c")], tasks)
    assert result.baselines == ("pc_3", "last_sibling")
    ratios = result.relative_mse().set_index(["method", "task"])
    assert ratios.loc[("c", "large/two")].tolist() == [1.0, 1.0]
    # On the cells that both forecast, both forecast the same.
    assert ratios.loc[("last_sibling", "huge/four"), "to_reference"] == 1.0
    table = result.summary()
    assert table.loc[["pc_3", "c"], "relative_mse"].tolist() == [1.0, 1.0]
    assert table.loc["c", "n_test"] == 12
    assert result.summary("out").index.tolist() == ["pc_3", "c"]
    with pytest.raises(EvaluationError, match="Did you mean 'out'"):
        result.summary("outt")
    with pytest.raises(EvaluationError, match="is not in this backtest"):
        result.relative_mse("pc_9")
    with pytest.raises(EvaluationError, match="is not in this backtest"):
        result.relative_mse_intervals("pc_9")
    assert result.relative_mse_intervals().loc["c"].tolist() == pytest.approx([1.0, 1.0])


def test_the_interval_of_a_relative_error_has_the_probability_asked_for(tasks: list[Task]) -> None:
    result = backtest([Guess("pc_3"), Guess("c", width=0.4)], tasks)
    wide, narrow = (result.summary(prob=prob).loc["c", ["lower", "upper"]].to_numpy(float) for prob in (0.9, 0.2))
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]
    pd.testing.assert_series_equal(
        result.summary().loc["c", ["lower", "upper"]], result.relative_mse_intervals().loc["c"], check_dtype=False
    )


def test_a_dataset_has_every_forecast_and_the_seed(result: Backtest) -> None:
    dataset = result.to_xarray()
    assert dataset.attrs["random_seed"] == result.random_seed == 0
    assert dataset["crps"].dims == ("method", "cell")
    assert dataset["method"].to_numpy().tolist() == ["a", "b", "c"]
    assert int(np.isfinite(dataset["mean"]).sum()) == len(result.cells)
    row = result.cells[result.cells["method"] == "b"].iloc[-1]
    same_cell = np.all([dataset[name].to_numpy() == row[name] for name in ("task", "model", "benchmark")], axis=0)
    assert dataset["mean"].sel({"method": "b"}).to_numpy()[same_cell].tolist() == [row["mean"]]


def test_a_result_says_what_it_is(result: Backtest) -> None:
    assert repr(result).startswith("Backtest of 3 methods on 7 tasks: 97 forecasts\nNext:")


# Order, workers, seeds


@pytest.mark.heavy
def test_two_workers_give_the_same_numbers_in_processes_of_their_own(
    tasks: list[Task], result: Backtest, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    same(backtest([Guess("a", log=str(log)), *METHODS[1:]], tasks, jobs=2), result)
    processes = {line.split()[2] for line in log.read_text().splitlines()}
    assert str(os.getpid()) not in processes


@pytest.mark.heavy
def test_folds_over_the_same_coordinates_go_to_one_worker_in_a_row(tasks: list[Task], tmp_path: Path) -> None:
    log = tmp_path / "log"
    backtest([Guess("a", log=str(log))], tasks, jobs=2)
    rows = [line.split() for line in log.read_text().splitlines()]
    process = {task: pid for _, task, pid, _ in rows}
    first = ["large/two", "huge/four", "out/Family-A", "out/Family-B"]
    assert len({process[task] for task in first}) == 1
    assert [task for _, task, *_ in rows if task in first] == first


def test_seeds_belong_to_folds(tasks: list[Task], result: Backtest) -> None:
    again = backtest(METHODS[::-1], tasks)
    for method in "abc":
        one, other = (f.cells[f.cells["method"] == method].reset_index(drop=True) for f in (result, again))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    jobs = make_jobs(METHODS, make_folds(tasks), 0)
    assert len({job.random_seed for job in jobs}) == len(jobs) / 3
    assert {job.random_seed for job in jobs}.isdisjoint(
        job.random_seed for job in make_jobs(METHODS, make_folds(tasks), 1)
    )


def test_another_seed_gives_other_draws(tasks: list[Task], result: Backtest) -> None:
    other = backtest(METHODS, tasks, random_seed=1)
    assert (other.cells["mean"] == result.cells["mean"]).all()
    assert (other.cells["median"] != result.cells["median"]).mean() > 0.9


def test_progress_counts_fits(tasks: list[Task]) -> None:
    seen: list[tuple[int, int, str]] = []
    backtest([Guess("a")], tasks, progress=lambda *state: seen.append(state))
    assert [(done, total) for done, total, _ in seen] == [(i, 6) for i in range(7)]
    assert seen[2][2] == "a on huge/four and 1 more"


# What it keeps


def test_what_is_kept_is_not_done_again(tasks: list[Task], result: Backtest, tmp_path: Path) -> None:
    log, kept = tmp_path / "log", tmp_path / "deep" / "fits"
    methods = [Guess("a", log=str(log)), *METHODS[1:]]
    same(backtest(methods, tasks, directory=kept), result)
    assert len(asked(log)) == 6
    assert len(list(kept.iterdir())) == 18
    same(backtest(methods, tasks, directory=kept), result)
    assert len(asked(log)) == 6


def test_other_settings_seeds_and_tasks_are_other_work(tasks: list[Task], tmp_path: Path) -> None:
    def files(methods: list[Any] = METHODS[:1], tasks: list[Task] = tasks, seed: int = 0) -> set[str]:
        return {job.key for job in make_jobs(methods, make_folds(tasks), seed)}

    assert files() == files()
    assert files().isdisjoint(files(seed=1))
    assert files().isdisjoint(files([Guess("a", width=0.2)]))
    assert files().isdisjoint(files([Guess("z")]))
    # Baselines read more of a task than the scores it hides.
    fixed = [t.model_copy(update={"law_floor": "chance"}) for t in tasks]
    assert files().isdisjoint(files(tasks=fixed))


def test_cores_make_no_other_work_and_priors_do(tasks: list[Task]) -> None:
    folds = make_folds(tasks[:1])

    def key(spec: Spec, **settings: int) -> str:
        (job,) = make_jobs(resolve_methods([spec], **settings), folds, 0)
        return job.key

    spec = load_spec("one_factor")
    assert key(spec, cores=1) == key(spec, cores=4)
    assert key(spec, draws=10) != key(spec, draws=20)
    assert key(spec) != key(spec.replace(priors={"slope": "Normal(0, 17)"}))


def test_another_version_of_package_or_format_is_other_work(tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> set[str]:
        return {job.key for job in make_jobs([Guess("a"), *resolve_methods("pc_1")], make_folds(tasks), 0)}

    before = keys()
    monkeypatch.setattr("bayescale.__version__", "99.0")
    assert before.isdisjoint(keys())
    monkeypatch.undo()
    assert before == keys()
    monkeypatch.setattr("bayescale.evaluation.store.FORMAT", 1000)
    assert before.isdisjoint(keys())


@pytest.mark.heavy
@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_damaged_files_are_done_again_and_said(
    damage: str, tasks: list[Task], result: Backtest, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    methods = [Guess("a", log=str(log)), *METHODS[1:]]
    backtest(methods, tasks, directory=tmp_path / "fits")
    victim, other = sorted((tmp_path / "fits").glob("a-*"))[:2]
    content = bytearray(victim.read_bytes())
    middle = content.index(b"draws.npy") + 400
    content[middle] ^= 0xFF
    new = {"cut": content[: len(content) // 2], "flipped": content, "foreign": other.read_bytes(), "empty": b""}
    victim.write_bytes(new[damage])
    with pytest.warns(BacktestWarning, match=f"{victim.name} is damaged .*runs again") as said:
        again = backtest(methods, tasks, directory=tmp_path / "fits")
    assert len(said) == 1
    same(again, result)
    assert len(asked(log)) == 7


def test_a_folder_that_cannot_be_written_is_said(tasks: list[Task], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvaluationError, match="Cannot make the folder"):
        backtest(METHODS, tasks, directory=tmp_path / "file")


def test_a_full_disk_is_said(tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(EvaluationError, match=r"a on large/two.*No space left.*are kept|No space left"):
        backtest(METHODS, tasks, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


# What it survives

# A run that stops where a test wants to kill it: in a fit, or with the file of one half in place.
DRIVER = """
import sys, time
from pathlib import Path
from backtest_fakes import stopping
from bayescale.evaluation.backtest import backtest, load_tasks

tasks, fits, mark, log, where, jobs = sys.argv[1:]


def stop(*_):
    if not Path(mark).exists():
        Path(mark).touch()
        time.sleep(600)


if where == "write":
    rename = Path.replace

    def replace(self, target):
        if "c-huge" in str(target):
            stop()
        return rename(self, target)

    Path.replace = replace

backtest(stopping(where, log, mark), load_tasks(file=tasks), fits, jobs=int(jobs))
"""


def drive(folder: Path, tasks: Path, where: str, jobs: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", DRIVER, tasks, folder, folder / "mark", folder / "log", where, str(jobs)]
    return subprocess.Popen(command, start_new_session=True)


def csv_files(result: Backtest) -> list[str]:
    return [result.scores.to_csv(index=False), result.predictions.to_csv(index=False)]


@pytest.mark.heavy
@pytest.mark.parametrize(("where", "jobs"), [("fit", 2), ("write", 1)])
def test_a_killed_run_goes_on_and_gives_the_same_numbers(
    where: str, jobs: int, tasks: list[Task], folder: Path, tmp_path: Path
) -> None:
    killed, mark, log = tmp_path, tmp_path / "mark", tmp_path / "log"
    process = drive(killed, folder / "tasks.yaml", where, jobs)
    wait_for(mark.exists, process)
    # With its workers: that is what a machine that goes down does.
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    before = len(asked(log))
    finished = len(list(killed.glob("*.npz")))
    assert 0 < finished < 18

    resumed = backtest(stopping(where, str(log), str(mark)), tasks, killed, jobs=jobs)
    # What was finished was not done again.
    assert len(asked(log)) - before == 18 - finished
    assert not list(killed.glob(".*"))
    whole = backtest(stopping(where, str(log), str(mark)), tasks)
    assert csv_files(resumed) == csv_files(whole)


def wait_for(there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not there():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)


@pytest.mark.heavy
def test_a_worker_that_dies_does_not_lose_the_run(tasks: list[Task], tmp_path: Path) -> None:
    mark, log = tmp_path / "mark", tmp_path / "log"
    methods = [
        Guess("a", log=str(log)),
        Mishap("b", task="out/Family-B", what="die", mark=str(mark)),
        Guess("c", width=0.05),
    ]
    result = backtest(methods, tasks, directory=tmp_path / "fits", jobs=2)
    assert mark.exists()
    assert result.failures == ()
    same(result, backtest([Guess("a"), Guess("b"), Guess("c", width=0.05)], tasks))


@pytest.mark.heavy
def test_a_method_that_always_kills_its_worker_is_named(tasks: list[Task]) -> None:
    with pytest.warns(BacktestWarning, match="b on huge/four and 1 more: its worker process died"):
        result = backtest([Guess("a"), Mishap("b", task="huge/four", what="die"), Guess("c")], tasks, jobs=2)
    assert [f.job for f in result.failures] == ["b on huge/four and 1 more"]
    rows = result.scores.set_index(["spec_or_method", "task"])["n_test"]
    assert rows["b", "large/two"] == 6
    assert ("b", "huge/four") not in rows
    assert (rows["a"] == rows["c"]).all()
    assert "1 fits failed" in repr(result)


@pytest.mark.parametrize(
    ("what", "words"),
    [("error", "FloatingPointError: the matrix is singular"), ("nan", r"mean contains nan for Family-\S+ on bench-2")],
)
def test_a_fit_that_fails_is_said_and_the_others_are_kept(
    what: str, words: str, tasks: list[Task], tmp_path: Path
) -> None:
    methods = [Guess("a"), Mishap("b", task="large/two", what=what)]
    with pytest.warns(BacktestWarning, match=f"No forecasts of b on large/two: .*{words}"):
        result = backtest(methods, tasks, directory=tmp_path)
    assert "predict" in result.failures[0].trace
    assert len(result.cells) == 2 * 44 - 6
    # It is tried again the next time.
    with pytest.warns(BacktestWarning, match="b on large/two"):
        backtest(methods, tasks, directory=tmp_path)


def test_a_run_in_which_everything_fails_is_an_error(tasks: list[Task]) -> None:
    with pytest.raises(EvaluationError, match=r"Every fit failed.*\n.*b on large/two: FloatingPointError"):
        backtest(Mishap("b", task="large/two"), tasks[:1])


# What it refuses


@dataclasses.dataclass(frozen=True, eq=False)
class Opaque:
    name: str
    what: Any

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("methods", "tasks", "words"),
    [
        ("pc_33", None, "Did you mean 'pc_3'"),
        ("pc_3", ["emergnt"], "Did you mean 'emergent'"),
        ("pc_3", [], "No tasks"),
        ([], None, "No methods"),
        (["pc_3", "pc_3"], None, "Two methods are called 'pc_3'"),
        ([Spec(name="pc_3"), "pc_3"], None, "Two methods are called 'pc_3'"),
        ([3], None, "3 is not a method"),
        (Opaque("mine", object()), ["leaderboard_v2/gpqa"], "'mine' cannot be identified"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(methods: Any, tasks: Any, words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        backtest(methods, tasks)


def test_two_tasks_of_one_name_are_refused(tasks: list[Task]) -> None:
    with pytest.raises(EvaluationError, match="Two tasks are called 'large/two'"):
        backtest(METHODS, [*tasks, tasks[0]])


def test_a_method_may_state_its_identity(tasks: list[Task]) -> None:
    class Stated:
        name = "mine"
        identity = "version 1"

        def predict(self, fold: Fold, random_seed: int) -> Predictive:
            return Guess("mine").predict(fold, random_seed)

    assert backtest(Stated(), tasks).summary().index.tolist() == ["mine"]


def test_methods_by_name_path_and_value(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(Spec(name="mine", factors=2).to_yaml())
    made = resolve_methods(["default", str(file), Spec(name="other"), "pc_1"], draws=7, cores=2)
    assert [m.name for m in made] == ["default", "mine", "other", "pc_1"]
    assert made[1].draws == 7  # type: ignore[attr-defined]


def test_the_default_baselines_suit_the_tasks() -> None:
    paper, dated = load_tasks(["agent"]), load_tasks(["rolling_6m/2024-01"])
    assert default_baselines(paper)[0] == "pc_1"
    assert default_baselines(dated) == DATED
    assert set(default_baselines([*paper, *dated])) == set(BASELINES)
    assert not {*DATED} & {*default_baselines(paper)}


def test_known_and_unknown_compute_are_scored_apart(result: Backtest, tasks: list[Task]) -> None:
    flops = make_folds(tasks)[0].evals.models.set_index("model")["flops"]
    known, unknown = (result.of_compute(kind) for kind in ("known", "unknown"))
    assert flops[known.cells["model"]].notna().all()
    assert flops[unknown.cells["model"]].isna().all()
    assert len(known.cells) + len(unknown.cells) == len(result.cells)
    assert list(known.scores) == SCORES
    rows = known.scores.set_index(["spec_or_method", "task"])
    cells = known.cells[(known.cells["method"] == "a") & known.cells["task"].str.startswith("out/")]
    assert rows.loc[("a", "out"), "n_test"] == len(cells)
    assert rows.loc[("a", "out"), "crps"] == pytest.approx(cells["crps"].mean())
    assert rows.loc[("a", "huge"), "rhat"] == 1.01  # of the whole fit
    assert set(known.summary("large").index) == {"a", "b", "c"}
    assert known.to_xarray().sizes["cell"] < result.to_xarray().sizes["cell"]
    with pytest.raises(EvaluationError, match=r"'unknwon'.*Did you mean 'unknown'"):
        result.of_compute("unknwon")  # type: ignore[arg-type]
