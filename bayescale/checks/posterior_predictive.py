"""Posterior predictive check: observed scores compared with scores replicated from the posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import PROB, tails
from bayescale.checks.pit import inside, randomised_pit, read_pit, uniform_by_name
from bayescale.errors import ForecastError
from bayescale.forecast.predict import ModelNoise, new_model_scores
from bayescale.forecast.query import ForecastQuery
from bayescale.inference.defaults import seed_or_new
from bayescale.inference.draws import BLOCK

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData

Replicate = Literal["same", "new"]


@dataclass(frozen=True, eq=False, repr=False)
class PredictiveCheck(Result):
    """Observed scores with their replications; made by `Posterior.predictive_check`.

    Attributes
    ----------
    replicated : xarray.DataArray
        Scores in [0, 1] with observation noise, dims ``(draw, cell)``; ``model`` and ``benchmark`` along ``cell``.
    cells : pandas.DataFrame
        One row per observed score: ``model, benchmark, observed`` (as the model reads it: counted scores rounded to the
        nearest item), ``replicated`` (mean), ``pit`` (randomised probability integral transform, in (0, 1)).
    replicate : {"same", "new"}
        Whether the same models or new ones of the same families are replicated.
    title : str
        Names of spec and evals.
    random_seed : int
        Seed of the replications and of the randomised PIT.

    Examples
    --------
    >>> check = posterior.predictive_check(replicate="new", draws=200)
    >>> check.replicated.dims
    ('draw', 'cell')
    """

    replicated: xr.DataArray
    cells: pd.DataFrame
    replicate: Replicate
    title: str
    random_seed: int

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the check per benchmark; `prob` is the probability of the wider interval, 0.9 below.

        Returns
        -------
        pandas.DataFrame
            One row per benchmark with scores:

            - ``benchmark, scores`` (their number), ``observed, replicated`` (means);
            - ``coverage_50, coverage_90``: shares of observed scores inside equal-tailed intervals of the replications,
              computed from PIT values, which handle ties;
            - ``pit_p``: p value of the Kolmogorov-Smirnov test that the PIT values are uniform, as if they were
              independent;
            - ``sd_p``: share of draws in which the standard deviation of the replicated scores over models exceeds that
              of the observed ones (posterior predictive p value: Gelman, Meng & Stern 1996); near 0 the replicated
              models are too similar, near 1 too different. NaN for a single score;
            - ``pit``: a class, see `bayescale.checks.pit.read_pit`.

        Examples
        --------
        >>> posterior.predictive_check(draws=200).summary()["benchmark"].tolist()[:2]
        ['MMLU', 'ARC-C']
        """
        from scipy.stats import kstest

        tails(prob)
        rows = []
        for name, part in self.cells.groupby("benchmark", sort=False):
            pit, observed = part["pit"].to_numpy(), part["observed"].to_numpy()
            spread = self.replicated.to_numpy()[:, part.index].std(axis=1)
            means = {"scores": len(part), **part[["observed", "replicated"]].mean()}
            coverage = {f"coverage_{100 * p:g}": inside(pit, p).mean() for p in (0.5, prob)}
            sd_p = (spread > observed.std()).mean() if len(part) > 1 else np.nan
            tests = {"pit_p": kstest(pit, "uniform").pvalue, "sd_p": sd_p, "pit": read_pit(pit)}
            rows.append({"benchmark": name, **means, **coverage, **tests})
        return pd.DataFrame(rows)

    def to_xarray(self) -> xr.Dataset:
        cells = {name: ("cell", self.cells[name].to_numpy()) for name in ("observed", "pit")}
        return super().to_xarray().assign(cells)

    def plot(self, benchmarks: list[str] | None = None) -> Figure:
        """Draw how PIT values differ from uniform ones, one panel per benchmark.

        Examples
        --------
        >>> posterior.predictive_check(draws=200).plot(benchmarks=["MMLU", "GSM8K"]).savefig("pit.png")
        """
        from bayescale.plots import plot_predictive_check

        return plot_predictive_check(self, benchmarks=benchmarks)

    def __repr__(self) -> str:
        table = self.summary()
        off = table[table["pit"] != "as expected"]
        classes = ", ".join(f"{row.benchmark} ({row.pit})" for row in off.itertuples()) or "none"
        return (
            f"Posterior predictive check of {self.title}: {len(self.cells)} scores, replicated for the "
            f"{self.replicate} models in {self.replicated.sizes['draw']} draws.\n"
            f"Benchmarks whose PIT values are not uniform: {classes}.\nNext: check.summary(), check.plot()"
        )


def predictive_check(
    posterior: PosteriorData, replicate: Replicate = "same", draws: int = 1000, *, random_seed: int | None = None
) -> PredictiveCheck:
    """Replicate the observed scores from `posterior`; `Posterior.predictive_check` documents the arguments."""
    import xarray as xr

    if replicate not in ("same", "new"):
        raise ForecastError(f"replicate={replicate!r} is neither 'same' nor 'new'.")
    if not (isinstance(draws, int | np.integer) and draws >= 1):
        raise ForecastError(f"draws={draws!r}: a whole number, at least 1, is needed.")
    random_seed = seed_or_new(random_seed)
    thinned = posterior.draws.thinned(draws)
    data = thinned.data
    observed = data.cells["observed"] > 0
    row, column = np.nonzero(observed)
    names = posterior.evals.model_names, posterior.evals.benchmark_names
    replicated = replicate_scores(thinned, observed, replicate, np.random.default_rng(random_seed))
    labels = {"model": np.array(names[0])[row], "benchmark": np.array(names[1])[column]}
    cells = pd.DataFrame({**labels, "observed": data.cells["observed_score"][observed]})
    uniform = uniform_by_name(cells[list(labels)], random_seed)
    cells = cells.assign(
        replicated=replicated.mean(axis=0), pit=randomised_pit(cells["observed"].to_numpy(), replicated.T, uniform)
    )
    drawn = xr.DataArray(replicated, dims=("draw", "cell"), coords={n: ("cell", v) for n, v in labels.items()})
    title = f"spec {posterior.spec.name!r} on {posterior.evals.name!r}"
    # By benchmark, in the order of the tables, as in all output.
    order = np.argsort(column, kind="stable")
    cells = cells.iloc[order].reset_index(drop=True)
    return PredictiveCheck(drawn[:, order].rename("score"), cells, replicate, title, random_seed)


def replicate_scores(draws: Draws, observed: np.ndarray, replicate: Replicate, rng: np.random.Generator) -> np.ndarray:
    """Draw scores (S, cell) with observation noise at the observed cells, row by row."""
    parts = []
    for start in range(0, len(observed), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(observed)))
        expected = draws.fitted_scores(rows, as_measured=True) if replicate == "same" else _siblings(draws, rows, rng)
        row, column = np.nonzero(observed[rows])
        parts.append(draws.measured(expected[:, row, column], rng, column))
    return np.concatenate(parts, axis=1)


def _siblings(draws: Draws, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return expected scores (S, model, benchmark) of new models of the same families with the same covariates."""
    family = draws.data.family_index[rows]
    names = [draws.data.coords["model"][m] for m in rows]
    families = [draws.data.coords["family"][f] for f in family]
    query = ForecastQuery(names, families, family, draws.covariate[:, rows], {})
    return new_model_scores(draws, query, ModelNoise.drawn(draws, len(names), rng), draws.as_measured(rows))
