"""The command line as processes: started by the shell, interrupted, killed while it writes."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from simulate import Truth, posterior_near

from bayescale import Evals, Posterior, Spec
from bayescale.cli.options import SEED

pytestmark = pytest.mark.heavy

BAYESCALE = [sys.executable, "-m", "bayescale"]
SECONDS = 120

# A `bayescale fit` whose sampling is a saved posterior, and which stops where a test wants to meet it.
DRIVER = """
import importlib, os, sys, time
from bayescale.methods import Posterior

source, target, where = sys.argv[1:]
fit = importlib.import_module("bayescale.inference.sample")


def stop(*_, **__):
    print("stopped", flush=True)
    time.sleep(600)


class Seal(bytes):
    # What ends a file: its content is written by then.
    __add__ = stop


def interrupted(*_, **__):
    # What nutpie does: Ctrl-C is answered with the draws so far.
    try:
        stop()
    except KeyboardInterrupt:
        return Posterior.load(source)


fit.fit = lambda *_, **__: Posterior.load(source)
if where == "rename":
    os.replace = stop
elif where == "write":
    whole = Posterior.load(source)
    fit.fit = lambda *_, **__: whole
    importlib.import_module("bayescale.inference.storage")._SEAL = Seal()
elif where == "sampling":
    fit.fit = interrupted

from bayescale.cli import main

sys.exit(main(["fit", "--save", target]))
"""


@pytest.fixture(scope="module")
def saved(simulation: tuple[Evals, Truth], tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = posterior_near(*simulation, Spec(factors=1), chains=2, draws=20)
    return small.save(tmp_path_factory.mktemp("processes") / "saved.nc")


def stopped_fit(saved: Path, target: Path, where: str) -> subprocess.Popen[str]:
    """Start a fit, and return when it has come to the place."""
    arguments = [sys.executable, "-c", DRIVER, str(saved), str(target), where]
    # A shell's background jobs ignore Ctrl-C, and so would what they start.
    obey = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=obey)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "stopped":
            return process
    pytest.fail(f"the fit did not come to {where}: {process.communicate()[1]}")


@pytest.mark.parametrize(("where", "there"), [("write", False), ("write", True), ("rename", True)])
def test_a_fit_killed_while_it_writes_harms_nothing(where: str, there: bool, saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "posterior.nc"
    if there:
        target.write_bytes(saved.read_bytes())

    process = stopped_fit(saved, target, where)
    process.kill()
    process.communicate(timeout=SECONDS)

    assert process.returncode == -signal.SIGKILL
    assert target.exists() == there
    if there:
        assert target.read_bytes() == saved.read_bytes()
    # What was left behind is in nobody's way.
    assert Posterior.load(saved).save(target) == target
    assert Posterior.load(target).identity == Posterior.load(saved).identity


@pytest.mark.parametrize("where", ["sampling", "write"])
def test_ctrl_c_ends_with_130_and_no_file(where: str, saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "posterior.nc"
    process = stopped_fit(saved, target, where)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert err.endswith("Interrupted.\n")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "nope", "--save", "x.nc"], "There is no shipped spec 'nope'"),
        (["data", "validate", "none"], "1 error"),
    ],
)
def test_a_mistake_in_a_process(arguments: list[str], words: str, tmp_path: Path) -> None:
    ran = subprocess.run([*BAYESCALE, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_is_said_before_sampling(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    ran = subprocess.run(
        [*BAYESCALE, "fit", "--save", tmp_path / "p.nc"], capture_output=True, text=True, timeout=SECONDS
    )
    assert ran.returncode == 2
    assert "Permission denied" in ran.stderr


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m bayescale data list | head -n 1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=SECONDS)
    assert ran.stdout.startswith("name")
    assert ran.stderr == ""


FACTORS = "import sys, bayescale; print(bayescale.Posterior.load(sys.argv[1]).factors.summary().shape)"


@pytest.mark.parametrize("arguments", [["-m", "bayescale", "check"], ["-c", FACTORS]])
def test_python_without_docstrings_and_assertions(arguments: list[str], saved: Path) -> None:
    """Libraries that take docstrings apart fail under ``-OO``."""
    command = [sys.executable, "-OO", *arguments, saved]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert "Error" not in ran.stderr
    assert ran.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayescale.errors.ConvergenceWarning")
def test_a_session(evals: Evals, tmp_path: Path) -> None:
    """Fit, check, forecast on one's own tables, as a user does."""
    tables = evals.to_directory(tmp_path / "tables")
    settings = ["--draws", "300", "--tune", "300", "--chains", "2", "--random-seed", "1", "--save", "posterior.nc"]

    def session(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*BAYESCALE, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=600)

    fitted = session("fit", "one_factor", "--evals", str(tables), *settings)
    assert fitted.returncode == 0, fitted.stderr
    assert "Traceback" not in fitted.stderr
    assert "Wrote posterior.nc" in fitted.stderr
    posterior = Posterior.load(tmp_path / "posterior.nc")

    assert session("check", "posterior.nc").returncode == (0 if posterior.converged else 1)

    said = session("forecast", "posterior.nc", "--new-family", "--flops", "1e25", "--json")
    assert said.returncode == 0, said.stderr
    expected = posterior.forecast(family="new family", flops=1e25, random_seed=SEED).summary()
    assert [row["median"] for row in json.loads(said.stdout)["forecasts"]] == expected["median"].tolist()
