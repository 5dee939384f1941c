"""Fits of a command: a signal ends the command, and worker processes print no warnings."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayescale.cli import show
from bayescale.cli.process import received_signal
from bayescale.errors import BayescaleError

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.methods import Posterior
    from bayescale.model.spec import Spec


def sample(spec: Spec, evals: Evals, **settings: Any) -> Posterior:
    """Fit a spec with settings of `bayescale.fit`, and print how long it took."""
    from bayescale.methods import fit

    if settings.get("nuts_sampler") == "pymc":
        logging.getLogger("pytensor.configdefaults").setLevel(logging.NOTSET)
    with long_run():
        posterior = fit(spec, evals, **settings)
    show.step(f"Sampled in {posterior.sampling['seconds']:.0f} s, including compilation.")
    return posterior


@contextmanager
def long_run() -> Iterator[None]:
    """Make a signal end the command, and ignore warnings of other libraries in worker processes, as in this one.

    When it is interrupted nutpie returns the draws so far, as a notebook needs; a command would save them as a complete
    posterior. Other libraries turn the interruption into an error of their own.
    """
    warned = "PYTHONWARNINGS" in os.environ
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    try:
        yield
    except Exception:
        if not received_signal():
            raise
    finally:
        if not warned:
            del os.environ["PYTHONWARNINGS"]
    if received_signal():
        raise KeyboardInterrupt


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Run long work whose finished fits are in a folder; if it ends early, say how to resume."""
    try:
        with long_run():
            yield
    except (KeyboardInterrupt, BayescaleError):
        if count := len({file.name for kind in ("*.npz", "*.nc") for file in folder.glob(kind)}):
            files = f"{count} file{'s' * (count != 1)}"
            show.step(f"Finished fits are in {folder} ({files}): the same command resumes from there.")
        raise
