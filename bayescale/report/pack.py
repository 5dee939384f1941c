"""Data from which the page of a report computes, as JSON: labels, sizes, and draws and noise as 32-bit arrays."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND, tails
from bayescale.forecast import NEW_FAMILY
from bayescale.model.drift import DATE, step_number
from bayescale.report.live import PRECISION

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.model.covariates import CovariateColumn
    from bayescale.report.live import LiveForecast

# Parameters in the equations of a new model; capabilities of fitted models are not packed.
OF_DRAWS = (
    "slope", "loading", "difficulty", "floor", "ceiling", "precision", "specific_sd", "curve_shape", "benchmark_slope",
    "family_offset", "family_sd", "family_benchmark", "family_benchmark_sd", "testlet_sd",
)  # fmt: skip

# Range of a slider below the smallest and above the largest value: decades of a size, years of a date, sds of
# another number.
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
        "driftSteps": [[base.index(DATE), step_number(name)] for name in data.coords.get("drift_step", [])],
        "measured": [_measured(column, evals, x) for column, x in zip(data.columns, data.covariates.T, strict=True)],
        "compute": base.index("log10_flops") if live.spec.compute_alone else -1,
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


def _measured(column: CovariateColumn, evals: Evals, x: np.ndarray) -> dict[str, Any]:
    """Describe a covariate that the reader sets: name, kind, unit, what standardises it, and its slider.

    Values are log10 of base units of a size, decimal years of a date, numbers, or 0 and 1.
    """
    if column.kind == "size":
        known = np.log10(evals.models[column.source].dropna().to_numpy(float) * column.unit)
    else:
        known = x[column.known] * column.scale + column.centre
    fine = 10.0 ** np.floor(np.log10(column.scale) - 1)  # a tenth of a decade or year, or 1 to 10% of an sd
    low, high = (0.0, 0.0) if column.kind == "flag" else (BELOW * column.scale, ABOVE * column.scale)
    return {
        "name": column.source,
        "kind": column.kind,
        "argument": column.name.removeprefix("log10_") if column.kind == "size" else column.name,
        "title": TITLES.get(column.source, column.name),
        "unit": UNITS.get(column.source, "(year, with decimals)" if column.kind == "date" else ""),
        "scale": column.unit,
        "centre": column.centre,
        "spread": column.scale,
        "seen": [float(known.min()), float(known.max())],
        "lowest": round(float(np.floor((known.min() - low) / fine) * fine), 9),
        "highest": round(float(np.ceil((known.max() + high) / fine) * fine), 9),
        "step": fine / 10,
    }


def _models(evals: Evals, family_index: np.ndarray) -> dict[str, Any]:
    """Return the observed scores, for the picture over compute."""
    return {
        "names": evals.model_names,
        "family": family_index.tolist(),
        "flops": numbers(evals.models["flops"].to_numpy(float)),
        "scores": [numbers(row) for row in evals.matrix().to_numpy()],
    }
