"""Suggest which benchmarks to run next on a model, with the variance of its scores that remains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._intervals import PROB
from bayescale.analysis.optimal_design import Design
from bayescale.analysis.predictive_moments import PredictiveMoments
from bayescale.analysis.suggestion import Cost, DesignChoice, Names, choose, read_budget, read_costs
from bayescale.errors import ForecastError, require_names

if TYPE_CHECKING:
    from bayescale.forecast import Forecast


@dataclass(frozen=True, eq=False, repr=False)
class BenchmarkSuggestion(DesignChoice):
    """Benchmarks to run on one model, chosen to minimise the variance of its expected scores on the targets.

    Made by `Posterior.suggest_benchmarks`. Variances and covariances over the draws of the forecast are taken for those
    of a normal distribution, on the scale of scores; measured scores add the noise of their items.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per benchmark, most informative first: ``order, benchmark, cost, total_cost, variance_left`` (of the
        mean variance over targets, as a share of that before any is run) and ``forecast_sd`` (its square root, in units
        of score).
    model : str
    candidates, targets : tuple of str
        Benchmarks that could be run, and those whose scores are forecast.
    budget : float
    cost : str
        What `budget` counts: ``benchmarks``, a column of the table of benchmarks, or ``cost``.
    design : Design
    random_seed : int
        Seed of the forecast.

    Examples
    --------
    >>> suggestion = posterior.suggest_benchmarks(posterior.forecast("Llama-3", 4e25, given={"MMLU": 0.86}), 2)
    >>> len(suggestion.benchmarks), "MMLU" in suggestion.candidates
    (2, False)
    """

    kind = "benchmark"

    table: pd.DataFrame
    model: str
    candidates: tuple[str, ...]
    targets: tuple[str, ...]
    budget: float
    cost: str
    design: Design
    random_seed: int

    @property
    def benchmarks(self) -> list[str]:
        """Names of the chosen benchmarks, most informative first."""
        return self.table["benchmark"].tolist()

    def variance_left(self, benchmarks: Iterable[str]) -> float:
        """Return the variance that remains once these candidates are run, as a share of that before.

        Examples
        --------
        >>> suggestion = posterior.suggest_benchmarks(posterior.forecast("Llama-3", 4e25), 1, candidates=["MMLU"])
        >>> suggestion.least <= suggestion.variance_left(["MMLU"]) <= 1
        True
        """
        return self._share_left(benchmarks)

    @property
    def titles(self) -> tuple[str, str]:
        """Title of a plot, and what the variance is of."""
        return f"Which benchmarks to run on {self.model}", f"{len(self.targets)} benchmarks"

    def _text(self, prob: float = PROB) -> str:
        head = (
            f"Suggestion for {self.model}: run {len(self.table)} of {len(self.candidates)} benchmarks. Running these "
            f"leaves {self.table['variance_left'].iloc[-1]:.1%} of the forecast variance over {len(self.targets)} "
            f"benchmarks (all candidates: {self.least:.1%}):"
        )
        return "\n".join(
            [head, *self._lines(), "Next: suggestion.plot(); run them; posterior.forecast(..., given=scores)"]
        )


def choose_benchmarks(
    forecast: Forecast, budget: float, targets: Names, candidates: Names, cost: Cost
) -> BenchmarkSuggestion:
    """Choose benchmarks to run; `Posterior.suggest_benchmarks` documents arguments and errors."""
    draws, evals = forecast.draws, forecast.posterior.evals
    names = [str(name) for name in draws["benchmark"].to_numpy()]
    if draws.sizes["model"] != 1:
        raise ForecastError(f"The forecast has {draws.sizes['model']} models: forecast one, to choose its benchmarks.")
    summary = forecast.summary()
    known = next((summary[name] for name in ("given", "observed") if name in summary), pd.Series(np.nan, summary.index))
    open_ = [name for name, score in zip(names, known, strict=True) if np.isnan(score)]
    chosen, wanted = (
        open_ if asked is None else [asked] if isinstance(asked, str) else list(dict.fromkeys(asked))
        for asked in (candidates, targets)
    )
    require_names([*chosen, *wanted], names, "benchmark in the forecast")
    if not chosen or not wanted:
        raise ForecastError(f"Every benchmark has a score of {draws['model'].item()}: name candidates= and targets=.")
    unit, costs = read_costs(evals.benchmarks.set_index("benchmark"), chosen, cost, "benchmarks")
    limit = read_budget(budget, costs, unit, "benchmark")
    # Candidates first, and those that are only targets last, as the design takes them.
    alone = [name for name in chosen if name not in wanted]
    order = [*alone, *(n for n in chosen if n in wanted), *(n for n in wanted if n not in chosen)]
    expected, measured = (
        draws[f"{kind}_score"].isel(model=0).sel(benchmark=order).transpose(..., "benchmark").to_numpy()
        for kind in ("expected", "predicted")
    )
    expected, measured = (values.reshape(-1, len(order)) for values in (expected, measured))
    noise = np.var(measured - expected, axis=0)[None]
    moments = PredictiveMoments(
        expected.mean(axis=0), np.atleast_2d(np.cov(expected, rowvar=False)), noise, np.ones_like(noise)
    )
    design = Design(moments, len(chosen), len(alone))
    offered = order[: len(chosen)]
    table = choose(design, offered, costs, limit).rename_axis("benchmark").reset_index()
    columns = ["order", "benchmark", *(name for name in table if name not in ("order", "benchmark"))]
    return BenchmarkSuggestion(
        table=table[columns],
        model=str(draws["model"].item()),
        candidates=tuple(offered),
        targets=tuple(order[len(alone) :]),
        budget=limit,
        cost=unit,
        design=design,
        random_seed=forecast.random_seed,
    )
