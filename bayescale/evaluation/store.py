"""On-disk store of finished fits, from which an interrupted backtest or comparison resumes with identical results."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

import bayescale
from bayescale._files import atomic_write
from bayescale._identity import identity
from bayescale.errors import BacktestWarning, BayescaleError, EvaluationError, FileError

if TYPE_CHECKING:
    from bayescale.methods import Posterior

# Version of the kept results. Raise it with every change by which a method of this package forecasts other numbers from
# the same settings, scores and seed (the model, its sampler, a baseline), or by which the files contain something else.
# The version of the package is in the keys as well, so that only changes between releases need it.
FORMAT = 4

# Settings that change how fast a fit is and not its numbers.
SPEED = frozenset({"cores", "progressbar"})

T = TypeVar("T")


def key_of(*parts: Any) -> str:
    """Hash everything that determines a result, the version of package and format included."""
    return identity(FORMAT, bayescale.__version__, *parts)


@dataclass(frozen=True)
class FitStore:
    """A folder with one file per finished fit, named after its label and its key, the hash of all it depends on."""

    directory: Path

    @classmethod
    def at(cls, directory: str | Path) -> Self:
        """Make the folder if needed; raise `EvaluationError` where that is not possible."""
        path = Path(directory)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"Cannot make the folder {str(path)!r} for finished fits: {error.strerror}."
            raise EvaluationError(message) from error
        return cls(path.resolve())

    def file(self, label: str, key: str, suffix: str = ".npz") -> Path:
        """Return the path of a result, whether or not it exists yet."""
        return self.directory / f"{re.sub(r'[^A-Za-z0-9.+-]+', '_', label)[:80]}-{key[:16]}{suffix}"

    def write_arrays(self, path: Path, key: str, arrays: Mapping[str, np.ndarray], what: str) -> None:
        """Write arrays atomically; raise `EvaluationError` if that is not possible."""

        def write() -> None:
            with atomic_write(path) as temporary, temporary.open("wb") as handle:
                np.savez_compressed(handle, key=np.array(key), **arrays)  # type: ignore[arg-type]

        self._write(path, what, write)

    def read_arrays(self, path: Path, key: str, decode: Callable[[dict[str, np.ndarray]], T]) -> T | None:
        """Read arrays and decode them; None without a file, and for a damaged one, with a warning."""

        def read() -> T:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
                parts = {name: content[name] for name in content.files}
            if parts["key"].item() != key:
                raise ValueError("it belongs to another job")
            return decode(parts)

        return self._read(path, read)

    def write_posterior(self, path: Path, posterior: Posterior, what: str) -> None:
        """Write a posterior atomically; raise `EvaluationError` if that is not possible."""
        self._write(path, what, lambda: posterior.save(path))

    def read_posterior(self, path: Path) -> Posterior | None:
        """Read a posterior; None without a file, and for a damaged one, with a warning."""
        from bayescale.methods import Posterior

        return self._read(path, lambda: Posterior.load(path)) if path.is_file() else None

    def _write(self, path: Path, what: str, write: Callable[[], Any]) -> None:
        try:
            write()
        except FileError as error:
            raise EvaluationError(
                f"Cannot write {what}. {error} Earlier results are kept; free some space, or give another folder."
            ) from error

    def _read(self, path: Path, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except FileNotFoundError:
            return None
        except Exception as error:  # NumPy, zipfile and zlib raise many kinds for a damaged file
            reason = str(error) if isinstance(error, BayescaleError) else f"{type(error).__name__}: {error}"
            warnings.warn(BacktestWarning(f"{path.name} is damaged ({reason}); its job runs again."), stacklevel=3)
            return None
