"""Fit from the command line: Ctrl-C ends the command, and worker processes print no warnings."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bayescale.cli import show

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.methods import Posterior
    from bayescale.model.spec import Spec


def sample(spec: Spec, evals: Evals, **settings: Any) -> Posterior:
    """Fit a spec, and print how long it took; the caller prints the convergence diagnostics.

    Parameters
    ----------
    spec : Spec
    evals : Evals
    **settings
        As `bayescale.fit` takes them.
    """
    from bayescale.methods import fit

    if settings.get("nuts_sampler") == "pymc":
        logging.getLogger("pytensor.configdefaults").setLevel(logging.NOTSET)
    with interrupts_obeyed():
        posterior = fit(spec, evals, **settings)
    show.step(f"Sampled in {posterior.sampling['seconds']:.0f} s, compiling included.")
    return posterior


@contextmanager
def interrupts_obeyed() -> Iterator[None]:
    """Make Ctrl-C end the command, whatever the library does with it.

    On Ctrl-C nutpie returns the draws so far, as a notebook needs; a command would save them as a complete posterior.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def note(*_: Any) -> None:
        nonlocal pressed
        pressed = True
        # Threads that feed worker processes raise errors of their own when the pool is interrupted.
        threading.excepthook = lambda *_: None
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if not pressed:
            raise
    finally:
        signal.signal(signal.SIGINT, previous)
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def quiet_workers() -> Iterator[None]:
    """Ignore warnings of other libraries in worker processes, as in this one."""
    before = os.environ.get(name := "PYTHONWARNINGS")
    os.environ.setdefault(name, "ignore")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
