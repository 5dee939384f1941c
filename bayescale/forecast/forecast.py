"""Forecast: draws of scores that a new model would get, as table, intervals and pictures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayescale.errors import ForecastError, ForecastWarning
from bayescale.forecast.chance import ModelChance
from bayescale.forecast.condition import condition
from bayescale.forecast.predict import new_model_scores
from bayescale.forecast.request import Request, read_given, read_request
from bayescale.intervals import PROB, summarise
from bayescale.response import predict_score

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayescale.posterior import Posterior

# Fewer effective draws than this after conditioning make interval ends jump by more than they are wide.
MIN_EFFECTIVE_DRAWS = 200


@dataclass(frozen=True, eq=False, repr=False)
class Forecast:
    """Draws of the scores of new models; made by `Posterior.forecast`.

    Attributes
    ----------
    draws : xarray.Dataset
        ``expected_score`` (what the model would score on endless items) and ``predicted_score`` (with the observation
        noise of the benchmark's own items), dims ``(chain, draw, model, benchmark)``, scores in [0, 1]; coords
        ``family`` and ``flops`` (or ``params_b``, ``tokens_t``) along ``model``.
    posterior : Posterior
    given : dict
        Scores that were known.
    effective_draws : float
        How many posterior draws weigh in after conditioning on `given`.
    """

    draws: xr.Dataset
    posterior: Posterior
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
        """
        if of not in ("predicted", "expected"):
            raise ForecastError(f"of={of!r} is neither 'predicted' (with observation noise) nor 'expected'.")
        table = summarise(self.draws[f"{of}_score"], prob)
        family = self.draws["family"].to_series()
        table.insert(1, "family", table["model"].map(family))
        table = table.assign(interval=self.posterior.verdict.intervals)
        return table.assign(given=table["benchmark"].map(dict(self.given)).astype(float))

    def plot(self, benchmarks: list[str] | None = None, prob: float = PROB) -> Figure:
        """Draw the whole picture: one fan over compute per benchmark, with the family's own models on it."""
        from bayescale.plots import plot_forecast

        return plot_forecast(self, benchmarks=benchmarks, prob=prob)

    def plot_fan(self, benchmark: str, ax: Axes | None = None, prob: float = PROB) -> Axes:
        """Draw the expected score over compute with its interval for one benchmark, and the forecast models on it."""
        from bayescale.plots import plot_fan

        return plot_fan(self, benchmark, ax=ax, prob=prob)

    def plot_intervals(self, ax: Axes | None = None, prob: float = PROB) -> Axes:
        """Draw one interval per benchmark and model."""
        from bayescale.plots import plot_intervals

        return plot_intervals(self, ax=ax, prob=prob)

    def __repr__(self) -> str:
        models = "; ".join(map(str, self.draws["model"].to_numpy()))
        known = f" given {', '.join(f'{k} = {v:g}' for k, v in self.given.items())}" if self.given else ""
        sizes = self.draws.sizes
        how = f", {self.posterior.verdict.mark}" if self.posterior.verdict.mark else ""
        size = f"{sizes['benchmark']} benchmarks, {sizes['chain'] * sizes['draw']} draws{how}"
        return f"Forecast of {models}{known}: {size}.\nNext: forecast.summary(), forecast.plot()"

    def _repr_html_(self) -> str:
        return self.summary().round(3).to_html(index=False)


def make_forecast(
    posterior: Posterior,
    *,
    family: Any,
    flops: Any,
    params_b: Any,
    tokens_t: Any,
    given: Mapping[str, float] | None,
    random_seed: int | None,
) -> Forecast:
    """Forecast new models from `posterior`; `Posterior.forecast` documents the arguments."""
    posterior.verdict.warn_unless_converged("This forecast comes")
    draws = posterior.draws
    figures = {"flops": flops, "params_b": params_b, "tokens_t": tokens_t}
    request = read_request(posterior.spec, draws.data, family, figures)
    rng = np.random.default_rng(random_seed)
    precision, effective = draws.precision, float(draws.size)
    if given:
        index, scores = read_given(given, request, draws.data.coords["benchmark"])
        conditioned = condition(draws, request, index, scores, rng)
        expected, precision = conditioned.expected, precision[conditioned.index]
        effective = conditioned.effective_draws
        if effective < MIN_EFFECTIVE_DRAWS:
            text = (
                f"The given scores surprise the posterior: only {effective:.0f} of {draws.size} draws carry weight, so "
                "interval ends are rough. Add the model to the data (evals.add) and fit again."
            )
            warnings.warn(ForecastWarning(text), stacklevel=3)
    else:
        chance = ModelChance.drawn(draws, len(request.labels), rng)
        expected = new_model_scores(draws, request, chance)
    predicted = predict_score(expected, precision[:, None], draws.data.items, rng)
    return Forecast(_dataset(posterior, request, expected, predicted), posterior, dict(given or {}), effective)


def _dataset(posterior: Posterior, request: Request, expected: np.ndarray, predicted: np.ndarray) -> xr.Dataset:
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
