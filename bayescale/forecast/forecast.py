"""Forecast: draws of scores that a new model would get, as table, intervals and pictures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayescale import _display
from bayescale._intervals import KIND, PROB, summarise
from bayescale.errors import ForecastError, ForecastWarning
from bayescale.forecast import export
from bayescale.forecast.blocks import forecast_scores
from bayescale.forecast.condition import condition
from bayescale.forecast.query import Request, read_given, read_request
from bayescale.model.curve import predict_score

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
class Forecast:
    """Draws of the scores of new models; made by `Posterior.forecast`.

    Attributes
    ----------
    draws : xarray.Dataset
        ``expected_score`` (what the model would score on endless items) and ``predicted_score`` (with the observation
        noise of the benchmark's own items), dims ``(chain, draw, model, benchmark)``, scores in [0, 1]; coords
        ``family`` and ``flops`` (or ``params_b``, ``tokens_t``) along ``model``.
    posterior : PosteriorData
    given : dict
        Scores that were known.
    effective_draws : float
        How many posterior draws weigh in after conditioning on `given`.

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

    def summary(self, prob: float = PROB, of: Literal["predicted", "expected"] = "predicted") -> pd.DataFrame:
        """Median and equal-tailed credible interval per model and benchmark.

        Parameters
        ----------
        prob : float
            Probability content of the interval.
        of : {"predicted", "expected"}
            The score that will be measured, with the noise of the benchmark's items, or its expectation.

        Returns
        -------
        pandas.DataFrame
            ``model, family, benchmark, mean, median, lower, upper, prob, interval``, one row per model and benchmark,
            and ``given`` (the known score, NaN where none).

        Raises
        ------
        ForecastError
            When `prob` is not a probability, or `of` is neither word.

        Examples
        --------
        >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
        >>> table = forecast.summary(prob=0.5)
        >>> table["interval"].unique().tolist()
        ['equal-tailed']
        >>> wide, narrow = (forecast.summary(of=kind) for kind in ("predicted", "expected"))
        >>> bool((wide["upper"] - wide["lower"]).mean() > (narrow["upper"] - narrow["lower"]).mean())
        True
        """
        if of not in ("predicted", "expected"):
            raise ForecastError(f"of={of!r} is neither 'predicted' (with observation noise) nor 'expected'.")
        table = summarise(self.draws[f"{of}_score"], prob)
        family = self.draws["family"].to_series()
        table.insert(1, "family", table["model"].map(family))
        return table.assign(given=table["benchmark"].map(dict(self.given)).astype(float))

    def to_pandas(self, draws: bool = False, prob: float = PROB) -> pd.DataFrame:
        """Hand the forecast to pandas: as a table to read, or all draws to compute with.

        Parameters
        ----------
        draws : bool
            False: one row per model and benchmark, the `summary` of the score that will be measured with the figures
            of the model beside its family. True: one row per chain, draw, model and benchmark, with
            ``expected_score`` and ``predicted_score``.
        prob : float
            Probability content of the interval, in the table.

        Returns
        -------
        pandas.DataFrame
            ``attrs`` says what it rests on: spec, evals, identity of the posterior, given scores, effective draws.

        Examples
        --------
        >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
        >>> forecast.to_pandas().set_index("benchmark")["median"].size
        10
        >>> tails = forecast.to_pandas(draws=True).groupby("benchmark")["predicted_score"].quantile(0.05)
        >>> tails.size
        10
        """
        return export.tidy_draws(self) if draws else export.table(self, prob)

    def to_xarray(self) -> xr.Dataset:
        """Hand the draws to xarray and ArviZ.

        Returns
        -------
        xarray.Dataset
            ``expected_score`` and ``predicted_score``, dims ``(chain, draw, model, benchmark)``, scores in [0, 1];
            coordinates ``family`` and ``flops`` (or ``params_b``, ``tokens_t``) along ``model``. Attributes say what it
            rests on. A copy: changing it leaves the forecast as it is.

        Examples
        --------
        >>> draws = posterior.forecast(family="Llama-3", flops=4e25).to_xarray()
        >>> draws["predicted_score"].sel(benchmark="MMLU").quantile(0.05).dims
        ()
        """
        return export.dataset(self)

    def to_csv(self, path: str | Path, draws: bool = False, prob: float = PROB) -> Path:
        """Write `to_pandas` as CSV, whole or not at all; floats come back exactly.

        Raises
        ------
        OutputError
            When it cannot be written.

        Examples
        --------
        >>> import pandas as pd
        >>> path = posterior.forecast(family="Llama-3", flops=4e25).to_csv("forecast.csv")
        >>> len(pd.read_csv(path))
        10
        """
        return export.write_csv(self.to_pandas(draws, prob), path)

    def to_parquet(self, path: str | Path, draws: bool = False, prob: float = PROB) -> Path:
        """Write `to_pandas` as Parquet, whole or not at all; `pandas.read_parquet` brings its ``attrs`` back too.

        Raises
        ------
        MissingDependencyError
            Without PyArrow (``pip install 'bayescale[parquet]'``).
        OutputError
            When it cannot be written.

        Examples
        --------
        >>> import pandas as pd
        >>> path = posterior.forecast(family="Llama-3", flops=4e25).to_parquet("forecast.parquet")
        >>> len(pd.read_parquet(path))
        10
        """
        return export.write_parquet(self.to_pandas(draws, prob), path)

    def to_netcdf(self, path: str | Path) -> Path:
        """Write `to_xarray` as netCDF, whole or not at all; `xarray.open_dataset` reads it.

        Raises
        ------
        OutputError
            When it cannot be written.

        Examples
        --------
        >>> import xarray as xr
        >>> path = posterior.forecast(family="Llama-3", flops=4e25).to_netcdf("forecast.nc")
        >>> with xr.open_dataset(path) as draws:
        ...     draws["predicted_score"].dims
        ('chain', 'draw', 'model', 'benchmark')
        """
        return export.write_netcdf(self.to_xarray(), path)

    def plot(self, benchmarks: list[str] | None = None, prob: float = PROB) -> Figure:
        """Draw the whole picture: one fan over compute per benchmark, with the family's own models on it.

        Examples
        --------
        >>> figure = posterior.forecast(family="Llama-3", flops=4e25).plot(benchmarks=["MMLU", "GSM8K"])
        >>> figure.savefig("forecast.png")
        """
        from bayescale.plots import plot_forecast

        return plot_forecast(self, benchmarks=benchmarks, prob=prob)

    def plot_fan(self, benchmark: str, ax: Axes | None = None, prob: float = PROB) -> Axes:
        """Draw the expected score over compute with its interval for one benchmark, and the forecast models on it.

        Examples
        --------
        >>> posterior.forecast(family="Llama-3", flops=4e25).plot_fan("MMLU").get_xscale()
        'log'
        """
        from bayescale.plots import plot_fan

        return plot_fan(self, benchmark, ax=ax, prob=prob)

    def plot_intervals(self, ax: Axes | None = None, prob: float = PROB) -> Axes:
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
        size = f"{sizes['benchmark']} benchmarks, {sizes['chain'] * sizes['draw']} draws"
        return (
            f"Forecast of {models}{known}: {size}.\n"
            "Next: forecast.summary(), .plot(), .to_pandas(), .to_xarray(), .to_csv(file), .to_parquet(file)"
        )

    def _repr_html_(self) -> str:
        table = self.summary()
        models = list(dict.fromkeys(table["model"]))
        if 1 < len(models) <= MOST_BESIDE:
            cells = [f"{r.median:.3f} [{r.lower:.3f}, {r.upper:.3f}]" for r in table.itertuples()]
            table = table.assign(score=cells).set_index(["benchmark", "model"])["score"].unstack()  # noqa: PD010 - text
            table = table.loc[self.draws["benchmark"].to_numpy(), models]
            words = f"scores that will be measured: median [{PROB:.0%} {KIND} credible interval]"
            return _display.as_html(repr(self), table, words)
        # What is the same in all rows is in the headline, or nowhere.
        same = ["family", *([] if self.given else ["given"]), *(["model"] if len(models) == 1 else [])]
        return _display.as_html(repr(self), table.drop(columns=same), "scores that will be measured")


def make_forecast(
    posterior: PosteriorData,
    *,
    family: Any,
    flops: Any = None,
    params_b: Any = None,
    tokens_t: Any = None,
    given: Mapping[str, float] | None = None,
    random_seed: int | None = 0,
) -> Forecast:
    """Forecast new models from `posterior`; `Posterior.forecast` documents the arguments."""
    posterior.verdict.warn_unless_converged("This forecast comes")
    draws = posterior.draws
    figures = {"flops": flops, "params_b": params_b, "tokens_t": tokens_t}
    request = read_request(posterior.spec, draws.data, family, figures)
    rng = np.random.default_rng(random_seed)
    effective = float(draws.size)
    if given:
        index, scores = read_given(given, request, draws.data.coords["benchmark"])
        conditioned = condition(draws, request, index, scores, rng)
        expected, effective = conditioned.expected, conditioned.effective_draws
        predicted = predict_score(expected, draws.precision[conditioned.index][:, None], draws.data.items, rng)
        if effective < MIN_EFFECTIVE_DRAWS:
            text = (
                f"The given scores surprise the posterior: only {effective:.0f} of {draws.size} draws carry weight, so "
                "interval ends are rough. Add the model to the data (evals.add) and fit again."
            )
            warnings.warn(ForecastWarning(text), stacklevel=3)
    else:
        expected, predicted = forecast_scores(draws, request, rng)
    return Forecast(_dataset(posterior, request, expected, predicted), posterior, dict(given or {}), effective)


def _dataset(posterior: PosteriorData, request: Request, expected: np.ndarray, predicted: np.ndarray) -> xr.Dataset:
    import xarray as xr

    dims = ("chain", "draw", "model", "benchmark")
    draws = posterior.draws
    sampled = posterior.idata["posterior"]
    figures = {name: ("model", values) for name, values in request.figures.items()}
    return xr.Dataset(
        {
            "expected_score": (dims, draws.by_chain(expected)),
            "predicted_score": (dims, draws.by_chain(predicted)),
        },
        coords={
            "chain": sampled["chain"].to_numpy(),
            "draw": sampled["draw"].to_numpy(),
            "model": request.labels,
            "benchmark": draws.data.coords["benchmark"],
            "family": ("model", request.families),
            **figures,
        },
    )
