"""The command `backtest`: what it prints and writes, how it ends, and how it goes on."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run

from bayescale.evaluation.backtest import Fold, Predictive, backtest
from bayescale.evaluation.backtest.bayes import BayesMethod
from bayescale.evaluation.backtest.result import PREDICTIONS, SCORES

QUICK = ("--tasks", "leaderboard_v2/gpqa", "--tasks", "agent/agentbench_overall")
SECONDS = 120


@pytest.fixture(name="run")
def run_backtest(run: Run) -> Run:
    """Run the command in this process: exit code, stdout, stderr."""
    return functools.partial(run, "backtest")


@pytest.fixture(autouse=True)
def _few_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baselines are the library's, with bootstraps of few refits."""
    from bayescale.evaluation.backtest.baselines import BASELINES

    for name, baseline in BASELINES.items():
        if hasattr(baseline, "refits"):
            monkeypatch.setitem(BASELINES, name, dataclasses.replace(baseline, refits=5))


@pytest.fixture
def no_sampling(monkeypatch: pytest.MonkeyPatch) -> list[BayesMethod]:
    """Specs forecast like a baseline, and say so; one called `bad` fails where there are agents."""
    asked: list[BayesMethod] = []

    def predict(self: BayesMethod, fold: Fold, random_seed: int) -> Predictive:
        from bayescale.evaluation.backtest.baselines import BASELINES

        asked.append(self)
        if self.name == "bad" and fold.tasks[0].group == "agent":
            raise RuntimeError("the sampler is out of order")
        return BASELINES["pc_2"].predict(fold, random_seed)

    monkeypatch.setattr(BayesMethod, "predict", predict)
    return asked


MISTAKES = [
    ("", "Missing option '-o'"),
    ("nope -o {new}", "There is no baseline or spec 'nope'"),
    ("defualt -o {new}", "Did you mean 'default'"),
    ("none.yaml -o {new}", "There is no spec file 'none.yaml'"),
    ("--tasks emergnt -o {new}", "Did you mean 'emergent'"),
    ("--tasks emergent,agent -o {new}", "--tasks emergent --tasks agent"),
    ("--baselines pc_33 -o {new}", "Did you mean 'pc_3'"),
    ("--baselines default -o {new}", "Give specs as arguments"),
    ("--jobs 0 -o {new}", "--jobs"),
    ("--draws none -o {new}", "--draws"),
    ("--random-seed -1 -o {new}", "--random-seed"),
    ("pc_3 --baselines none -o {file}", "a file has this name"),
    ("pc_3 --baselines none -o {file}/deep", "Not a directory"),
    ("pc_3 --baselines none --dask nonsense -o {new}", "No Dask scheduler answers at 'nonsense'"),
]


@pytest.mark.parametrize(("command", "words"), MISTAKES, ids=[c for c, _ in MISTAKES])
def test_a_mistake_is_one_message_and_code_2(command: str, words: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code, out, err = run(*command.format(new=tmp_path / "new", file=file).split())
    assert code == 2
    assert words in err
    assert err.startswith(("Error: ", "Usage: "))
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == [file]


def test_no_scheduler_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("bayescale.cli.backtest"), "TIMEOUT", 0.5)
    code, _, err = run("pc_3", "--baselines", "none", "--dask", "tcp://127.0.0.1:1", "-o", tmp_path / "new")
    assert code == 2
    assert "No Dask scheduler answers at 'tcp://127.0.0.1:1'" in err
    assert "dask worker ADDRESS" in err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run("pc_3", "--baselines", "none", "--dask", "tcp://127.0.0.1:1", "-o", tmp_path / "new")
    assert code == 2
    assert "pip install 'bayescale[dask]'" in err


@pytest.mark.heavy
def test_it_writes_tables_and_pictures(run: Run, no_sampling: list[BayesMethod], tmp_path: Path) -> None:
    settings = ("--draws", 7, "--tune", 8, "--chains", 2, "--random-seed", 3)
    code, out, err = run(
        "one_factor", "--baselines", "pc_3", "--baselines", "training_flops", *QUICK, *settings, "-o", tmp_path / "new"
    )
    assert code == 0, err
    (method,) = set(no_sampling)
    assert (method.name, method.draws, method.tune, method.chains) == ("one_factor", 7, 8, 2)

    pictures = {"calibration.png", "errors.png", "forecasts.png"}
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"scores.csv", "predictions.csv", "fits", *pictures}
    scores, predictions = (pd.read_csv(tmp_path / "new" / f"{name}.csv") for name in ("scores", "predictions"))
    assert list(scores) == SCORES
    assert list(predictions) == PREDICTIONS
    assert list(dict.fromkeys(scores["spec_or_method"])) == ["one_factor", "pc_3", "training_flops"]

    # In the library it is the same.
    actual = backtest(["pc_3", "training_flops"], [QUICK[1], QUICK[3]], random_seed=3)
    mine = predictions[predictions["method"] != "one_factor"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, actual.predictions, check_dtype=False)

    assert "averaged: 1 task\n" in out
    assert "agent: 1 task, not averaged" in out
    row = actual.summary().loc["training_flops"]
    (line,) = (text for text in out.splitlines() if text.startswith("training_flops"))
    assert f"{row['relative_mse']:.2f}" in line
    lower, upper = actual.relative_mse_intervals().loc["training_flops"]
    assert f"{lower:.2f}–{upper:.2f}" in line
    # Every pool has its interval, also that of tasks which are not averaged: pc_3 relative to itself.
    assert out.count("1.00–1.00") == 2
    assert f"{row['coverage_90']:.0%}" in line
    # Nobody watches a pipe.
    assert " of 6" not in err
    assert "Wrote scores.csv, predictions.csv" in err


@pytest.mark.heavy
def test_several_specs_have_a_picture_each(run: Run, no_sampling: list[BayesMethod], tmp_path: Path) -> None:
    assert run("one_factor", "two_factors", "--baselines", "none", *QUICK, "-o", tmp_path)[0] == 0
    pictures = {p.name for p in tmp_path.glob("*.png")}
    assert pictures == {"calibration.png", "forecasts-one_factor.png", "forecasts-two_factors.png"}


@pytest.mark.heavy
def test_the_same_command_goes_on(run: Run, no_sampling: list[BayesMethod], tmp_path: Path) -> None:
    command = ("one_factor", "--baselines", "pc_3", *QUICK, "-o", tmp_path)
    first = run(*command)[1]
    asked = len(no_sampling)
    written = (tmp_path / "scores.csv").read_bytes()
    code, again, err = run(*command)
    assert (code, again) == (0, first)
    assert err.startswith("Reused 4 fits of an earlier run.\n")
    assert len(no_sampling) == asked
    assert (tmp_path / "scores.csv").read_bytes() == written


def test_a_fit_that_fails_is_said_at_the_end(run: Run, no_sampling: list[BayesMethod], tmp_path: Path) -> None:
    spec = tmp_path / "bad.yaml"
    spec.write_text("name: bad\nfactors: 1\n")
    code, out, err = run(spec, "--baselines", "pc_3", *QUICK, "-o", tmp_path / "new")
    assert code == 2
    assert "Note: No forecasts of bad on agent/agentbench_overall: RuntimeError: the sampler is out of order" in err
    assert err.splitlines()[-1].startswith("Error: 1 fit failed")
    assert "Traceback" not in err
    assert "bad" in out
    scores = pd.read_csv(tmp_path / "new" / "scores.csv").set_index(["spec_or_method", "task"])
    assert ("bad", "leaderboard_v2/gpqa") in scores.index
    assert ("bad", "agent") not in scores.index


def test_fits_that_did_not_converge_are_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(self: BayesMethod, fold: Fold, random_seed: int) -> Predictive:
        from bayescale.evaluation.backtest.baselines import BASELINES

        actual = BASELINES["pc_2"].predict(fold, random_seed)
        return dataclasses.replace(actual, rhat=1.234 if fold.tasks[0].group == "agent" else 1.001)

    monkeypatch.setattr(BayesMethod, "predict", predict)
    code, _, err = run("one_factor", "--baselines", "none", *QUICK, "-o", tmp_path)
    assert code == 0
    assert "Warning: R-hat of one_factor reaches 1.23 (it should be at most 1.01)" in err
    assert 1.234 in pd.read_csv(tmp_path / "scores.csv")["rhat"].tolist()


def test_defaults_are_those_of_the_library() -> None:
    from bayescale.cli import backtest as command

    typed = {k: p.default for k, p in inspect.signature(command.backtest).parameters.items()}
    library = {k: p.default for k, p in inspect.signature(backtest).parameters.items()}
    for name in ("draws", "tune", "chains"):
        assert typed[name] == library[name], name


def test_the_default_is_the_default_spec_and_all_baselines_on_the_papers_tasks(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: dict[str, Any] = {}

    def run_nothing(methods: Any, tasks: Any, *_: Any, **__: Any) -> None:
        called.update(methods=[m.name for m in methods], tasks=[t.name for t in tasks])
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("bayescale.evaluation.backtest"), "backtest", run_nothing)
    code, _, err = run("-o", tmp_path)
    assert code == 130
    assert err == "Interrupted.\n"
    from bayescale.evaluation.backtest.baselines import BASELINES, DATED

    assert called["methods"] == ["default", *(name for name in BASELINES if name not in DATED)]
    assert len(called["tasks"]) == 17


DRIVER = """
import sys, time
from bayescale.evaluation.backtest.baselines import BASELINES
from bayescale.evaluation.backtest.bayes import BayesMethod
from bayescale.cli import main


def predict(self, fold, random_seed):
    if fold.tasks[0].group == "agent":
        print("stopped", flush=True)
        time.sleep(600)
    return BASELINES["pc_2"].predict(fold, random_seed)


BayesMethod.predict = predict
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.heavy
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    run: Run, no_sampling: list[BayesMethod], tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    arguments = ["one_factor", "--baselines", "none", *QUICK, "-o", folder]
    command = [sys.executable, "-c", DRIVER, "backtest", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n", process.communicate()[1]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert err.endswith(
        f"Finished fits are in {folder / 'fits'} (1 file): the same command resumes from there.\nInterrupted.\n"
    )
    assert "Traceback" not in err
    assert [p.name for p in folder.iterdir()] == ["fits"]

    code, _, err = run(*arguments)
    assert code == 0
    assert err.startswith("Reused 1 fit of an earlier run.\n")
    assert len(no_sampling) == 1


def test_known_and_unknown_compute_have_tables_of_their_own(run: Run, tmp_path: Path) -> None:
    """Where no score of a hidden model is seen; the default baselines are those of dates."""
    code, out, err = run("best_so_far", "--baselines", "none", "--tasks", "rolling_6m/2024-01", "-o", tmp_path / "new")
    assert code == 0, err
    assert "rolling_6m, known compute" in out
    assert "rolling_6m, unknown compute" in out
    table = pd.read_csv(tmp_path / "new" / "by_compute.csv")
    assert list(table) == [*SCORES, "compute"]
    assert table["task"].unique().tolist() == ["rolling_6m/2024-01", "rolling_6m"]
    whole = pd.read_csv(tmp_path / "new" / "scores.csv").set_index("task")["n_test"]
    assert table.groupby("task")["n_test"].sum().to_dict() == whole.to_dict()
