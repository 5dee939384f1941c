"""The process of a command: streams that fail, errors that nobody foresaw, signals, and workers without a parent."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest
from conftest import Run

from bayescale.cli import main
from bayescale.errors import FitError

SECONDS = 60


def unread() -> TextIO:
    """Return a pipe whose reader is gone, as after `| head`."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full() -> TextIO:
    return Path("/dev/full").open("w")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    ("out", "code", "words"),
    [
        (unread, 0, ""),
        (full, 2, "Error: Cannot write to standard output: No space left on device."),
        (lambda: None, 2, "Error: Cannot write to standard output: it is closed."),
    ],
)
def test_output_that_cannot_be_printed(
    out: Callable[[], TextIO | None], code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out())
    monkeypatch.setattr(sys, "stderr", said)
    assert main(["specs"]) == code
    assert said.getvalue().startswith(words)
    assert words or not said.getvalue()


@pytest.mark.parametrize("stream", [lambda: None, unread])
def test_notes_that_nobody_reads(stream: Callable[[], TextIO | None], monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    monkeypatch.setattr(sys, "stderr", stream())
    assert main(["fit", "nope", "--save", "x.nc"]) == 2
    # Without standard error Python would print errors among the results.
    assert said.getvalue() == ""


def test_names_that_the_terminal_cannot_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("nämé: 1\n", encoding="utf-8")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    assert main(["prior", str(tmp_path / "mine.yaml")]) == 2
    assert b"n\\xe4m\\xe9" in raw.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyError("lost"), 3, "Error: bayescale failed. This is a fault of the program, not yours: KeyError: 'lost'"),
        (EOFError("cut"), 3, "unexpected end of input (cut)"),
        (RecursionError("deep"), 3, "RecursionError: deep"),
        (MemoryError("Unable to allocate 3 TiB"), 2, "Error: Out of memory (Unable to allocate 3 TiB)"),
        (PermissionError(13, "Permission denied", "mine.csv"), 2, "Error: 'mine.csv': Permission denied."),
        (BrokenPipeError(32, "Broken pipe"), 2, "Error: Broken pipe."),
        (FitError("draws=0 is too few."), 2, "Error: --draws 0 is too few."),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_no_error_is_a_traceback_or_an_accidental_code(
    error: BaseException, code: int, words: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("bayescale.model.spec.list_specs", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    actual, out, err = run("specs")
    assert (actual, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    if code == 3:
        file = Path(re.search(r"the file (\S+),", err)[1])  # type: ignore[index]
        assert "Traceback" in file.read_text()


def test_files_come_before_what_is_printed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens while a table is printed, the file is there."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bayescale.cli.show.prior_table", die)
    assert run("prior", "one_factor", "--draws", 5, "--csv", tmp_path / "prior.csv")[0] == 130
    assert (tmp_path / "prior.csv").stat().st_size > 0


# Processes

DRIVER = """
import sys, threading, time
from bayescale.cli import main
from bayescale.evals import datasets


class Finalized:
    def __del__(self):
        print("stopped", flush=True)
        time.sleep(600)


class HalfWritten:
    def __init__(self):
        self.me = self  # is finalized when Python ends

    def __del__(self):
        raise OSError("cannot close")


def start_slowly(thread):
    start(thread)
    time.sleep(1)


def stop(*_):
    if where == "finalizer of a busy machine":
        threading.Thread.start = start_slowly
    if where.startswith("finalizer"):
        Finalized()
    file = HalfWritten() if where == "file" else None
    print("stopped", flush=True)
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        if where == "library":
            raise RuntimeError("the callback failed")
        raise


start = threading.Thread.start
datasets.list_evals = stop
import bayescale.evals
bayescale.evals.list_evals = stop
where, sys.argv[1:] = sys.argv[1], ["data", "list"]
sys.exit(main())
"""


# Python drops what a finalizer raises, finalizers of what is half done fail, and libraries raise errors of their own.
@pytest.mark.heavy
@pytest.mark.parametrize("where", ["code", "finalizer", "finalizer of a busy machine", "file", "library"])
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGTERM, 143, "Terminated.\n"),
        (signal.SIGHUP, 129, "The terminal was closed.\n"),
        (signal.SIGINT, 130, "Interrupted.\n"),
    ],
)
def test_a_signal_ends_a_command_in_words(number: signal.Signals, code: int, words: str, where: str) -> None:
    command = [sys.executable, "-c", DRIVER, where]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (code, words)


@pytest.mark.heavy
@pytest.mark.parametrize("arguments", [">&-", "2>&-", "0>&- >&- 2>&-"])
def test_streams_that_the_shell_closed(arguments: str) -> None:
    ran = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m bayescale specs {arguments}"], capture_output=True, text=True
    )
    assert ran.returncode == (2 if ">&-" in arguments.replace("2>&-", "").replace("0>&-", "") else 0)
    assert "Traceback" not in ran.stderr
    assert bool(ran.stdout) == (arguments == "2>&-")


WORKERS = """
import sys, time
import bayescale.evaluation.backtest.baselines as known
from backtest_fakes import Guess, Mishap
from bayescale.cli import main

known.BASELINES["pc_1"] = Guess("pc_1")
known.BASELINES["pc_2"] = Mishap("pc_2", task="leaderboard_v2/gpqa", what="sleep")
sys.exit(main(["backtest", "pc_1", "pc_2", "--baselines", "none", "--jobs", "2", "-o", sys.argv[1]]
    + ["--tasks", "leaderboard_v2/gpqa"]))
"""


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_command(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKERS, str(tmp_path / "new")]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + SECONDS
    while not list(tmp_path.glob("new/fits/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    kept = {file.name: file.read_bytes() for file in tmp_path.glob("new/fits/*.npz")}
    assert kept
    process.send_signal(number)
    process.wait(SECONDS)
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    while (left := members(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert all((tmp_path / "new" / "fits" / name).read_bytes() == content for name, content in kept.items())


def members(session: int) -> list[str]:
    """Return the processes of a session that still live."""
    ran = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True)
    return [line for line in ran.stdout.splitlines() if " Z" not in line]
