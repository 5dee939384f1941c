"""Run every notebook of a folder from top to bottom, in a folder of its own that is thrown away.

With BAYESCALE_FAST=1 in the environment the notebooks take few draws. The notebooks themselves are not changed.

    python scripts/run_notebooks.py notebooks
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

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


def main(folder: Path) -> int:
    """Run all; the number of those that failed is the exit code."""
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        print(f"There are no notebooks in {folder}/.", file=sys.stderr)
        return 1
    failed = 0
    for path in notebooks:
        started = time.perf_counter()
        try:
            run(path)
        except CellExecutionError as error:
            failed += 1
            print(f"{path}: FAILED\n{error}", file=sys.stderr)
        else:
            print(f"{path}: ran in {time.perf_counter() - started:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "notebooks")))
