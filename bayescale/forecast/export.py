"""Export a forecast: tables and draws for pandas, and a dataset for xarray, with their sources as attributes."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayescale.errors import MissingDependencyError

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.forecast.forecast import Forecast

SIZES = ("flops", "params_b", "tokens_t")


def facts(forecast: Forecast) -> list[str]:
    """Return what was said of the models beside their family, sizes first."""
    coords = forecast.draws.coords
    along = [str(n) for n in coords if coords[n].dims == ("model",) and n not in ("model", "family", *SIZES)]
    return [*(name for name in SIZES if name in coords), *along]


def table(forecast: Forecast, *, prob: float) -> pd.DataFrame:
    """Return the summary, with the sizes and other covariates of each model beside its family."""
    rows = forecast.summary(prob=prob)
    place = list(rows.columns).index("family") + 1
    for name in reversed(facts(forecast)):
        rows.insert(place, name, rows["model"].map(forecast.draws[name].to_series()))
    rows.attrs.update(about(forecast))
    return rows


def tidy_draws(forecast: Forecast) -> pd.DataFrame:
    """Return one row per chain, draw, model and benchmark."""
    frame = forecast.draws.to_dataframe().reset_index()
    frame = frame[
        ["chain", "draw", "model", "family", *facts(forecast), "benchmark", "expected_score", "predicted_score"]
    ]
    frame.attrs.update(about(forecast))
    return frame


def dataset(forecast: Forecast) -> xr.Dataset:
    """Return the draws, with their sources as attributes."""
    draws = forecast.draws.copy(deep=True)
    draws.attrs = about(forecast)
    draws["expected_score"].attrs = {"long_name": "expected score, on infinitely many items", "units": "1"}
    draws["predicted_score"].attrs = {"long_name": "measured score, with sampling noise of the items", "units": "1"}
    if "flops" in draws.coords:
        draws["flops"].attrs = {"long_name": "training compute", "units": "FLOP"}
    return draws


def about(forecast: Forecast) -> dict[str, Any]:
    """Return the sources of a forecast, in types that every format can store."""
    posterior = forecast.posterior
    return {
        "spec": posterior.spec.name,
        "evals": posterior.evals.name,
        "posterior": posterior.identity,
        "converged": int(posterior.converged),
        "given": json.dumps(dict(forecast.given)),
        "effective_draws": float(forecast.effective_draws),
        "random_seed": forecast.random_seed,
        "bayescale": version("bayescale"),
    }


def require_parquet() -> None:
    """Raise `MissingDependencyError` where PyArrow is not installed."""
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        message = "Parquet needs pyarrow: pip install 'bayescale[parquet]', or write CSV instead."
        raise MissingDependencyError(message) from None
