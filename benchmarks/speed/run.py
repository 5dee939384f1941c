"""Run every missing piece in a process of its own, then print the tables and write them as JSON.

    python -m benchmarks.speed FOLDER [--only TEXT] [--limit SECONDS] [--list] [--page docs/performance.md]

A piece is one measurement of one size (`pieces`). Finished pieces stay in FOLDER, so the same command resumes an
interrupted run. `--only` runs pieces whose name contains TEXT, `--limit` starts none after that many seconds, `--page`
puts tables and picture into the page on performance. Run it alone on the machine. Routes by JAX need the extra
``numpyro``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bayescale.inference.defaults import DRAWS as DEFAULT_DRAWS
from bayescale.inference.defaults import TUNE as DEFAULT_TUNE

# Seconds that no piece should need on two cores; one that takes longer counts as failed.
PATIENCE = 2400
# Draws and warm-up steps a chain by size and route. On `base-llms` every route samples as long as a default fit. On the
# others a piece takes a few minutes at most; the comparison is of effective draws per second of sampling and of seconds
# to 400 effective draws. JAX and PyMC compute every model on every benchmark, not only observed cells. PyMC is left out
# on `base-llms-all`: 50 draws after 150, and 10 after 40, had not ended after 12 minutes.
EVERY_ROUTE = ("nutpie", "pymc", "nutpie-jax", "numpyro-vectorized")
LENGTHS: dict[tuple[str, str], tuple[int, int]] = {
    **{("base-llms", route): (DEFAULT_DRAWS, DEFAULT_TUNE) for route in EVERY_ROUTE},
    ("base-llms-all", "nutpie"): (DEFAULT_DRAWS, DEFAULT_TUNE),
    ("base-llms-all", "nutpie-jax"): (100, 300),
    ("125x25", "nutpie"): (300, 300),
    ("125x25", "pymc"): (200, 300),
    ("125x25", "nutpie-jax"): (200, 300),
    ("125x25", "numpyro-vectorized"): (100, 300),
    ("250x50", "nutpie"): (100, 200),
    ("250x50", "pymc"): (50, 100),
    ("250x50", "nutpie-jax"): (100, 200),
    ("250x50", "numpyro-vectorized"): (25, 100),
    ("500x100", "nutpie"): (100, 200),
    # The slowest pieces run last.
    ("500x100", "nutpie-jax"): (50, 100),
    ("base-llms-all", "numpyro-vectorized"): (25, 75),
}


@dataclass(frozen=True)
class Piece:
    """One measurement: kind, size, route, and draws and warm-up steps a chain."""

    kind: str
    size: str
    route: str = "nutpie"
    draws: int = 1000
    tune: int = DEFAULT_TUNE
    # Start from an empty cache of compiled programs, kept for pieces of the same name; otherwise use the common cache.
    cold: bool = False

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.kind}--{self.size}--{self.route}"


def plan() -> list[Piece]:
    """Return every piece, in the order in which they run."""
    from benchmarks.speed.sizes import SIZES

    pieces = [
        Piece("fit-cold", "base-llms", draws=DEFAULT_DRAWS, cold=True),
        Piece("fit-warm", "base-llms", draws=DEFAULT_DRAWS),
        Piece("forecasts", "base-llms"),
        Piece("operations", "base-llms"),
    ]
    pieces += [Piece(kind, size) for kind in ("gradient", "gradient-jax") for size in SIZES]
    for (size, route), (draws, tune) in LENGTHS.items():
        pieces.append(Piece("sample", size, route, draws, tune, cold=True))
        if route in ("nutpie", "pymc"):  # JAX keeps nothing on disk: a second run is the same
            pieces.append(Piece("warm", size, route, 1, 1))
    return pieces


def run(piece: Piece, folder: Path) -> None:
    """Measure a piece in a new process, unless its result exists."""
    output = folder / f"{piece.name}.json"
    if output.exists():
        return
    cache = folder / "caches" / (f"{piece.size}--{piece.route}" if piece.cold or piece.kind == "warm" else "common")
    if piece.kind in ("fit-cold", "fit-warm"):
        cache = folder / "caches" / "fit"
    if piece.cold:
        shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "SPEED_STARTED": str(time.time()),
        "SPEED_DRAWS": str(piece.draws),
        "SPEED_TUNE": str(piece.tune),
        "PYTENSOR_FLAGS": f"base_compiledir={cache}",
        "NUMBA_CACHE_DIR": str(cache / "numba-own"),
        "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
    }
    command = [sys.executable, "-m", "benchmarks.speed.pieces", piece.kind, piece.size, piece.route, str(output)]
    started = time.perf_counter()
    with (folder / f"{piece.name}.log").open("w") as log:
        try:
            code = subprocess.run(command, env=environment, stdout=log, stderr=log, timeout=PATIENCE).returncode
        except subprocess.TimeoutExpired:
            code = f"longer than {PATIENCE} s"
    print(f"{time.perf_counter() - started:7.1f} s  {piece.name}{f'  FAILED ({code})' if code else ''}", flush=True)


def machine() -> dict[str, object]:
    """Describe the machine of the measurements."""
    from importlib.metadata import version

    model = next((l.split(":")[1].strip() for l in _lines("/proc/cpuinfo") if l.startswith("model name")), "unknown")  # noqa: E741
    names = ("pymc", "pytensor", "nutpie", "numba", "numpy", "jax", "numpyro")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def main() -> None:
    """Run missing pieces, then print and write the tables."""
    from benchmarks.speed.picture import draw
    from benchmarks.speed.table import markdown, tables

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--limit", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--page", type=Path, help="Markdown page to put tables and picture into")
    parser.add_argument("--list", action="store_true", help="print the pieces that are missing and stop")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    for piece in (p for p in plan() if given.only in p.name):
        if given.list:
            if not (folder / f"{piece.name}.json").exists():
                print(piece.name)
        elif time.perf_counter() - started < given.limit:
            run(piece, folder)
    if given.list:
        return
    by_title = tables(folder)
    document = {"machine": machine(), **{title: rows.to_dict("records") for title, rows in by_title.items()}}
    (folder / "speed.json").write_text(json.dumps(document, indent=1, default=float))
    print(markdown(by_title))
    picture = folder / "speed.png" if given.page is None else given.page.with_suffix(".png")
    if not by_title["cost of a gradient"].empty:
        draw(by_title["cost of a gradient"], picture)
    if given.page is not None:
        given.page.write_text(_with_tables(given.page.read_text(), f"{_described(machine())}\n{markdown(by_title)}"))


BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def _with_tables(page: str, tables: str) -> str:
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{tables}{END}{rest.split(END)[1]}"


def _described(on: dict[str, object]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in dict(on["versions"]).items())  # type: ignore[call-overload]
    return f"{on['processor']}, {on['cores']} cores, {on['system']}, Python {on['python']}; {versions}.\n"
