"""Fits of a command: Ctrl-C ends the command, and worker processes print no warnings."""

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
    """Make Ctrl-C end the command, and ignore warnings of other libraries in worker processes, as in this one.

    On Ctrl-C nutpie returns the draws so far, as a notebook needs; a command would save them as a complete posterior.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def interrupt(*_: Any) -> None:
        nonlocal pressed
        pressed = True
        # Threads that feed worker processes raise errors of their own when the pool is interrupted.
        threading.excepthook = lambda *_: None
        raise KeyboardInterrupt

    warned = "PYTHONWARNINGS" in os.environ
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception:
        if not pressed:
            raise
    finally:
        signal.signal(signal.SIGINT, previous)
        if not warned:
            del os.environ["PYTHONWARNINGS"]
    if pressed:
        raise KeyboardInterrupt
