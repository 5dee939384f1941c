"""Progress over calendar time: what models gain a year at equal compute, in decades of compute and in logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._display import Result, as_html
from bayescale._intervals import PROB, named, summarise, with_interval
from bayescale._tables import Table
from bayescale.analysis.compute_equivalent import compute_slopes, require_compute, rising, to_compute_equivalent
from bayescale.analysis.effect import ALL, with_overall
from bayescale.errors import ForecastError
from bayescale.inference.draws import observed_models
from bayescale.model.drift import DATE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData

# A straight line through fewer models says nothing.
FEWEST = 3


@dataclass(frozen=True, eq=False, repr=False)
class Progress(Result):
    """What a year brings at equal compute, over all models and over subsets of them; made by `Posterior.progress`.

    In each draw the capability of every model, less what its compute adds, is regressed on the date of release over the
    models of a subset that have a date and a score. The slope holds all that later models do better, whatever the spec
    calls it: date, yearly steps, makers, reasoning, and what each model has of its own. Subsets are ``all``;
    ``frontier``, models that were at their release the best so far, by the posterior mean of the logit on the average
    benchmark; and ``open weights``, where the models table has a column `weights` with that value. A subset of fewer
    than three models is left out.

    Attributes
    ----------
    log10_compute : xarray.DataArray
        Dims ``(chain, draw, subset)``: decades of compute a year, by the projection of `Efficiency` on all benchmarks.
        10 to this power is by how many times less compute reaches the same a year later.
    logits : xarray.DataArray
        Dims ``(chain, draw, subset, benchmark)``: logits a year.
    benchmark_log10_compute : xarray.DataArray
        Dims ``(chain, draw, subset, benchmark)``: `logits` over the slope of compute. NaN where that may be zero.
    models : dict of str to tuple of str
        Names of the models of each subset, by date.
    posterior : PosteriorData

    Notes
    -----
    Intervals are those of these models' progress: what other models would have shown is not in them.

    Examples
    --------
    >>> progress = posterior_of_dates.progress()
    >>> progress.summary()["measure"].unique().tolist()
    ['log10_compute', 'times', 'logits']
    """

    log10_compute: xr.DataArray
    logits: xr.DataArray
    benchmark_log10_compute: xr.DataArray
    models: dict[str, tuple[str, ...]]
    posterior: PosteriorData

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise by medians with equal-tailed credible intervals, a row per measure, subset and benchmark.

        Returns
        -------
        pandas.DataFrame
            ``measure, subset, benchmark, median, lower, upper``. Measures are ``log10_compute`` (decades of compute a
            year), ``times`` (10 to that power) and ``logits`` (a year). The first row of a subset is of all benchmarks:
            the overall compute, and the mean of logits. ``attrs["models"]`` has the number of models of each subset.

        Examples
        --------
        >>> posterior_of_dates.progress().summary(prob=0.5)["benchmark"].tolist()[:2]
        ['all benchmarks', 'ARC-C']
        """
        order = ("subset", "benchmark")
        compute = with_overall(self.log10_compute, self.benchmark_log10_compute).transpose(..., *order)
        logits = with_overall(self.logits.mean("benchmark"), self.logits).transpose(..., *order)
        found = {"log10_compute": summarise(compute, prob=prob), "logits": summarise(logits, prob=prob)}
        ends = ["median", "lower", "upper"]
        found["times"] = found["log10_compute"].assign(**{end: 10 ** found["log10_compute"][end] for end in ends})
        parts = [found[name][[*order, *ends]].assign(measure=name) for name in ("log10_compute", "times", "logits")]
        table = Table(pd.concat(parts, ignore_index=True)[["measure", *order, *ends]])
        table.attrs["models"] = {name: len(of) for name, of in self.models.items()}
        return with_interval(table, prob)

    def plot(self, ax: Axes | None = None, measure: str = "log10_compute", *, prob: float = PROB) -> Axes:
        """Plot what a year brings on each benchmark, a colour per subset: median, 50% and `prob` interval.

        `measure` is ``"log10_compute"`` or ``"logits"``. Benchmarks whose response to compute may be zero have no
        figure in decades of compute.

        Examples
        --------
        >>> posterior_of_dates.progress().plot(measure="logits").figure.savefig("progress.png")
        """
        from bayescale.plots import draw_progress

        return draw_progress(self, ax=ax, measure=measure, prob=prob)

    def _text(self, prob: float = PROB) -> str:
        table = self.summary(prob=prob)
        overall = table[table["benchmark"] == ALL].set_index(["subset", "measure"])
        lines = [f"Progress a year at equal compute; {named(prob)} credible interval:"]
        for subset, models in table.attrs["models"].items():
            formats = {"log10_compute": ".2f", "times": ".3g", "logits": "+.2f"}
            flops, times, logits = (_interval(overall.loc[(subset, name)], how) for name, how in formats.items())
            lines.append(f"  {subset} ({models} models): {flops} decades of compute, x{times}; {logits} logits")
        return "\n".join([*lines, "Next: progress.summary(), .plot(), .plot(measure='logits')"])

    def _repr_html_(self) -> str:
        return as_html(self._text().splitlines()[0], self.summary())


def _interval(row: pd.Series, how: str) -> str:
    return f"{row['median']:{how}} [{row['lower']:{how}}, {row['upper']:{how}}]"


def compute_progress(posterior: PosteriorData) -> Progress:
    """Compute progress over the models of the data; `Posterior.progress` documents the errors."""
    spec, draws = posterior.spec, posterior.draws
    require_compute(spec, "progress at equal compute")
    if DATE not in spec.base_covariates:
        raise ForecastError(
            f"The spec {spec.name!r} predicts from {' and '.join(spec.covariates)}: progress needs a spec with the "
            f"covariate {DATE}, such as 'dated'."
        )
    date = draws.data.covariates[:, draws.data.column(DATE)]
    subsets = _subsets(posterior, draws, date)
    if not subsets:
        raise ForecastError(
            f"Progress needs {FEWEST} models with a score and a release date, on different days: fill {DATE} in the "
            "models table."
        )
    posterior.convergence.warn_unless_converged("This progress comes")
    rates = [_logit_rates(draws, rows, date[rows]) for rows in subsets.values()]
    capability, logits = (np.stack(part, axis=1) for part in zip(*rates, strict=True))
    slopes = compute_slopes(draws)
    by_benchmark = np.full_like(logits, np.nan)
    np.divide(logits, slopes[:, None], out=by_benchmark, where=np.broadcast_to(rising(slopes), logits.shape))
    names, benchmarks = list(subsets), posterior.evals.benchmark_names
    models = {n: tuple(posterior.evals.model_names[row] for row in rows) for n, rows in subsets.items()}
    return Progress(
        posterior.labelled("log10_compute", to_compute_equivalent(draws, capability), subset=names),
        posterior.labelled("logits", logits, subset=names, benchmark=benchmarks),
        posterior.labelled("benchmark_log10_compute", by_benchmark, subset=names, benchmark=benchmarks),
        models,
        posterior,
    )


def _subsets(posterior: PosteriorData, draws: Draws, date: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows of the models of each subset, by date; those that are too small are left out."""
    scored = observed_models(draws.data)
    dated = np.flatnonzero(scored & np.isfinite(date))
    rows = dated[np.argsort(date[dated], kind="stable")]
    subsets = {"all": rows, "frontier": _record_holders(rows, date, _mean_logit(draws))}
    if "weights" in (models := posterior.evals.models):
        subsets["open weights"] = rows[(models["weights"] == "open").to_numpy()[rows]]
    return {name: of for name, of in subsets.items() if len(of) >= FEWEST and np.ptp(date[of]) > 0}


def _mean_logit(draws: Draws) -> np.ndarray:
    """Return the posterior mean of each model's logit on the average benchmark, up to a constant."""
    weights = draws.loading.mean(axis=1), draws.benchmark_slope.mean(axis=1)
    values = draws.capability, draws.covariate
    return np.sum([np.einsum("smk,sk->m", v, w) for v, w in zip(values, weights, strict=True)], axis=0) / draws.size


def _record_holders(rows: np.ndarray, date: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return those of `rows`, by date, that are above all before them; of one day the best counts."""
    order = rows[np.lexsort((-level[rows], date[rows]))]
    best = np.maximum.accumulate(level[order])
    return order[np.concatenate([np.ones(min(len(order), 1), bool), best[1:] > best[:-1]])]


def _logit_rates(draws: Draws, rows: np.ndarray, date: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes over the date, at equal compute, of capabilities (S, factor) and logits (S, benchmark)."""
    weights = (date - date.mean()) / np.square(date - date.mean()).sum()
    covariate = draws.covariate[:, rows].copy()
    place = draws.data.place("log10_flops")
    capability = draws.capability[:, rows] - covariate[..., [place]] * draws.slope[:, [place]]
    covariate[..., place] = 0.0
    capability, moved = (np.einsum("m,sm...->s...", weights, values) for values in (capability, covariate))
    families = np.bincount(draws.data.family_index[rows], weights, draws.family_benchmark.shape[1])
    own = np.einsum("f,sfb->sb", families, draws.family_benchmark)
    logits = np.einsum("sbk,sk->sb", draws.loading, capability) + np.einsum("sbc,sc->sb", draws.benchmark_slope, moved)
    return capability, logits + own
