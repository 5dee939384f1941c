"""Finished fits on disk: a run that was killed goes on from them, and gives the same numbers."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale._files import atomic_write, remove_partial
from bayescale.errors import BacktestError, BacktestWarning, OutputError
from bayescale.evaluation.backtest.metrics import CELL
from bayescale.evaluation.backtest.predictive import Predictive
from bayescale.evaluation.backtest.unit import Unit

_FIGURES = ("seconds", "rhat", "ess", "divergences")


@dataclass(frozen=True)
class Journal:
    """A folder with one file for each finished unit of work, named after what went into it.

    Attributes
    ----------
    directory : pathlib.Path
    """

    directory: Path

    def path(self, unit: Unit) -> Path:
        """Where the forecasts of `unit` are, once there are any: its method and fold for people, its key for us."""
        label = re.sub(r"[^A-Za-z0-9.+-]+", "_", f"{unit.method.name}-{unit.fold.tasks[0].name}")[:80]
        return self.directory / f"{label}-{unit.key[:16]}.npz"

    def write(self, unit: Unit, predictive: Predictive) -> None:
        """Keep forecasts, draws included: whole or not at all, whenever the process is killed.

        Raises
        ------
        BacktestError
            When the file cannot be written.
        """
        path = self.path(unit)
        remove_partial(path)  # what killed processes left does not pile up
        try:
            with atomic_write(path) as temporary, temporary.open("wb") as handle:
                np.savez_compressed(
                    handle,
                    key=np.array(unit.key),
                    names=np.array(json.dumps(predictive.cells[CELL].to_numpy(dtype=object).tolist())),
                    score=predictive.cells["score"].to_numpy(float),
                    mean=predictive.mean,
                    draws=predictive.draws,
                    figures=np.array([getattr(predictive, name) for name in _FIGURES], dtype=float),
                )
        except OutputError as error:
            raise BacktestError(
                f"Cannot keep the forecasts of {unit.name}. {error} What was finished before is kept; make room, or "
                "give another folder."
            ) from error

    def read(self, unit: Unit) -> Predictive | None:
        """Read what was kept; None if there is nothing, or if it is damaged, which a warning says."""
        path = self.path(unit)
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
                parts = {name: content[name] for name in content.files}
            if parts["key"].item() != unit.key:
                raise ValueError("it belongs to other work")
            cells = pd.DataFrame(json.loads(parts["names"].item()), columns=CELL).assign(score=parts["score"])
            seconds, rhat, ess, divergences = parts["figures"].tolist()
            return Predictive(cells, parts["mean"], parts["draws"], seconds, rhat, ess, int(divergences))
        except FileNotFoundError:
            return None
        except Exception as error:  # NumPy, zipfile and zlib raise many kinds for a damaged file
            message = f"{path.name} is damaged ({type(error).__name__}: {error}); its work is done again."
            warnings.warn(BacktestWarning(message), stacklevel=2)
            return None
