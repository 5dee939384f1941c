"""Data from which the page of a report computes, as JSON: labels, sizes, and draws and noise as 32-bit arrays."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND, tails
from bayescale.forecast.query import LARGEST, NEW_FAMILY, SMALLEST
from bayescale.inference.draws import family_sizes
from bayescale.model.compute import MAKER
from bayescale.model.drift import DATE, step_number
from bayescale.report.live import PRECISION

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.model.covariates import CovariateColumn
    from bayescale.report.live import LiveForecast

# Parameters in the equations of a new model; capabilities of fitted models are not packed.
OF_DRAWS = (
    "slope", "loading", "difficulty", "floor", "ceiling", "precision", "specific_sd", "curve_shape", "benchmark_slope",
    "family_offset", "family_mean", "family_sd", "family_benchmark", "family_benchmark_sd", "testlet_sd",
)  # fmt: skip

# Of models that disclose no compute; packed where the page forecasts them.
OF_COMPUTE = ("compute_slope", "compute_sd", "vague_compute_sd", "maker_compute", "maker_compute_sd")

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
        "familySizes": family_sizes(data).tolist(),
        "benchmarks": data.coords["benchmark"],
        "quantiles": [lower, 0.5, upper],
        "prob": prob,
        "interval": KIND,
        "covariates": [[base.index(part) for part in name.split(":")] for name in live.spec.covariates],
        "driftSteps": [[base.index(DATE), step_number(name)] for name in data.coords.get("drift_step", [])],
        "measured": [_measured(column, evals, x) for column, x in zip(data.columns, data.covariates.T, strict=True)],
        "axes": _axes(live, evals),
        "compute": _compute(live),
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
        "models": {
            "names": evals.model_names,
            "family": data.family_index.tolist(),
            "scores": [numbers(row) for row in evals.matrix().to_numpy()],
        },
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
    names: tuple[str, ...] = OF_DRAWS
    if live.compute is not None and _compute(live):
        noise |= {"new_maker": live.compute.maker, "new_compute": live.compute.model}
        names += OF_COMPUTE
    return {name: getattr(live.draws, name) for name in names} | noise


def encode(values: Mapping[str, np.ndarray]) -> dict[str, str | int]:
    """Encode arrays as base64 of little-endian 32-bit floats in row-major order; zeros alone as their number."""
    little = np.dtype(PRECISION).newbyteorder("<")
    return {
        name: base64.b64encode(array.astype(little).tobytes()).decode() if array.any() else array.size
        for name, array in values.items()
    }


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
    ends = np.array([np.floor((known.min() - low) / fine), np.ceil((known.max() + high) / fine)]) * fine
    argument = column.name.removeprefix("log10_") if column.kind == "size" else column.name
    if column.kind == "size":  # a forecast refuses others
        ends = ends.clip(np.log10(SMALLEST[argument]), np.log10(LARGEST[argument]))
    return {
        "name": column.source,
        "kind": column.kind,
        "argument": argument,
        "title": TITLES.get(column.source, column.name),
        "unit": UNITS.get(column.source, "(year, with decimals)" if column.kind == "date" else ""),
        "scale": column.unit,
        "centre": column.centre,
        "spread": column.scale,
        "seen": [float(known.min()), float(known.max())],
        "lowest": round(float(ends[0]), 9),
        "highest": round(float(ends[1]), 9),
        "step": fine / 10,
    }


def _compute(live: LiveForecast) -> dict[str, Any] | None:
    """Describe what predicts undisclosed compute: columns, by their place among the reader's, and each family's maker.

    None where the spec predicts none, where parameters and tokens say it, and where a forecast needs a column for which
    the page has no control. A column that some models leave blank is not needed: it is unknown.
    """
    data = live.draws.data
    predictors, names = data.predictors, [column.name for column in data.columns]
    if predictors is None or {"log10_params", "log10_tokens"} <= set(names):
        return None
    if any(column.known.all() and column.name not in names for column in predictors.columns):
        return None
    families = data.coords["family"]
    if live.spec.family_column == MAKER:
        maker = [predictors.makers.index(name) if name in predictors.makers else -1 for name in families]
    else:
        of_models = [set(predictors.maker[data.family_index == family]) for family in range(len(families))]
        maker = [int(of.pop()) if len(of) == 1 else -1 for of in of_models]
    asked = [column for column in predictors.columns if column.name in names]
    words = ["date" if c.kind == "date" else TITLES.get(c.source, c.name).lower() for c in asked]
    return {
        "place": names.index("log10_flops"),
        "columns": [
            {
                "place": names.index(column.name) if column.name in names else None,
                "centre": column.centre,
                "spread": column.scale,
                "partly": not column.known.all(),
            }
            for column in predictors.columns
        ],
        "makers": predictors.makers,
        "maker": maker,
        "said": live.spec.family_column == MAKER,  # whether a family says its maker in Python, too
        "from": " and ".join([*words, *["maker"] * bool(predictors.makers)]) or "the models that disclose it",
    }


def _axes(live: LiveForecast, evals: Evals) -> list[dict[str, Any]]:
    """Describe the pictures over compute and over dates: the covariate, and where the models of the data lie."""
    axes = []
    for place, (column, x) in enumerate(zip(live.draws.data.columns, live.draws.data.covariates.T, strict=True)):
        if column.kind == "date":
            at = np.where(column.known, x * column.scale + column.centre, np.nan)
            axes.append({"name": column.source, "place": place, "at": numbers(at)})
        elif live.spec.compute_alone and column.kind == "size":
            axes.insert(
                0, {"name": column.source, "place": place, "at": numbers(evals.models["flops"].to_numpy(float))}
            )
    return axes
