"""Data from which the page of a report computes, as JSON: labels, sizes, and draws and noise as 32-bit arrays."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND, tails
from bayescale.forecast import NEW_FAMILY
from bayescale.model.covariates import SIZES
from bayescale.report.live import PRECISION

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.report.live import LiveForecast

# Parameters in the equations of a new model; capabilities of fitted models are not packed.
OF_DRAWS = (
    "slope", "loading", "difficulty", "floor", "ceiling", "precision", "specific_sd", "curve_shape", "benchmark_slope",
    "family_offset", "family_sd", "family_benchmark", "family_benchmark_sd", "testlet_sd",
)  # fmt: skip

# Range of a slider beyond the data, in log10 of its covariate: below the smallest, above the largest.
BELOW, ABOVE = 0.5, 3.0

UNITS = {"flops": "FLOP", "params_b": "10^9 parameters", "tokens_t": "10^12 tokens"}
TITLES = {"flops": "Training compute", "params_b": "Parameters", "tokens_t": "Training tokens"}


def pack(live: LiveForecast, evals: Evals, prob: float) -> dict[str, Any]:
    """Return everything but the arrays, ready for JSON; NaN is null."""
    data, draws = live.draws.data, live.draws
    base = list(live.spec.base_covariates)
    lower, upper = tails(prob)
    return {
        "families": data.coords["family"],
        "newFamily": NEW_FAMILY,
        "benchmarks": data.coords["benchmark"],
        "quantiles": [lower, 0.5, upper],
        "prob": prob,
        "interval": KIND,
        "covariates": [[base.index(part) for part in name.split(":")] for name in live.spec.covariates],
        "measured": [_measured(live, evals, i, name) for i, name in enumerate(base)],
        "testletIndex": data.testlet_index.tolist(),
        "items": data.items.tolist(),
        "start": live.start,
        "sizes": {
            "draws": draws.size,
            "benchmarks": draws.difficulty.shape[1],
            "factors": draws.loading.shape[2],
            "families": draws.family_offset.shape[1],
            "testlets": draws.testlet.shape[-1],
            "proposals": live.proposals.normal.shape[1],
        },
        "models": _models(evals, data.family_index),
    }


def arrays(live: LiveForecast) -> dict[str, np.ndarray]:
    """Return draws and noise by their names in the page's equations, draws along the first axis."""
    noise = {
        "residual": live.model.residual,
        "new_testlet": live.model.testlet,
        "new_offset": live.model.offset,
        "new_family_benchmark": live.model.family_benchmark,
        "normal": live.proposals.normal,
        "chi_square": live.proposals.chi_square,
    }
    return {name: getattr(live.draws, name) for name in OF_DRAWS} | noise


def encode(values: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Encode arrays as base64 of little-endian 32-bit floats in row-major order."""
    little = np.dtype(PRECISION).newbyteorder("<")
    return {name: base64.b64encode(array.astype(little).tobytes()).decode() for name, array in values.items()}


def numbers(values: np.ndarray) -> list[Any]:
    """Return a list with None in place of NaN, which JSON lacks."""
    return [None if np.isnan(value) else float(value) for value in values]


def _measured(live: LiveForecast, evals: Evals, place: int, covariate: str) -> dict[str, Any]:
    """Describe a covariate that the reader sets: name, unit, centre and slider, in log10 of base units."""
    column, unit = SIZES[covariate]
    known = np.log10(evals.models[column].dropna().to_numpy(float) * unit)
    return {
        "name": column,
        "argument": covariate.removeprefix("log10_"),
        "title": TITLES[column],
        "unit": UNITS[column],
        "scale": unit,
        "centre": float(live.draws.data.centre[place]),
        "seen": [float(known.min()), float(known.max())],
        "lowest": round(float(np.floor(10 * (known.min() - BELOW)) / 10), 1),
        "highest": round(float(np.ceil(10 * (known.max() + ABOVE)) / 10), 1),
    }


def _models(evals: Evals, family_index: np.ndarray) -> dict[str, Any]:
    """Return the observed scores, for the picture over compute."""
    return {
        "names": evals.model_names,
        "family": family_index.tolist(),
        "flops": numbers(evals.models["flops"].to_numpy(float)),
        "scores": [numbers(row) for row in evals.matrix().to_numpy()],
    }
