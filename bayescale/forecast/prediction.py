"""Predictions of scores of models of the data: expected and measured, on benchmarks with a score and without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._intervals import PROB, summarise
from bayescale.errors import require_names
from bayescale.forecast.forecast import Forecast, Kind, in_settings, scores_of_kind
from bayescale.inference.defaults import seed_or_new
from bayescale.inference.draws import BLOCK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayescale.inference.posterior import PosteriorData

# Models that a plot shows.
SHOWN = 6


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Forecast):
    """Draws of the scores of models of the data; made by `Posterior.predict`.

    A `Forecast` whose models were fitted, with their own capabilities. The measured score of a benchmark that has one
    is that of another evaluation of the same model.

    Examples
    --------
    >>> prediction = posterior.predict(["microsoft/phi-2"], ["MMLU", "GSM8K"])
    >>> prediction.summary().columns.tolist()
    ['model', 'benchmark', 'observed', 'median', 'lower', 'upper']
    >>> prediction.probability("MMLU", above=0.5)["probability"].size
    1
    """

    def summary(self, *, prob: float = PROB, kind: Kind = "predicted") -> pd.DataFrame:
        """Summarise each score by its median and equal-tailed credible interval, beside the observed score.

        Parameters
        ----------
        prob, kind
            As in `Forecast.summary`.

        Returns
        -------
        pandas.DataFrame
            ``model, benchmark, observed, median, lower, upper``, one row per model and benchmark; `observed` is
            NaN where there is no score.

        Examples
        --------
        >>> table = posterior.predict().summary()
        >>> missing = table[table["observed"].isna()]
        """
        table = summarise(scores_of_kind(self.draws, kind), prob=prob).drop(columns="mean")
        observed = self.posterior.evals.matrix().to_series().rename("observed")
        table.insert(2, "observed", table[["model", "benchmark"]].join(observed, on=["model", "benchmark"])["observed"])
        return table

    def imputed(self) -> pd.DataFrame:
        """Return the table of scores without gaps: observed where there is a score, else the predicted median.

        Returns
        -------
        pandas.DataFrame
            Index: models; columns: benchmarks. For the uncertainty of what was filled in, use `summary`.

        Examples
        --------
        >>> bool(posterior.predict().imputed().notna().all(axis=None))
        True
        """
        table = self.summary()
        table["score"] = table["observed"].fillna(table["median"])
        rows, columns = (self.draws[name].to_numpy() for name in ("model", "benchmark"))
        return table.pivot_table(index="model", columns="benchmark", values="score").loc[rows, columns]

    # Observed scores are always those of the data.
    def plot(  # type: ignore[override]
        self, benchmarks: list[str] | None = None, *, prob: float = PROB
    ) -> Figure:
        """Draw one interval per benchmark and model, of the first six models, with the observed scores.

        Examples
        --------
        >>> posterior.predict(["microsoft/phi-2"]).plot(["MMLU", "GSM8K"]).savefig("prediction.png")
        """
        from bayescale.plots import plot_intervals

        names = [str(name) for name in self.draws["benchmark"].to_numpy()]
        require_names(benchmarks or (), names, "benchmark in the prediction")
        draws = self.draws.isel(model=slice(SHOWN)).sel(benchmark=benchmarks or names)
        figure = plot_intervals(replace(self, draws=draws), prob=prob).figure
        return figure  # type: ignore[return-value]


def predict_models(
    posterior: PosteriorData,
    models: Sequence[str] | str | None,
    benchmarks: Sequence[str] | str | None,
    setting: str | Mapping[str, str] | None,
    random_seed: int | None,
) -> Prediction:
    """Predict the scores of models of the data; `Posterior.predict` documents the arguments."""
    import xarray as xr

    evals, (draws, how) = posterior.evals, in_settings(posterior, setting)
    posterior.convergence.warn_unless_converged("This prediction comes")
    rows, columns = (
        _chosen(asked, names, f"{what} in the fitted data")
        for asked, names, what in (
            (models, evals.model_names, "model"),
            (benchmarks, evals.benchmark_names, "benchmark"),
        )
    )
    random_seed = seed_or_new(random_seed)
    rng = np.random.default_rng(random_seed)
    expected, predicted = (np.empty((draws.size, len(rows), len(columns))) for _ in range(2))
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        expected[:, part] = draws.fitted_scores(rows[part])[..., columns]
        predicted[:, part] = draws.measured(expected[:, part], rng, columns)
    table = evals.models.iloc[rows]
    along = {"model": table["model"].tolist(), "benchmark": [evals.benchmark_names[b] for b in columns]}
    named = {"expected_score": expected, "predicted_score": predicted}
    scores = xr.Dataset({name: posterior.labelled(name, values, **along) for name, values in named.items()})
    about = {name: ("model", table[name].to_numpy(kind)) for name, kind in (("family", str), ("flops", float))}
    asked = {name: (dim, [labels[b] for b in columns]) for name, (dim, labels) in how.items()}
    return Prediction(scores.assign_coords(about).assign_coords(asked), posterior, {}, float(draws.size), random_seed)


def _chosen(asked: Sequence[str] | str | None, names: list[str], what: str) -> np.ndarray:
    """Check names, all at once, and return their numbers; None for all."""
    chosen = names if asked is None else [asked] if isinstance(asked, str) else list(dict.fromkeys(asked))
    require_names(chosen, names, what)
    return np.array([names.index(name) for name in chosen], dtype=int)
