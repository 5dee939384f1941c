"""Export a forecast: tables and draws for pandas, and a dataset for xarray, with their sources as attributes."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._intervals import PROB, decimals, interval_columns, named, quantile_error, tails
from bayescale.errors import MissingDependencyError
from bayescale.forecast.extrapolation import DISTANCES

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.forecast.forecast import Forecast

# What the text of a forecast shows: of more benchmarks the first, and the models that fit in a terminal's columns.
SHOWN, WIDTH = 15, 80
SETTINGS = 2
SIZES = ("flops", "params_b", "tokens_t")


def facts(forecast: Forecast) -> list[str]:
    """Return what was said of the models beside their family, sizes first."""
    coords = forecast.draws.coords
    others = {"model", "family", *SIZES, *(name for name, _ in DISTANCES.values())}
    along = [str(n) for n in coords if coords[n].dims == ("model",) and n not in others]
    return [*(name for name in SIZES if name in coords), *along]


def table(forecast: Forecast, *, prob: float) -> pd.DataFrame:
    """Return the summary, with the sizes and other covariates of each model beside its family."""
    rows = interval_columns(forecast.summary(prob=prob))
    known = [name for name in ("family", *facts(forecast)) if name in forecast.draws.coords]
    for place, name in enumerate(known, start=1):
        rows.insert(place, name, rows["model"].map(forecast.draws[name].to_series()))
    if "mean" not in rows:
        means = forecast.draws["predicted_score"].mean(("chain", "draw")).transpose("model", "benchmark")
        rows.insert(list(rows).index("median"), "mean", means.to_numpy().ravel())
    if "given" not in rows:
        rows["given"] = np.nan
    rows.attrs.clear()
    rows.attrs.update(about(forecast))
    return rows


def decimals_of(forecast: Forecast, *, prob: float) -> int:
    """Return how many decimals of the summary the draws support, by the Monte Carlo error of its interval ends."""
    report, values = forecast.posterior.convergence, forecast.draws["predicted_score"]
    share = min(report.ess / report.draws, 1.0) if report.ess > 0 else 1.0  # NaN where nothing was diagnosed
    stacked = values.transpose("chain", "draw", ...).to_numpy()
    stacked = stacked.reshape(stacked.shape[0] * stacked.shape[1], -1)
    return decimals(quantile_error(stacked, tails(prob), share * forecast.effective_draws))


def side_by_side(forecast: Forecast, *, prob: float) -> pd.DataFrame:
    """Return median and interval as text, a row per benchmark and a column per model, to the digits of the draws."""
    digits, rows = decimals_of(forecast, prob=prob), forecast.summary(prob=prob)
    cells = [
        f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
        for middle, low, high in rows[["median", "lower", "upper"]].to_numpy()
    ]
    models, benchmarks = (list(dict.fromkeys(rows[name])) for name in ("model", "benchmark"))
    table = pd.DataFrame(np.reshape(cells, (len(models), -1)).T, pd.Index(benchmarks, name="benchmark"), models)
    known = next((name for name in ("given", "observed") if name in rows), None)
    if known and len(models) == 1:
        table[known] = rows[known].map("{:.3g}".format, na_action="ignore").fillna("").to_numpy()
    return table


def text(forecast: Forecast, *, prob: float = PROB) -> list[str]:
    """Return the lines of the table of a forecast, 80 columns wide; of many models or benchmarks the first."""
    sizes = forecast.draws.sizes
    shown = forecast.draws.isel(model=slice(WIDTH // 16), benchmark=slice(SHOWN))
    table = side_by_side(replace(forecast, draws=shown), prob=prob).rename_axis(None)
    while max(map(len, table.to_string().splitlines())) > WIDTH - 2 and table.shape[1] > 1:
        table = table.iloc[:, :-1]
    lines = table.to_string().splitlines()
    here = {"model": min(sizes["model"], table.shape[1]), "benchmark": len(table)}
    left = [(sizes[name] - here[name], name) for name in here]
    if more := " and ".join(f"{count} more {name}s" for count, name in left if count):
        lines.append(f"... {more} in .summary()")
    for name, unit in DISTANCES.values():
        if name in shown.coords and (far := shown[name].to_series()).gt(0).any():
            lines.append(f"beyond the data by {', '.join(f'{value:.1f}' for value in far)} {unit}")
    lines += settings(forecast)
    head = f"measured scores, median [{named(prob)} credible interval]:"
    return [f"  {line.rstrip()}" for line in [head, *lines]]


def support(forecast: Forecast) -> str:
    """Return the words on how well the draws support a forecast given scores."""
    return f"{forecast.effective_draws:.0f} effective, Pareto k {forecast.pareto_k:.2f}"


def settings(forecast: Forecast) -> list[str]:
    """Return a line that says how the scores are measured, where a fit tells settings apart; else nothing."""
    if "setting" not in forecast.draws.coords:
        return []
    stated = [f"{name} {how}" for name, how in forecast.draws["setting"].to_series().items() if how]
    words = f"{', '.join(stated[:SETTINGS])}{', ...' * (len(stated) > SETTINGS)}"
    return [f"measured with {words}" if words else "measured as most are, in no stated setting"]


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
        **({"pareto_k": float(forecast.pareto_k)} if forecast.given else {}),
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
