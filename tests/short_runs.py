"""Short runs that nobody sampled: coordinates may follow any draws, and leave the density as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.coordinates.short_run import ShortRun
from bayescale.model.data import unknown_cells


def short_run(at: Coordinates, seed: int = 3, draws: int = 50, **said: Any) -> ShortRun:
    """A short run of the model of these coordinates that says what is given, and of all else something at random."""
    rng = np.random.default_rng(seed)
    benchmarks, factors = len(at.data.floor), len(at.data.coords["factor"])
    common = rng.normal(size=(draws, benchmarks))
    drawn = {
        "expected_share": rng.uniform(0.2, 0.8, size=at.data.cells["observed"].shape),
        "loading": np.exp(0.3 * common[..., None]) * rng.normal(1.0, 0.2, size=(draws, benchmarks, factors)),
        "floor": expit(-2 + 0.5 * common + 0.3 * rng.normal(size=common.shape)),
        "curve_shape": np.exp(-1 - 0.4 * common + 0.3 * rng.normal(size=common.shape)),
    }
    if values := len(unknown_cells(at.data)[0]):
        drawn["unknown"] = rng.normal(0.5, 0.3, size=(draws, values))
    return ShortRun(**(drawn | said))
