"""Forecast: draws of the scores of new models, with summary, exports and plots."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayescale import _display
from bayescale._arviz import LARGEST_K, netcdf_bytes
from bayescale._files import atomic_write
from bayescale._intervals import KIND, PROB, summarise
from bayescale.errors import ForecastError, ForecastWarning
from bayescale.evals.csv_files import export_csv
from bayescale.forecast import export
from bayescale.forecast.condition import condition_on_scores
from bayescale.forecast.extrapolation import distances_beyond, warn_if_far
from bayescale.forecast.predict import forecast_scores
from bayescale.forecast.probability import Thresholds, joint_probability, read_thresholds
from bayescale.forecast.query import ForecastQuery, as_scores, read_given, read_query, with_compute
from bayescale.inference.defaults import seed_or_new

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.evals import Evals
    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData

Kind = Literal["predicted", "expected"]
# Effective draws after conditioning below which a forecast is withheld, and below which its interval ends are rough.
MIN_EFFECTIVE_DRAWS, FEW_EFFECTIVE_DRAWS = 50, 200
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
    pareto_k : float
        Shape of the tail of the draws' weights after conditioning, NaN without `given`; above 0.7 the effective draws
        are themselves uncertain.

    With `Spec.repeated_measurements`, the coordinate ``setting`` along ``benchmark`` says how each score is measured.

    Examples
    --------
    >>> forecast = posterior.forecast(family=["Llama-3", "Qwen1.5"], flops=[4e25, 1e25])
    >>> forecast.draws["model"].to_numpy().tolist()
    ['Llama-3, 4e+25 FLOP', 'Qwen1.5, 1e+25 FLOP']
    >>> forecast.probability("MMLU", above=0.8)["probability"].size  # of a measured MMLU above 80%, for each model
    2
    """

    draws: xr.Dataset
    posterior: PosteriorData
    given: Mapping[str, float]
    effective_draws: float
    random_seed: int
    pareto_k: float = float("nan")

    def summary(self, *, prob: float = PROB, kind: Kind = "predicted") -> pd.DataFrame:
        """Summarise each score by its median and equal-tailed credible interval.

        Parameters
        ----------
        prob : float
        kind : {"predicted", "expected"}
            The measured score, with the sampling noise of the benchmark's items, or the expected score.

        Returns
        -------
        pandas.DataFrame
            ``model, benchmark, median, lower, upper``, one row per model and benchmark; of a forecast given known
            scores also ``given`` (NaN where none). ``attrs`` has ``prob`` and ``interval``, the kind of the intervals.

        Examples
        --------
        >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
        >>> table = forecast.summary(prob=0.5)
        >>> table.attrs["interval"]
        'equal-tailed'
        >>> wide, narrow = (forecast.summary(kind=k) for k in ("predicted", "expected"))
        >>> bool((wide["upper"] - wide["lower"]).mean() > (narrow["upper"] - narrow["lower"]).mean())
        True
        """
        table = summarise(scores_of_kind(self.draws, kind), prob=prob).drop(columns="mean")
        if self.given:
            table["given"] = table["benchmark"].map(dict(self.given)).astype(float)
        return table

    def probability(
        self,
        benchmark: str | Sequence[str] | None = None,
        *,
        above: Thresholds = None,
        below: Thresholds = None,
        kind: Kind = "predicted",
    ) -> pd.DataFrame:
        """Compute the probability that scores lie above or below thresholds, all of them together.

        Parameters
        ----------
        benchmark : str, or sequence of str, optional
            Not needed where `above` and `below` name the benchmarks.
        above, below : float, or mapping of str to float, optional
            Thresholds in [0, 1], which scores must exceed or stay below: one for all of `benchmark`, or by benchmark.
        kind : {"predicted", "expected"}
            Of measured scores, with the sampling noise of the benchmark's items, or of expected scores.

        Returns
        -------
        pandas.DataFrame
            ``model``, ``probability`` (the share of draws) and ``error`` (its Monte Carlo standard error), one row per
            model.

        Raises
        ------
        ForecastError
            For an unknown benchmark, a threshold outside [0, 1], or none.

        Examples
        --------
        >>> forecast = posterior.forecast(family=["Llama-3", "Qwen1.5"], flops=4e25)
        >>> forecast.probability("MMLU", above=0.9).columns.tolist()
        ['model', 'probability', 'error']
        >>> both = forecast.probability(above={"MMLU": 0.9, "GSM8K": 0.9})
        >>> bool((both["probability"] <= forecast.probability("GSM8K", above=0.9)["probability"]).all())
        True
        """
        names = [str(name) for name in self.draws["benchmark"].to_numpy()]
        high, low = (read_thresholds(benchmark, v, names, n) for n, v in (("above", above), ("below", below)))
        return joint_probability(scores_of_kind(self.draws, kind), high, low, self.effective_draws)

    def to_pandas(self, all_draws: bool = False, *, prob: float = PROB) -> pd.DataFrame:
        """Return the forecast as a pandas table, or all its draws.

        Parameters
        ----------
        all_draws : bool
            False: one row per model and benchmark, the `summary` of the measured score with family and sizes of the
            model, ``mean``, ``given``, ``prob`` and ``interval``. True: one row per chain, draw, model and benchmark,
            with ``expected_score`` and ``predicted_score``.
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
        export_csv(self.to_pandas(all_draws, prob=prob), path)
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
            temporary.write_bytes(netcdf_bytes({"/": self.to_xarray()}, {}))
        return Path(path)

    def plot(self, benchmarks: list[str] | None = None, *, observed: Evals | None = None, prob: float = PROB) -> Figure:
        """Draw one fan chart over compute per benchmark, with the models of the family.

        `observed` are scores to draw instead of those of the fit: models that it did not see get a star.

        Examples
        --------
        >>> figure = posterior.forecast(family="Llama-3", flops=4e25).plot(benchmarks=["MMLU", "GSM8K"])
        >>> figure.savefig("forecast.png")
        """
        from bayescale.plots import plot_forecast

        return plot_forecast(self, benchmarks=benchmarks, observed=observed, prob=prob)

    def plot_fan(
        self, benchmark: str, ax: Axes | None = None, *, observed: Evals | None = None, prob: float = PROB
    ) -> Axes:
        """Draw the predicted score over compute for one benchmark; see `bayescale.plots.plot_fan`.

        Examples
        --------
        >>> posterior.forecast(family="Llama-3", flops=4e25).plot_fan("MMLU").get_xscale()
        'log'
        """
        from bayescale.plots import plot_fan

        return plot_fan(self, benchmark, ax=ax, observed=observed, prob=prob)

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

    def _text(self, prob: float = PROB) -> str:
        models = [str(name) for name in self.draws["model"].to_numpy()]
        named = "; ".join(models) if len(models) <= MOST_BESIDE else f"{len(models)} models"
        known = f" given {', '.join(f'{k} = {v:g}' for k, v in self.given.items())}" if self.given else ""
        sizes = self.draws.sizes
        head = f"{type(self).__name__} of {named}{known}: {sizes['benchmark']} benchmarks, "
        head += f"{sizes['chain'] * sizes['draw']} draws"
        head += f", of which the given scores leave {export.support(self)}." if self.given else "."
        following = ".summary(), .probability(name, above=0.9), .plot(), .to_csv(file)"
        return "\n".join([head, *export.text(self, prob=prob), f"Next: {following}"])

    def _repr_html_(self) -> str:
        if self.draws.sizes["model"] > MOST_BESIDE:
            return _display.as_html(self._text(), self.summary(), "measured scores")
        words = f"measured scores: median [{PROB:.0%} {KIND} credible interval]"
        return _display.as_html(self._text(), export.side_by_side(self, prob=PROB), words)


def scores_of_kind(draws: xr.Dataset, kind: Kind) -> xr.DataArray:
    """Return the draws of measured or of expected scores."""
    if kind not in ("predicted", "expected"):
        raise ForecastError(f"kind={kind!r} is neither 'predicted' (with observation noise) nor 'expected'.")
    return draws[f"{kind}_score"]


def make_forecast(
    posterior: PosteriorData,
    family: Any,
    *,
    given: Mapping[str, float] | None = None,
    setting: str | Mapping[str, str] | None = None,
    random_seed: int | None = None,
    **facts: Any,
) -> Forecast:
    """Forecast new models from `posterior`; `Posterior.forecast` documents the arguments."""
    posterior.convergence.warn_unless_converged("This forecast comes")
    draws, how = in_settings(posterior, setting)
    query = read_query(posterior.spec, draws.data, family, facts)
    random_seed = seed_or_new(random_seed)
    rng = np.random.default_rng(random_seed)
    query = with_compute(draws, query, rng)
    effective, pareto_k = float(draws.size), float("nan")
    if conditions := as_scores(given):
        known, scores = read_given(conditions, query, draws.data.coords["benchmark"])
        found = condition_on_scores(draws, query, known, scores, rng)
        effective, pareto_k = found.effective_draws, found.pareto_k
        _require_support(effective, pareto_k, draws.size)
        expected, predicted = found.expected, found.draws.measured(found.expected, rng)
    else:
        expected, predicted = forecast_scores(draws, query, rng)
    distances = distances_beyond(draws.data, query.covariates)
    warn_if_far(query.labels, distances, stacklevel=3)
    dataset = _dataset(posterior, query, expected, predicted).assign_coords(
        {name: ("model", values) for name, values in distances.items()}
    )
    return Forecast(dataset.assign_coords(how), posterior, conditions, effective, random_seed, pareto_k)


def _require_support(effective: float, pareto_k: float, draws: int) -> None:
    """Raise `ForecastError` where too few draws support a forecast given scores; warn where it is rough."""
    found = f"Only {effective:.0f} of {draws} draws are compatible with the given scores (Pareto k {pareto_k:.2f})"
    remedy = (
        "Add the model with these scores to the data (evals.add), fit again, and ask posterior.predict for the rest."
    )
    # A posterior of few draws has no more to give: then half of them must be left.
    if effective < min(MIN_EFFECTIVE_DRAWS, draws / 2):
        raise ForecastError(f"{found}, too few for intervals: the forecast is withheld. {remedy}")
    if effective < FEW_EFFECTIVE_DRAWS or pareto_k > LARGEST_K:
        warnings.warn(ForecastWarning(f"{found}: the ends of these intervals are rough. {remedy}"), stacklevel=4)


def in_settings(
    posterior: PosteriorData, setting: str | Mapping[str, str] | None
) -> tuple[Draws, dict[str, tuple[str, list[str]]]]:
    """Return draws whose scores are measured in a setting, and the coordinate that says in which.

    By default they are the headline settings. Without effects of settings the coordinate is left out.
    """
    draws, how = posterior.draws, posterior.draws.data.measurements
    if how is None:
        if setting is not None:
            raise ForecastError(
                "Settings of benchmarks are not told apart in this fit: it needs tables that state them (columns "
                f"harness, shots, setting), and a spec with repeated_measurements; {posterior.spec.name!r} "
                f"{'has it' if posterior.spec.repeated_measurements else 'is without'}."
            )
        return draws, {}
    effect, names = how.chosen(setting, posterior.evals.benchmark_names)
    return draws.in_settings(effect), {"setting": ("benchmark", names)}


def _dataset(posterior: PosteriorData, query: ForecastQuery, expected: np.ndarray, predicted: np.ndarray) -> xr.Dataset:
    import xarray as xr

    along = {"model": query.labels, "benchmark": posterior.evals.benchmark_names}
    named = {"expected_score": expected, "predicted_score": predicted}
    scores = xr.Dataset({name: posterior.labelled(name, values, **along) for name, values in named.items()})
    return scores.assign_coords({n: ("model", v) for n, v in {"family": query.families, **query.facts}.items()})
