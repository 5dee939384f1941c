"""Fits, comparisons and backtests killed at random moments: finished results are whole, old files are as they were.

A hundred kills take most of an hour; BAYESCALE_KILLS in the environment sets another number.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from simulate import Truth, posterior_near, simulation_spec

from bayescale import Evals, Posterior

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("BAYESCALE_KILLS", "100"))
SECONDS = 900
SHORT = "--draws 20 --tune 20 --chains 2"
SIGNALS = [signal.SIGKILL, signal.SIGTERM]
# An end by the signal itself comes before the command is ready for it, or from SIGKILL.
ENDS = {signal.SIGKILL: {0, -signal.SIGKILL}, signal.SIGTERM: {0, 143, -signal.SIGTERM}}

COMMANDS = {
    "fit": f"fit mine.yaml --evals tables {SHORT} --save out/posterior.nc",
    "compare": f"compare mine.yaml other.yaml --evals tables {SHORT} --leave-out model --folds 2 --jobs 1 -o out",
    "backtest": "backtest pc_1 pc_2 --baselines none --tasks emergent --jobs 2 -o out",
}


@dataclass
class Killed:
    """A folder in which one command runs again and again."""

    folder: Path
    command: str
    kept: dict[Path, bytes] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "bayescale", *self.command.split()]
        return subprocess.Popen(
            arguments, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def finish(self) -> float:
        """Run to the end, and return the seconds that it took."""
        started = time.monotonic()
        process = self.start()
        err = self.end(process)
        assert process.returncode == 0, err
        return time.monotonic() - started

    def end(self, process: subprocess.Popen[str]) -> str:
        """Wait for the end of a process, which outlives no failure of a test, and return what it said."""
        try:
            return process.communicate(timeout=SECONDS)[1]
        finally:
            process.kill()

    def kill(self, number: signal.Signals, after: float) -> None:
        """Start, kill after some seconds, and check what is left."""
        process = self.start()
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        err = self.end(process)
        assert process.returncode in ENDS[number], err
        assert "Traceback" not in err
        self.check()

    def check(self) -> None:
        """Check that every result is whole, and that finished fits are as they were."""
        out = self.folder / "out"
        for path in sorted(out.rglob("*")):
            if path.name.startswith(".") or path.is_dir():
                continue
            if path.suffix == ".nc":
                Posterior.load(path)
            elif path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    assert all(arrays[name].size for name in arrays.files)
            if path.parent.name == "fits":
                assert path.read_bytes() == self.kept.setdefault(path, path.read_bytes())
        assert all(path.exists() for path in self.kept)

    def remains(self) -> list[Path]:
        """Return the temporary files of killed processes."""
        return [path for path in (self.folder / "out").rglob(".*") if path.is_file()]


@pytest.mark.filterwarnings("ignore::bayescale.errors.ConvergenceWarning")
@pytest.mark.parametrize("kind", COMMANDS)
def test_nothing_is_lost(kind: str, simulation: tuple[Evals, Truth], tmp_path: Path) -> None:
    evals, truth = simulation
    evals.to_directory(tmp_path / "tables")
    for name in ("mine", "other"):
        (tmp_path / f"{name}.yaml").write_text(simulation_spec().replace(name=name).to_yaml())
    killed, rng = Killed(tmp_path, COMMANDS[kind]), np.random.default_rng(len(kind))
    (tmp_path / "out").mkdir()
    seconds = killed.finish()  # programs are compiled now, as for later ones
    target = tmp_path / "out" / "posterior.nc"
    old = posterior_near(evals, truth, simulation_spec(), chains=2, draws=20).save(tmp_path / "old.nc").read_bytes()
    for number in range(KILLS // len(COMMANDS) + (kind == "fit") * (KILLS % len(COMMANDS))):
        if kind == "fit":
            target.write_bytes(old)
        elif number % 4 == 0:  # from the start again
            for path in killed.kept:
                path.unlink()
            killed.kept.clear()
        killed.kill(SIGNALS[number % 2], float(rng.uniform(0, 1.1 * seconds)))
        if kind == "fit" and target.read_bytes() != old:
            assert Posterior.load(target).sampling["draws"] == 20
    killed.finish()
    killed.check()
    assert killed.remains() == []
