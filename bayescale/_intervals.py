"""Credible intervals of all results: equal-tailed, 90% by default."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

from bayescale.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import xarray as xr

PROB = 0.9
KIND = "equal-tailed"


def tails(prob: float) -> tuple[float, float]:
    """Return the quantiles at the ends of an equal-tailed interval.

    Raises
    ------
    ForecastError
        When `prob` is not between 0 and 1.

    Examples
    --------
    >>> [round(q, 3) for q in tails(0.9)]
    [0.05, 0.95]
    """
    if not isinstance(prob, Real):
        raise ForecastError(f"prob={prob!r} is not a number: give a probability between 0 and 1, such as 0.9.")
    if not 0 < prob < 1:
        hint = f" Did you mean {prob / 100:g}?" if 1 < prob < 100 else ""
        raise ForecastError(f"prob={prob:g} is not a probability between 0 and 1.{hint}")
    return (1 - prob) / 2, (1 + prob) / 2


def percent(prob: float) -> str:
    """Write a probability in percent.

    Examples
    --------
    >>> percent(0.9), percent(0.955)
    ('90%', '95.5%')
    """
    return f"{100 * prob:.12g}%"


def named(prob: float) -> str:
    """Name the interval of a probability.

    Examples
    --------
    >>> named(0.9)
    '90% equal-tailed'
    """
    return f"{percent(prob)} {KIND}"


def summarise(draws: xr.DataArray, *, prob: float = PROB) -> pd.DataFrame:
    """Summarise draws by mean, median and equal-tailed interval, one row per remaining cell.

    Parameters
    ----------
    draws : xarray.DataArray
        With dims ``chain`` and ``draw`` and any others.
    prob : float
        Probability content of the interval.

    Returns
    -------
    pandas.DataFrame
        One column per remaining dim, then ``mean, median, lower, upper``; ``attrs`` as `with_interval` sets them.
    """
    import numpy as np

    lower, upper = tails(prob)
    stacked = draws.transpose("chain", "draw", ...)
    values = stacked.to_numpy().reshape((-1, *stacked.shape[2:]))
    low, median, high = np.quantile(values, [lower, 0.5, upper], axis=0)
    template = stacked.isel(chain=0, draw=0, drop=True)
    columns = {"mean": values.mean(0), "median": median, "lower": low, "upper": high}
    dims = list(template.dims)
    frame = template.copy(data=columns["mean"]).to_series().rename("mean").reset_index()[[*dims, "mean"]]
    for name in ("median", "lower", "upper"):
        frame[name] = np.asarray(columns[name]).ravel()
    return with_interval(frame, prob)


def with_interval(table: pd.DataFrame, prob: float, **constants: Any) -> pd.DataFrame:
    """State `constants`, and ``prob`` and ``interval``, the kind of the intervals, in the ``attrs`` of a table."""
    from bayescale._tables import Table

    tails(prob)
    stated = Table(table)
    stated.attrs.update(table.attrs)
    stated.attrs.update(constants, prob=prob, interval=KIND)
    return stated


def interval_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with what `with_interval` states as columns, for files, which keep no ``attrs``."""
    import pandas as pd

    constants = {str(name): value for name, value in table.attrs.items()}
    intervals = {name: constants.pop(name) for name in ("prob", "interval") if name in constants}
    plain = pd.DataFrame(table).assign(**constants, **intervals)
    plain.attrs.clear()
    return plain[[*constants, *table, *intervals]]


def decimals(error: float, least: int = 2, most: int = 3) -> int:
    """Return how many decimals of a share to show: a unit of the last one is not less than its Monte Carlo error.

    Examples
    --------
    >>> [decimals(error) for error in (0.02, 0.004, 0.0004, 0.0)]
    [2, 2, 3, 3]
    """
    from math import floor, log10

    return min(max(floor(-log10(error)), least), most) if error > 0 else most


def quantile_error(draws: np.ndarray, probs: Sequence[float], effective_draws: float) -> float:
    """Return the Monte Carlo error of quantiles of draws (S, cell): of the worst of `probs`, the median over cells.

    Half the distance of the quantiles one binomial standard error above and below (Vehtari et al. 2021, Bayesian
    Analysis 16:667, section 4.3).
    """
    import numpy as np

    q = np.asarray(probs)
    error = np.sqrt(q * (1 - q) / max(effective_draws, 1.0))
    low, high = (np.quantile(draws, np.clip(q + side * error, 0, 1), axis=0) for side in (-1, 1))
    return float(np.median((high - low) / 2, axis=1).max())


# Log10 FLOP beyond which compute is as good as infinite.
_FAR = 1e6


def flops_quantiles(log10_flops: xr.DataArray, *, prob: float = PROB) -> tuple[float, float, float]:
    """Return lower end, median and upper end, in FLOP, of draws of log10 compute, some of them infinite."""
    import numpy as np

    lower, upper = tails(prob)
    # Quantiles are interpolated, and infinities would make them NaN: replace them by large finite numbers.
    finite = np.clip(log10_flops.to_numpy(), -_FAR, _FAR)
    with np.errstate(over="ignore"):
        low, middle, high = 10.0 ** np.quantile(finite, [lower, 0.5, upper])
    return float(low), float(middle), float(high)
