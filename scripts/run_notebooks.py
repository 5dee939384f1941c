"""Run every notebook of a folder from top to bottom, each in a temporary folder; the notebooks are not changed.

With BAYESCALE_FAST=1 in the environment the notebooks take few draws.

    python scripts/run_notebooks.py notebooks
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import joblib
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CELL_SECONDS = 900


def run(path: Path) -> None:
    """Execute one notebook with a temporary folder as its working directory."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        client.execute()


def attempt(path: Path) -> tuple[Path, float, str]:
    """Execute one notebook; return its seconds, and its error or an empty text."""
    started, problem = time.perf_counter(), ""
    try:
        run(path)
    except CellExecutionError as error:
        problem = str(error)
    return path, time.perf_counter() - started, problem


def main(folder: Path) -> int:
    """Run all notebooks, one per processor at a time; return the number of failures as the exit code."""
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        print(f"There are no notebooks in {folder}/.", file=sys.stderr)
        return 1
    # With few draws most of the time goes to compiling, which uses one processor.
    work = (joblib.delayed(attempt)(path) for path in notebooks)
    failed = 0
    for path, seconds, problem in joblib.Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)(work):
        if problem:
            failed += 1
            print(f"{path}: FAILED\n{problem}", file=sys.stderr, flush=True)
        else:
            print(f"{path}: ran in {seconds:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "notebooks")))
