"""On-disk cache of finished jobs, so that an interrupted backtest can resume with identical results."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale._files import atomic_write, remove_partial
from bayescale.errors import BacktestWarning, EvaluationError, FileError
from bayescale.evaluation.backtest.job import Job
from bayescale.evaluation.backtest.metrics import CELL
from bayescale.evaluation.backtest.predictive import Predictive

_DIAGNOSTICS = ("seconds", "rhat", "ess", "divergences")


@dataclass(frozen=True)
class ResultCache:
    """A folder with one file per finished job, named after its method, task and key.

    Attributes
    ----------
    directory : pathlib.Path
    """

    directory: Path

    def path(self, job: Job) -> Path:
        """Return the path of the forecasts of `job`, whether or not they exist yet."""
        label = re.sub(r"[^A-Za-z0-9.+-]+", "_", f"{job.method.name}-{job.fold.tasks[0].name}")[:80]
        return self.directory / f"{label}-{job.key[:16]}.npz"

    def write(self, job: Job, predictive: Predictive) -> None:
        """Write forecasts with their draws, atomically.

        Raises
        ------
        EvaluationError
            When the file cannot be written.
        """
        path = self.path(job)
        remove_partial(path)  # remains of interrupted processes
        try:
            with atomic_write(path) as temporary, temporary.open("wb") as handle:
                np.savez_compressed(
                    handle,
                    key=np.array(job.key),
                    names=np.array(json.dumps(predictive.cells[CELL].to_numpy(dtype=object).tolist())),
                    score=predictive.cells["score"].to_numpy(float),
                    mean=predictive.mean,
                    draws=predictive.draws,
                    figures=np.array([getattr(predictive, name) for name in _DIAGNOSTICS], dtype=float),
                )
        except FileError as error:
            raise EvaluationError(
                f"Cannot write the forecasts of {job.name}. {error} Earlier results are kept; free some space, or give "
                "another folder."
            ) from error

    def read(self, job: Job) -> Predictive | None:
        """Read the forecasts of `job`; None without a file, and for a damaged one, with a warning."""
        path = self.path(job)
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
                parts = {name: content[name] for name in content.files}
            if parts["key"].item() != job.key:
                raise ValueError("it belongs to another job")
            cells = pd.DataFrame(json.loads(parts["names"].item()), columns=CELL).assign(score=parts["score"])
            seconds, rhat, ess, divergences = parts["figures"].tolist()
            return Predictive(cells, parts["mean"], parts["draws"], seconds, rhat, ess, int(divergences))
        except FileNotFoundError:
            return None
        except Exception as error:  # NumPy, zipfile and zlib raise many kinds for a damaged file
            message = f"{path.name} is damaged ({type(error).__name__}: {error}); its job runs again."
            warnings.warn(BacktestWarning(message), stacklevel=2)
            return None
