"""Fits, comparisons and backtests killed at random moments: finished results are whole, old files are as they were.

Each command runs in a process that is forked from one which has imported and compiled everything, so that it is at work
when it is killed. A hundred kills take a quarter of an hour; BAYESCALE_KILLS in the environment sets another number.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from simulate import Truth, posterior_near, simulation_spec

from bayescale import Evals, Posterior

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks a process that has compiled a model"),
]

KILLS = int(os.environ.get("BAYESCALE_KILLS", "100"))
SIGNALS = [signal.SIGKILL, signal.SIGTERM]
# An end by the signal itself comes before the command is ready for it, or from SIGKILL.
ENDS = {signal.SIGKILL: {0, -signal.SIGKILL}, signal.SIGTERM: {0, 143, -signal.SIGTERM}}

SHORT = "--draws 20 --tune 20 --chains 2"
PC = "pc_1 pc_2 --baselines none"
# A command, and its share of the kills in percent: workers take seconds to start. Each writes to a folder of its name.
COMMANDS = {
    "fit": (f"fit mine.yaml --evals tables {SHORT} --save fit/posterior.nc", 40),
    "compare": (
        f"compare mine.yaml other.yaml --evals tables {SHORT} --leave-out model --folds 2 --jobs 1 -o compare",
        25,
    ),
    "backtest": (f"backtest {PC} --tasks emergent --jobs 1 -o backtest", 25),
    "workers": (f"backtest {PC} --tasks emergent --jobs 2 -o workers", 10),
}

# Reads a command, a signal and seconds, a line each time; forks, and prints the exit code and the seconds that it took.
SERVER = """
import json, os, signal, sys, time
from pathlib import Path
import joblib, matplotlib.pyplot, nutpie, pymc, sklearn.linear_model
import bayescale.cli.entry, bayescale.evaluation.backtest, bayescale.evaluation.compare
from bayescale import load_spec, read_evals
from bayescale.cli import main
from bayescale.inference.compile import compiled_for
from bayescale.model.coordinates.parameterization import Coordinates

for name in ("mine", "other"):
    compiled_for(Coordinates.of(load_spec(f"{name}.yaml"), read_evals("tables")))
for line in sys.stdin:
    command, number, after = json.loads(line)
    started = time.monotonic()
    child = os.fork()
    if not child:
        for stream, path in enumerate([os.devnull, os.devnull, "stderr.txt"]):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), stream)
        sys.argv = ["bayescale", *command.split()]
        sys.exit(main())
    ended, status = 0, 0
    while not ended and time.monotonic() - started < after:
        time.sleep(0.005)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, number)
        status = os.waitpid(child, 0)[1]
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - started]), flush=True)
"""


@dataclass
class Killed:
    """A folder to which one command writes again and again."""

    out: Path
    command: str
    server: subprocess.Popen[str]
    seconds: float = 900.0
    kept: dict[Path, bytes] = field(default_factory=dict)

    def run(self, number: int = signal.SIGKILL, after: float = 900.0) -> int:
        """Run, kill after some seconds, check what is left, and return the exit code."""
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.write(json.dumps([self.command, number, after]) + "\n")
        self.server.stdin.flush()
        code, seconds = json.loads(self.server.stdout.readline())
        said = (self.out.parent / "stderr.txt").read_text()
        assert code in ENDS[signal.Signals(number)], said
        assert "Traceback" not in said
        # The speed of a busy machine changes: some runs shall come to their end.
        self.seconds = seconds if code == 0 else 1.05 * self.seconds
        self.check()
        return code

    def check(self) -> None:
        """Check that every result is whole, and that finished fits are as they were."""
        for path in sorted(self.out.rglob("[!.]*")):
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
        return [path for path in self.out.rglob(".*") if path.is_file()]


@pytest.fixture(scope="module")
def server(evals: Evals, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    folder = tmp_path_factory.mktemp("kills")
    evals.to_directory(folder / "tables")
    for name in ("mine", "other"):
        (folder / f"{name}.yaml").write_text(simulation_spec().replace(name=name).to_yaml())
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield folder, process
        finally:  # what it started does not outlive a failure
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("kind", COMMANDS)
def test_nothing_is_lost(
    kind: str, server: tuple[Path, subprocess.Popen[str]], simulation: tuple[Evals, Truth], tmp_path: Path
) -> None:
    rng, (command, share) = np.random.default_rng(len(kind)), COMMANDS[kind]
    killed = Killed(server[0] / kind, command, server[1])
    killed.out.mkdir()
    assert killed.run() == 0
    target = killed.out / "posterior.nc"
    old = posterior_near(*simulation, simulation_spec(), chains=2, draws=30).save(tmp_path / "old.nc").read_bytes()
    codes = []
    for number in range(KILLS * share // 100):
        if kind == "fit":
            target.write_bytes(old)
        elif number % 4 == 0:  # from the start again
            for path in killed.kept:
                path.unlink()
            killed.kept.clear()
        codes.append(killed.run(SIGNALS[number % 2], float(rng.uniform(0, killed.seconds))))
        if kind == "fit" and target.read_bytes() != old:
            assert Posterior.load(target).sampling["draws"] == 20
    print(f"\n{kind}: exit codes of {len(codes)} kills {dict(Counter(codes))}")
    assert any(codes), "each run had ended before it was killed"
    assert killed.run() == 0
    assert killed.remains() == []
