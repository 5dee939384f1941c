"""The backtest on a real Dask cluster: a scheduler and two workers, each a process of its own, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import pandas as pd
import pytest
from backtest_fakes import Guess, Mishap, Partial, make_tasks

from bayescale.errors import BacktestWarning, EvaluationError
from bayescale.evals import Evals
from bayescale.evaluation.backtest import Task, backtest

pytestmark = pytest.mark.heavy

distributed = pytest.importorskip("distributed")
SECONDS = 60
METHODS = [Guess("a"), Partial("b"), Guess("c", width=0.05)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dask")


@pytest.fixture(scope="module")
def tasks(evals: Evals, folder: Path) -> list[Task]:
    return make_tasks(evals, folder)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Where the scheduler listens. One death of a worker is enough for it to give a task up."""
    environment = os.environ | {
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
    }
    file = folder / "scheduler.json"
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    dask = [sys.executable, "-m", "dask"]
    where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    own = ["--nthreads", "1", "--no-dashboard", "--scheduler-file", str(file), "--local-directory", str(folder)]
    commands = [[*dask, "scheduler", *where], [*dask, "worker", *own], [*dask, "worker", *own]]
    started = [subprocess.Popen(command, env=environment, **quiet) for command in commands]
    try:
        with distributed.Client(scheduler_file=str(file), timeout=SECONDS) as client:
            client.wait_for_workers(2, timeout=SECONDS)
            yield client.scheduler.address
    finally:
        for process in started:
            # With the process that each worker watches over, and without waiting for their goodbyes.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)


@pytest.fixture
def cluster(address: str) -> Iterator[None]:
    """Both workers up, and joblib told to use them."""
    with distributed.Client(address, timeout=SECONDS) as client:
        client.wait_for_workers(2, timeout=SECONDS)
        with joblib.parallel_config("dask"):
            yield


def test_a_cluster_gives_the_same_numbers(tasks: list[Task], cluster: None, tmp_path: Path) -> None:
    log = tmp_path / "log"
    methods = [Guess("a", log=str(log)), *METHODS[1:]]
    there = backtest(methods, tasks)
    workers = {line.split()[2] for line in log.read_text().splitlines()}
    with joblib.parallel_config("sequential"):
        here = backtest(methods, tasks)
    assert str(os.getpid()) not in workers
    pd.testing.assert_frame_equal(there.scores, here.scores, check_exact=True)
    pd.testing.assert_frame_equal(there.cells, here.cells, check_exact=True)


def test_a_worker_that_dies_does_not_lose_the_run(tasks: list[Task], cluster: None, tmp_path: Path) -> None:
    mark, log = tmp_path / "mark", tmp_path / "log"
    methods = [Guess("a", log=str(log)), Mishap("b", task="out/Family-B", what="die", mark=str(mark))]
    actual = backtest(methods, tasks, directory=tmp_path / "fits")
    assert mark.exists()
    assert actual.failures == ()
    expected = backtest([Guess("a"), Guess("b")], tasks).scores
    pd.testing.assert_frame_equal(actual.scores, expected, check_exact=True)
    # What had been finished was not done again.
    asked = [line.split()[1] for line in log.read_text().splitlines()]
    assert len(asked) <= 2 * len(set(asked))


def test_a_method_that_always_kills_its_worker_is_named(tasks: list[Task], cluster: None, tmp_path: Path) -> None:
    # joblib's own backend waits for ever here.
    with pytest.warns(BacktestWarning, match="b on large/two: its worker process died"):
        actual = backtest([Guess("a"), Mishap("b", task="large/two", what="die")], tasks, directory=tmp_path)
    assert [f.job for f in actual.failures] == ["b on large/two"]
    assert len(actual.cells) == 2 * 44 - 6


def test_a_cluster_without_workers_is_said(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([sys.executable, "-m", "dask", "scheduler", *where], **quiet)
    try:
        with (
            distributed.Client(scheduler_file=str(file), timeout=SECONDS),
            joblib.parallel_config("dask", wait_for_workers_timeout=0.5),
            pytest.raises(EvaluationError, match=r"has no workers\. Start some: dask worker"),
        ):
            backtest("training_flops", ["leaderboard_v2/gpqa"])
    finally:
        scheduler.terminate()
        scheduler.wait(SECONDS)
