"""Forecast: draws of the scores of new models, with summary, exports and plots."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayescale import _display
from bayescale._files import atomic_write
from bayescale._intervals import KIND, PROB, summarise
from bayescale.errors import ForecastError, ForecastWarning
from bayescale.forecast import export
from bayescale.forecast.condition import condition_on_scores
from bayescale.forecast.predict import forecast_scores
from bayescale.forecast.query import ForecastQuery, read_given, read_query
from bayescale.inference.defaults import seed_or_new

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.inference.posterior import PosteriorData

# Fewer effective draws than this after conditioning make interval ends jump by more than they are wide.
MIN_EFFECTIVE_DRAWS = 200
# As many models stand side by side in a notebook; more of them below each other.
MOST_BESIDE = 6


@dataclass(frozen=True, eq=False, repr=False)
class Forecast(_display.Result):
    """Draws of the scores of new models; made by `Posterior.forecast`.

    Attributes
    ----------
    draws : xarray.Dataset
        ``expected_score`` (the true score, on infinitely many items) and ``predicted_score`` (with the observation
        noise of the benchmark's own items), dims ``(chain, draw, model, benchmark)``, scores in [0, 1]; coords
        ``family`` and, as in the models table, ``flops`` (or ``params_b``, ``tokens_t``) along ``model``.
    posterior : PosteriorData
    given : dict
        Known scores that the forecast is conditioned on.
    effective_draws : float
        Effective number of posterior draws after conditioning on `given`.
    random_seed : int
        Seed of the noise.

    Examples
    --------
    >>> forecast = posterior.forecast(family=["Llama-3", "Qwen1.5"], flops=[4e25, 1e25])
    >>> forecast.draws["model"].to_numpy().tolist()
    ['Llama-3, 4e+25 FLOP', 'Qwen1.5, 1e+25 FLOP']
    >>> above = (forecast.draws["predicted_score"].sel(benchmark="MMLU") > 0.8).mean(("chain", "draw"))
    >>> above.dims  # the probability of a measured MMLU above 80%, for each model
    ('model',)
    """

    draws: xr.Dataset
    posterior: PosteriorData
    given: Mapping[str, float]
    effective_draws: float
    random_seed: int

    def summary(self, *, prob: float = PROB, kind: Literal["predicted", "expected"] = "predicted") -> pd.DataFrame:
        """Summarise each score by its median and equal-tailed credible interval.

        Parameters
        ----------
        prob : float
        kind : {"predicted", "expected"}
            The measured score, with the sampling noise of the benchmark's items, or the expected score.

        Returns
        -------
        pandas.DataFrame
            ``model, family, benchmark, mean, median, lower, upper, prob, interval``, one row per model and benchmark,
            and ``given`` (the known score, NaN where none).

        Examples
        --------
        >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
        >>> table = forecast.summary(prob=0.5)
        >>> table["interval"].unique().tolist()
        ['equal-tailed']
        >>> wide, narrow = (forecast.summary(kind=k) for k in ("predicted", "expected"))
        >>> bool((wide["upper"] - wide["lower"]).mean() > (narrow["upper"] - narrow["lower"]).mean())
        True
        """
        if kind not in ("predicted", "expected"):
            raise ForecastError(f"kind={kind!r} is neither 'predicted' (with observation noise) nor 'expected'.")
        table = summarise(self.draws[f"{kind}_score"], prob=prob)
        family = self.draws["family"].to_series()
        table.insert(1, "family", table["model"].map(family))
        return table.assign(given=table["benchmark"].map(dict(self.given)).astype(float))

    def to_pandas(self, all_draws: bool = False, *, prob: float = PROB) -> pd.DataFrame:
        """Return the forecast as a pandas table, or all its draws.

        Parameters
        ----------
        all_draws : bool
            False: one row per model and benchmark, the `summary` of the measured score with the sizes
            of the model beside its family. True: one row per chain, draw, model and benchmark, with
            ``expected_score`` and ``predicted_score``.
        prob : float

        Returns
        -------
        pandas.DataFrame
            ``attrs`` records its sources: spec, evals, identity of the posterior, given scores, effective draws.

        Examples
        --------
        >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
        >>> forecast.to_pandas().set_index("benchmark")["median"].size
        10
        >>> tails = forecast.to_pandas(all_draws=True).groupby("benchmark")["predicted_score"].quantile(0.05)
        >>> tails.size
        10
        """
        return export.tidy_draws(self) if all_draws else export.table(self, prob=prob)

    def to_xarray(self) -> xr.Dataset:
        """Return a copy of `draws`, for xarray and ArviZ, with the sources of the forecast as attributes.

        Examples
        --------
        >>> draws = posterior.forecast(family="Llama-3", flops=4e25).to_xarray()
        >>> draws["predicted_score"].sel(benchmark="MMLU").quantile(0.05).dims
        ()
        """
        return export.dataset(self)

    def to_csv(self, path: str | Path, all_draws: bool = False, *, prob: float = PROB) -> Path:
        """Write `to_pandas` as CSV, atomically; floats round-trip exactly.

        Raises
        ------
        FileError
            When it cannot be written.

        Examples
        --------
        >>> import pandas as pd
        >>> path = posterior.forecast(family="Llama-3", flops=4e25).to_csv("forecast.csv")
        >>> len(pd.read_csv(path))
        10
        """
        with atomic_write(path, keep_suffix=True) as temporary:  # pandas compresses by it
            self.to_pandas(all_draws, prob=prob).to_csv(temporary, index=False)
        return Path(path)

    def to_parquet(self, path: str | Path, all_draws: bool = False, *, prob: float = PROB) -> Path:
        """Write `to_pandas` as Parquet, atomically; `pandas.read_parquet` restores its ``attrs`` too.

        Raises
        ------
        MissingDependencyError
            Without PyArrow (``pip install 'bayescale[parquet]'``); other errors as in `to_csv`.

        Examples
        --------
        >>> import pandas as pd
        >>> path = posterior.forecast(family="Llama-3", flops=4e25).to_parquet("forecast.parquet")
        >>> len(pd.read_parquet(path))
        10
        """
        export.require_parquet()
        with atomic_write(path) as temporary:
            self.to_pandas(all_draws, prob=prob).to_parquet(temporary, engine="pyarrow", index=False)
        return Path(path)

    def to_netcdf(self, path: str | Path) -> Path:
        """Write `to_xarray` as netCDF, atomically; `xarray.open_dataset` reads it. Errors as in `to_csv`.

        Examples
        --------
        >>> import xarray as xr
        >>> path = posterior.forecast(family="Llama-3", flops=4e25).to_netcdf("forecast.nc")
        >>> with xr.open_dataset(path) as draws:
        ...     draws["predicted_score"].dims
        ('chain', 'draw', 'model', 'benchmark')
        """
        with atomic_write(path) as temporary:
            self.to_xarray().to_netcdf(temporary, engine="h5netcdf")
        return Path(path)

    def plot(self, benchmarks: list[str] | None = None, *, prob: float = PROB) -> Figure:
        """Draw one fan chart over compute per benchmark, with the models of the family.

        Examples
        --------
        >>> figure = posterior.forecast(family="Llama-3", flops=4e25).plot(benchmarks=["MMLU", "GSM8K"])
        >>> figure.savefig("forecast.png")
        """
        from bayescale.plots import plot_forecast

        return plot_forecast(self, benchmarks=benchmarks, prob=prob)

    def plot_fan(self, benchmark: str, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Draw the expected score over compute with its interval for one benchmark, and the forecast models on it.

        Examples
        --------
        >>> posterior.forecast(family="Llama-3", flops=4e25).plot_fan("MMLU").get_xscale()
        'log'
        """
        from bayescale.plots import plot_fan

        return plot_fan(self, benchmark, ax=ax, prob=prob)

    def plot_intervals(self, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Draw one interval per benchmark and model.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> _, ax = plt.subplots(figsize=(6, 3))
        >>> posterior.forecast(family="Llama-3", flops=4e25).plot_intervals(ax=ax) is ax
        True
        """
        from bayescale.plots import plot_intervals

        return plot_intervals(self, ax=ax, prob=prob)

    def __repr__(self) -> str:
        models = "; ".join(map(str, self.draws["model"].to_numpy()))
        known = f" given {', '.join(f'{k} = {v:g}' for k, v in self.given.items())}" if self.given else ""
        sizes = self.draws.sizes
        return (
            f"Forecast of {models}{known}: {sizes['benchmark']} benchmarks, {sizes['chain'] * sizes['draw']} draws.\n"
            "Next: forecast.summary(), .plot(), .to_pandas(), .to_xarray(), .to_csv(file), .to_parquet(file)"
        )

    def _repr_html_(self) -> str:
        table = self.summary()
        models = list(dict.fromkeys(table["model"]))
        if 1 < len(models) <= MOST_BESIDE:
            cells = [f"{r.median:.3f} [{r.lower:.3f}, {r.upper:.3f}]" for r in table.itertuples()]
            table = table.assign(score=cells).set_index(["benchmark", "model"])["score"].unstack()  # noqa: PD010 - text
            table = table.loc[self.draws["benchmark"].to_numpy(), models]
            words = f"measured scores: median [{PROB:.0%} {KIND} credible interval]"
            return _display.as_html(repr(self), table, words)
        # What is the same in all rows is in the headline, or nowhere.
        same = ["family", *([] if self.given else ["given"]), *(["model"] if len(models) == 1 else [])]
        return _display.as_html(repr(self), table.drop(columns=same), "measured scores")


def make_forecast(
    posterior: PosteriorData,
    family: Any,
    *,
    given: Mapping[str, float] | None = None,
    random_seed: int | None = None,
    **facts: Any,
) -> Forecast:
    """Forecast new models from `posterior`; `Posterior.forecast` documents the arguments."""
    posterior.convergence.warn_unless_converged("This forecast comes")
    draws = posterior.draws
    query = read_query(posterior.spec, draws.data, family, facts)
    random_seed = seed_or_new(random_seed)
    rng = np.random.default_rng(random_seed)
    effective = float(draws.size)
    if given:
        known, scores = read_given(given, query, draws.data.coords["benchmark"])
        expected, resampled, effective = condition_on_scores(draws, query, known, scores, rng)
        predicted = resampled.measured(expected, rng)
        if effective < MIN_EFFECTIVE_DRAWS:
            text = (
                f"Only {effective:.0f} of {draws.size} draws are compatible with the given scores: do not use these "
                "intervals. Add the model with evals.add(...) and refit."
            )
            warnings.warn(ForecastWarning(text), stacklevel=3)
    else:
        expected, predicted = forecast_scores(draws, query, rng)
    dataset = _dataset(posterior, query, expected, predicted)
    return Forecast(dataset, posterior, dict(given or {}), effective, random_seed)


def _dataset(posterior: PosteriorData, query: ForecastQuery, expected: np.ndarray, predicted: np.ndarray) -> xr.Dataset:
    import xarray as xr

    along = {"model": query.labels, "benchmark": posterior.evals.benchmark_names}
    named = {"expected_score": expected, "predicted_score": predicted}
    scores = xr.Dataset({name: posterior.labelled(name, values, **along) for name, values in named.items()})
    return scores.assign_coords({n: ("model", v) for n, v in {"family": query.families, **query.facts}.items()})
