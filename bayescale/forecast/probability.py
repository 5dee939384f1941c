"""Probabilities that scores of new models lie beyond thresholds, one benchmark alone or several together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale.errors import ForecastError, as_number, percentage_hint, require_names
from bayescale.inference.mixing import effective_draws

if TYPE_CHECKING:
    import xarray as xr

Thresholds = float | Mapping[str, float] | None


def read_thresholds(
    benchmark: str | Sequence[str] | None, limits: Thresholds, benchmarks: list[str], side: str
) -> dict[str, float]:
    """Check the thresholds of one side, ``above`` or ``below``; return them by benchmark.

    `limits` is one number for all of `benchmark`, or a number for each by name.
    """
    named = [] if benchmark is None else [benchmark] if isinstance(benchmark, str) else list(benchmark)
    require_names(named, benchmarks, "benchmark in the forecast")
    if limits is None:
        return {}
    if not isinstance(limits, Mapping):
        if not named:
            raise ForecastError(f"Say of which benchmark: probability('MMLU', {side}={limits!r}).")
        limits = dict.fromkeys(named, limits)
    require_names(limits, benchmarks, "benchmark in the forecast")
    if named and (other := [name for name in limits if name not in named]):
        raise ForecastError(f"{side}= names {', '.join(other)} besides benchmark={benchmark!r}: leave one of them out.")
    thresholds = {name: as_number(f"{side} of {name}", value) for name, value in limits.items()}
    wrong = [f"{side}: {name}, {v:g}, is not between 0 and 1." for name, v in thresholds.items() if not 0 <= v <= 1]
    if wrong:
        raise ForecastError("\n".join(wrong) + percentage_hint(max(thresholds.values())))
    return thresholds


def joint_probability(
    scores: xr.DataArray, above: Mapping[str, float], below: Mapping[str, float], most: float
) -> pd.DataFrame:
    """Return the share of draws in which each model is beyond all thresholds, with its Monte Carlo standard error.

    The error allows for autocorrelation within chains, and for at most `most` effective draws. It is that of a share
    of n draws with one more hit and one more miss, so that a share of none or all has one too.
    """
    if not (above or below):
        raise ForecastError("Say which scores: above=0.9, below=0.5, or both.")
    values = scores.transpose("benchmark", "chain", "draw", "model").to_numpy()
    place = {str(name): number for number, name in enumerate(scores["benchmark"].to_numpy())}
    conditions = [values[place[name]] > value for name, value in above.items()]
    conditions += [values[place[name]] < value for name, value in below.items()]
    hits = np.all(conditions, axis=0).astype(float)
    share, draws = hits.mean((0, 1)), hits.shape[0] * hits.shape[1]
    # Of a constant there is no autocorrelation to estimate.
    size = np.where((share == 0) | (share == 1), draws, np.nan)
    varied = np.isnan(size)
    if varied.any():
        size[varied] = effective_draws(hits[..., varied])[0]
    size = np.minimum(size, most)
    middle = (share * size + 1) / (size + 2)
    error = np.sqrt(middle * (1 - middle) / (size + 3))
    return pd.DataFrame({"model": scores["model"].to_numpy(), "probability": share, "error": error})


def describe_region(above: Mapping[str, float], below: Mapping[str, float]) -> str:
    """Describe thresholds in words.

    Examples
    --------
    >>> describe_region({"MMLU": 0.9, "GSM8K": 0.95}, {})
    'MMLU > 0.9 and GSM8K > 0.95'
    """
    parts = [f"{name} > {v:g}" for name, v in above.items()] + [f"{name} < {v:g}" for name, v in below.items()]
    return " and ".join(parts)
