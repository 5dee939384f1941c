"""The compiled model, called from Python: log density, gradient and variables at a point of the sampler's coordinates.

nutpie compiles the model for its own use; an approximation takes the same program, and nothing is compiled twice.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

_DOUBLES = ctypes.POINTER(ctypes.c_double)


class Program:
    """Log density of a compiled model and what follows from it.

    Parameters
    ----------
    compiled : nutpie.CompiledModel
        As `bayescale.compiled.compiled_for` gives it; of nutpie's Numba backend.
    cores : int
        Threads for many points at once: the program runs without Python's lock.

    Attributes
    ----------
    size : int
        Number of coordinates.
    scalar : ndarray of bool (coordinate,)
        Which coordinates are variables without dims: the pooled sds.
    """

    def __init__(self, compiled: Any, cores: int = 1) -> None:
        self.compiled = compiled
        self.cores = cores
        self.size = int(compiled.n_dim)
        self.scalar = np.zeros(self.size, dtype=bool)
        for _, place, shape in zip(*compiled.shape_info, strict=True):
            if len(shape) == 0 and place.stop <= self.size:
                self.scalar[place] = True
        self._density = compiled.compiled_logp_func.ctypes
        self._expand = compiled.compiled_expand_func.ctypes

    def density(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density, up to a constant, and its gradient; minus infinity where it cannot be computed."""
        point = np.ascontiguousarray(point, dtype=float)
        gradient, value = np.zeros(self.size), np.zeros(())
        arrays = [a.ctypes.data_as(_DOUBLES) for a in (point, gradient, value)]
        failed = self._density(self.size, *arrays, self.compiled.user_data.ctypes.data)
        return (-np.inf, np.zeros(self.size)) if failed else (float(value), gradient)

    def densities(self, points: np.ndarray) -> np.ndarray:
        """Log density (point,) of many points (point, coordinate)."""
        return np.array(self._each(lambda point: self.density(point)[0], points))

    def curvature(self, point: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Minus the second derivatives (coordinate, coordinate), by differences of gradients over `steps`."""

        def row(i: int) -> np.ndarray:
            step = np.zeros(self.size)
            step[i] = steps[i]
            return (self.density(point - step)[1] - self.density(point + step)[1]) / (2 * steps[i])

        rows = np.array(self._each(row, range(self.size)))
        return (rows + rows.T) / 2

    def curvatures(self, point: np.ndarray, step: float) -> np.ndarray:
        """Diagonal of `curvature` (coordinate,), roughly, by differences one way."""
        here = self.density(point)[1]

        def entry(i: int) -> float:
            there = point.copy()
            there[i] += step
            return float(here[i] - self.density(there)[1][i]) / step

        return np.array(self._each(entry, range(self.size)))

    def variables(self, points: np.ndarray) -> Any:
        """All variables of the model at `points` (draw, coordinate), as draws of one chain.

        Returns
        -------
        xarray.Dataset
            With the names, dims and coordinates that nutpie's draws have.
        """
        import xarray as xr

        def expand(point: np.ndarray) -> np.ndarray:
            point, values = np.ascontiguousarray(point), np.zeros(self.compiled.n_expanded)
            arrays = [a.ctypes.data_as(_DOUBLES) for a in (point, values)]
            data = self.compiled.user_data.ctypes.data
            failed = self._expand(self.size, self.compiled.n_expanded, *arrays, data)
            return np.full_like(values, np.nan) if failed else values

        values = np.array(self._each(expand, points))
        found = {}
        for name, place, shape in zip(*self.compiled.shape_info, strict=True):
            if not name.endswith("__"):
                dims = self.compiled.dims.get(name) or [f"{name}_dim_{i}" for i in range(len(shape))]
                found[name] = (("chain", "draw", *dims), values[:, place].reshape((1, len(points), *shape)))
        used = {dim for dims, _ in found.values() for dim in dims}
        coords = {dim: np.asarray(labels) for dim, labels in self.compiled.coords.items() if dim in used}
        return xr.Dataset(found, {"chain": [0], "draw": np.arange(len(points)), **coords})

    def _each(self, work: Callable[[Any], Any], items: Any) -> list[Any]:
        with ThreadPoolExecutor(max(self.cores, 1)) as threads:
            return list(threads.map(work, items))
