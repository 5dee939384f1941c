"""Export a forecast: tables and draws for pandas, a dataset for xarray, and files of both."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayescale._files import atomic_write
from bayescale.errors import MissingDependencyError

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.forecast.forecast import Forecast

SIZES = ("flops", "params_b", "tokens_t")


def table(forecast: Forecast, *, prob: float) -> pd.DataFrame:
    """Return the summary, with the sizes of each model beside its family."""
    rows = forecast.summary(prob=prob)
    place = list(rows.columns).index("family") + 1
    for name in reversed(SIZES):
        if name in forecast.draws.coords:
            rows.insert(place, name, rows["model"].map(forecast.draws[name].to_series()))
    rows.attrs.update(about(forecast))
    return rows


def tidy_draws(forecast: Forecast) -> pd.DataFrame:
    """Return one row per chain, draw, model and benchmark."""
    frame = forecast.draws.to_dataframe().reset_index()
    known = [name for name in ("family", *SIZES) if name in frame]
    frame = frame[["chain", "draw", "model", *known, "benchmark", "expected_score", "predicted_score"]]
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


def write_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table or tidy draws as CSV; floats round-trip exactly."""
    path = Path(path)
    with atomic_write(path, keep_suffix=True) as temporary:  # pandas compresses by it
        frame.to_csv(temporary, index=False)
    return path


def write_parquet(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table or tidy draws as Parquet, with their sources as attributes of the frame.

    Raises
    ------
    MissingDependencyError
        Without PyArrow.
    """
    require_parquet()
    path = Path(path)
    with atomic_write(path) as temporary:
        frame.to_parquet(temporary, engine="pyarrow", index=False)
    return path


def require_parquet() -> None:
    """Raise `MissingDependencyError` where PyArrow is not installed."""
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        message = "Parquet needs pyarrow: pip install 'bayescale[parquet]', or write CSV instead."
        raise MissingDependencyError(message) from None


def write_netcdf(draws: xr.Dataset, path: str | Path) -> Path:
    """Write the draws as netCDF 4."""
    path = Path(path)
    with atomic_write(path) as temporary:
        draws.to_netcdf(temporary, engine="h5netcdf")
    return path
