"""Which rows and cells of the tables a selection, a mask or a split means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale.errors import EvalsError, suggest
from bayescale.evals.tables import SMALLEST_FLOPS

if TYPE_CHECKING:
    import xarray as xr

Names = str | Iterable[str] | None


def require(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise an EvalsError for the first name that is not known."""
    known = set(known)
    for name in names:
        if name not in known:
            raise EvalsError(suggest(str(name), known, what))


def chosen(table: pd.DataFrame, **wanted: Names) -> np.ndarray:
    """Rows, as a boolean array, whose value in each of the columns named is one of those wanted; None means any."""
    rows = np.ones(len(table), dtype=bool)
    for column, names in wanted.items():
        if names is not None:
            names = [names] if isinstance(names, str) else list(names)
            require(names, [v for v in table[column] if v], column)
            rows &= table[column].isin(names).to_numpy()
    return rows


def above(flops: pd.Series, limit: float, unknown: str) -> np.ndarray:
    """Models, as a boolean array, whose compute is above the limit; `unknown` says where a blank belongs."""
    if not SMALLEST_FLOPS <= limit < np.inf:
        raise EvalsError(
            f"flops={limit:g} is no amount of training compute: it is counted in plain FLOP, not as a log10 and not in "
            "units of 10^21. Write for example flops=8.4e22 (Llama-2 7B)."
        )
    if unknown not in ("above", "below"):
        raise EvalsError(f"unknown={unknown!r} is not possible; write 'above' or 'below'.")
    return (flops.fillna(np.inf if unknown == "above" else 0.0) > limit).to_numpy()


def positions(scores: pd.DataFrame, models: pd.Series, benchmarks: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every score in the matrix of models by benchmarks."""
    rows = pd.Index(models).get_indexer(pd.Index(scores["model"]))
    columns = pd.Index(benchmarks).get_indexer(pd.Index(scores["benchmark"]))
    return rows, columns


def hidden_cells(hidden: Any, models: pd.Series, benchmarks: pd.Series) -> np.ndarray:
    """Bring every form in which cells can be given into one boolean matrix, shape ``(model, benchmark)``."""
    matrix = _as_frame(hidden) if hasattr(hidden, "coords") else hidden
    if isinstance(matrix, pd.DataFrame) and not {"model", "benchmark"} <= set(matrix.columns):
        # All names of the matrix, not only those of cells to hide: a misspelt one must not be passed over.
        require(matrix.index, models, "model")
        require(matrix.columns, benchmarks, "benchmark")
        names = _true_cells(matrix)
    else:
        names = _pairs(hidden)
        require(names["model"], models, "model")
        require(names["benchmark"], benchmarks, "benchmark")
    cells = np.zeros((len(models), len(benchmarks)), dtype=bool)
    cells[positions(names, models, benchmarks)] = True
    return cells


def _true_cells(matrix: pd.DataFrame) -> pd.DataFrame:
    if not all(pd.api.types.is_bool_dtype(dtype) for dtype in matrix.dtypes):
        raise EvalsError("The matrix of scores to hide must be boolean: True where a score is to be hidden.")
    rows, columns = np.nonzero(matrix.to_numpy(dtype=bool))
    return pd.DataFrame({"model": matrix.index[rows], "benchmark": matrix.columns[columns]})


def _pairs(hidden: Any) -> pd.DataFrame:
    if isinstance(hidden, pd.DataFrame):
        return hidden[["model", "benchmark"]]
    pairs = [hidden] if isinstance(hidden, str) else list(hidden)
    if any(isinstance(p, str) or len(p) != 2 for p in pairs):
        raise EvalsError("Give the scores to hide as pairs, mask([(model, benchmark), ...]), or as a boolean matrix.")
    return pd.DataFrame(pairs, columns=["model", "benchmark"])


def _as_frame(matrix: xr.DataArray) -> pd.DataFrame:
    if set(matrix.dims) != {"model", "benchmark"} or not {"model", "benchmark"} <= set(matrix.coords):
        raise EvalsError(f"The matrix has the dims {matrix.dims}; it needs 'model' and 'benchmark', with their names.")
    matrix = matrix.transpose("model", "benchmark")
    return pd.DataFrame(
        matrix.to_numpy(),
        index=pd.Index(matrix["model"].to_numpy().tolist()),
        columns=pd.Index(matrix["benchmark"].to_numpy().tolist()),
    )
