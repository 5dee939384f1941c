"""Progress displays: shown on a terminal, never in a pipe, and apart from results."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backtest_fakes import Guess, make_tasks
from conftest import Run

from bayescale import Evals, Posterior
from bayescale import _display as progress
from bayescale.evaluation.backtest import backtest

SECONDS = 120


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Watch = Callable[[], Terminal]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """From the call on, somebody watches, and needs not wait for a spinner."""

    # Not at once: pytest puts a standard error of its own in place before each test is called.
    def begin() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "SPINNER_DELAY", 0.0)
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return begin


def wait(terminal: Terminal, words: str) -> None:
    """Work until it is said."""
    for _ in range(2000):
        if words in terminal.getvalue():
            return
        time.sleep(0.005)
    pytest.fail(f"{words!r} was not said in {terminal.getvalue()!r}")


def test_a_spinner_says_what_is_done(watch: Watch) -> None:
    terminal = watch()
    with progress.working("Compiling the model"):
        wait(terminal, "Compiling the model")
    # The cursor is back, and the line is taken away.
    assert terminal.getvalue().endswith(("\x1b[2K", "\x1b[?25h", "\r\x1b[1A\x1b[2K"))


def test_what_is_quick_shows_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watch()
    monkeypatch.setattr(progress, "SPINNER_DELAY", 60.0)
    with progress.working("Adding"):
        pass
    assert terminal.getvalue() == ""


def test_one_display_at_a_time(watch: Watch) -> None:
    terminal = watch()
    with progress.working("Outer"):
        with progress.working("Inner"):
            wait(terminal, "Outer")
        assert "Inner" not in terminal.getvalue()
    with progress.working("Later"):
        wait(terminal, "Later")


def test_an_error_passes_and_the_display_ends(watch: Watch) -> None:
    terminal = watch()

    def fail() -> None:
        with progress.working("Working"):
            wait(terminal, "Working")
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail()
    with progress.working("Again"):
        wait(terminal, "Again")


def test_results_stay_on_standard_output(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = watch()
    with progress.working("Working"), progress.counting("fits"):
        wait(terminal, "Working")
        print("result")
    assert capsys.readouterr().out == "result\n"
    assert "result" not in terminal.getvalue()


def test_a_run_counts_on_a_terminal(watch: Watch, evals: Evals, tmp_path: Path) -> None:
    tasks, terminal = make_tasks(evals, tmp_path)[:1], watch()
    backtest([Guess("mine")], tasks)
    assert "fits" in terminal.getvalue()
    assert "1/1" in terminal.getvalue()


def test_whoever_reports_is_not_shown_a_bar(watch: Watch, evals: Evals, tmp_path: Path) -> None:
    tasks, terminal = make_tasks(evals, tmp_path)[:1], watch()
    said: list[tuple[int, int, str]] = []
    backtest([Guess("mine")], tasks, progress=lambda *of: said.append(of))
    assert terminal.getvalue() == ""
    assert said[-1][:2] == (1, 1)


def test_a_pipe_sees_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SPINNER_DELAY", 0.0)
    with progress.working("Working"), progress.counting("fits") as report:
        report(1, 2, "a")
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_sees_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    handle = type("Handle", (), {"update": lambda self, data, raw: shown.append(data)})
    ipython = type(sys)("IPython.display")
    ipython.display = lambda data, raw, display_id: shown.append(data) or handle()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ipykernel", type(sys)("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython.display", ipython)
    with progress.counting("specs") as report:
        report(0, 2, "")
        report(1, 2, "a")
        report(2, 2, "b")
    words = [data["text/plain"] for data in shown]
    assert [text.split(" in ")[0] for text in words] == ["specs: 0 of 2", "specs: 1 of 2", "specs: 2 of 2"]
    assert words[1].endswith("last a")


DRIVER = """
import sys
from bayescale import _display as progress
progress.SPINNER_DELAY = 0.0
from bayescale.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.heavy
@pytest.mark.skipif(os.name != "posix", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("watched", [True, False], ids=["terminal", "pipe"])
def test_a_command_shows_progress_to_a_terminal_alone(watched: bool, posterior: Posterior, tmp_path: Path) -> None:
    saved = posterior.save(tmp_path / "posterior.nc")
    command = [sys.executable, "-c", DRIVER, "forecast", saved, "--new-family", "--flops", "1e25", "--json"]
    ours, theirs = os.openpty() if watched else os.pipe()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    assert process.stdout is not None
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # how Linux says that nobody writes to a pseudo-terminal any more
        pass
    finally:
        os.close(ours)
    out = process.stdout.read()
    assert process.wait(SECONDS) == 0
    assert json.loads(out)["converged"] is True
    assert (b"Reading the posterior" in seen) is watched
    if not watched:
        assert seen == b""


def test_a_command_in_this_process_is_quiet_too(run: Run, posterior: Posterior, tmp_path: Path) -> None:
    saved = posterior.save(tmp_path / "posterior.nc")
    assert run("suggest", saved, "--budget", 2)[2] == ""
