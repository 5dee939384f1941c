"""Effect of one covariate on each benchmark: in logits, in points of its score, and in decades of compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._display import Result, as_html
from bayescale._intervals import PROB, named, summarise, with_interval
from bayescale.analysis.compute_equivalent import compute_slopes, rising, to_compute_equivalent
from bayescale.errors import ForecastError, require_name, require_names
from bayescale.forecast.query import NEW_FAMILY, read_value, said
from bayescale.model.data import design

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.covariates import CovariateColumn

SIZE_WORDS = {"flops": "compute", "params_b": "parameters", "tokens_t": "training tokens"}
# What a summary has of each benchmark.
MEASURES = ("logits", "points", "log10_compute")
TITLES = {"logits": "logits", "points": "points of 1", "log10_compute": "decades of compute"}
MOST_LINES = 12
ALL = "all benchmarks"
"""Label of the row of a summary that averages logits and points over benchmarks."""


@dataclass(frozen=True, eq=False, repr=False)
class Effect(Result):
    """What a change of one covariate moves, all else equal: one more decade, year or sd, or true in place of false.

    Attributes
    ----------
    logits : xarray.DataArray
        Dims ``(chain, draw, benchmark)``: ``(W_b . beta + d_b) dx``, with dx the change of the covariate.
    points : xarray.DataArray
        Dims ``(chain, draw, benchmark)``: change of the expected score, in [-1, 1], of the typical model `at`.
    log10_compute : xarray.DataArray
        Dims ``(chain, draw)``: the compute that moves the logits of all benchmarks as much, in decades
        (``(W beta dx . W beta_C) / (W beta_C . W beta_C)``, with beta_C the slope of compute). NaN for a spec that
        measures size by more than compute.
    benchmark_log10_compute : xarray.DataArray
        Dims ``(chain, draw, benchmark)``: `logits` over the slope of compute. NaN where that slope may be zero.
    covariate, change, at : str
        Name, change, and the model whose score changes.
    posterior : PosteriorData

    Notes
    -----
    It is an association over the models of the data that differ in the covariate, given compute and family. The models
    may differ in more than the spec knows.

    Examples
    --------
    >>> effect = posterior.effect("log10_flops", family="Llama-3", flops=4e24)
    >>> effect.change, effect.at
    ('ten times the compute', 'a typical model of Llama-3, 4e+24 FLOP')
    >>> effect.summary().pivot_table("median", "benchmark", "measure").shape
    (11, 3)
    """

    logits: xr.DataArray
    points: xr.DataArray
    log10_compute: xr.DataArray
    benchmark_log10_compute: xr.DataArray
    covariate: str
    change: str
    at: str
    posterior: PosteriorData

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise by medians with equal-tailed credible intervals.

        Returns
        -------
        pandas.DataFrame
            ``measure`` (``logits``, ``points`` or ``log10_compute``), ``benchmark, median, lower, upper`` and
            ``positive``, the probability that the effect is positive; one row per measure and benchmark. The first row
            of a measure is of all benchmarks: the mean of logits or points, or the overall compute.

        Examples
        --------
        >>> posterior.effect("log10_flops").summary()["benchmark"].tolist()[:2]
        ['all benchmarks', 'MMLU']
        """
        means = self.logits.mean("benchmark"), self.points.mean("benchmark"), self.log10_compute
        each = self.logits, self.points, self.benchmark_log10_compute
        tables = []
        for name, overall, single in zip(MEASURES, means, each, strict=True):
            draws = with_overall(overall, single)
            positive = (draws > 0).where(np.isfinite(draws)).mean(("chain", "draw")).to_numpy()
            table = summarise(draws, prob=prob).drop(columns="mean").assign(positive=positive)
            table.insert(0, "measure", name)
            tables.append(table)
        return with_interval(pd.concat(tables, ignore_index=True), prob)

    def cells(self, *, prob: float = PROB) -> pd.DataFrame:
        """Return the summary as text, a row per benchmark and a column per measure that the spec has.

        Examples
        --------
        >>> posterior.effect("log10_flops").cells().columns.tolist()
        ['logits', 'points of 1', 'decades of compute']
        """
        table = self.summary(prob=prob).dropna()
        numbers = table[["median", "lower", "upper"]].to_numpy()
        table["cell"] = [f"{middle:+.2f} [{low:.2f}, {high:.2f}]" for middle, low, high in numbers]
        wide = table.pivot_table("cell", "benchmark", "measure", aggfunc="first").fillna("-")
        kept = {name: TITLES[name] for name in MEASURES if name in wide}
        return wide.loc[table["benchmark"].unique(), list(kept)].rename(columns=kept).rename_axis(columns=None)

    def plot(self, ax: Axes | None = None, measure: str = "logits", *, prob: float = PROB) -> Axes:
        """Plot the effect on each benchmark; see `bayescale.plots.plot_effect`.

        Examples
        --------
        >>> posterior.effect("log10_flops").plot(measure="points").figure.savefig("effect.png")
        """
        from bayescale.plots import plot_effect

        return plot_effect(self, ax=ax, measure=measure, prob=prob)

    def _text(self, prob: float = PROB) -> str:
        cells = self.cells(prob=prob)
        lines = [f"  {line}" for line in cells[:MOST_LINES].rename_axis(None).to_string().splitlines()]
        lines += [f"  ... {len(cells) - MOST_LINES} more"] * (len(cells) > MOST_LINES)
        head = f"Effect of {self.covariate}, {self.change}, on {self.at}: "
        head += f"median [{named(prob)} credible interval]"
        return "\n".join([head, *lines, "Next: effect.summary(), .plot(), .plot(measure='points')"])

    def _repr_html_(self) -> str:
        return as_html(self._text(), self.cells())


def with_overall(overall: xr.DataArray, each: xr.DataArray) -> xr.DataArray:
    """Put what holds of all benchmarks before what holds of each of them, along the first dim, ``benchmark``."""
    import xarray as xr

    return xr.concat([overall.expand_dims(benchmark=[ALL]), each.transpose("benchmark", ...)], "benchmark")


def compute_effect(posterior: PosteriorData, covariate: str, family: str | None, facts: Mapping[str, Any]) -> Effect:
    """Compute the effect of `covariate`; `Posterior.effect` documents arguments and errors."""
    spec, draws = posterior.spec, posterior.draws
    columns, names = draws.data.columns, [column.name for column in draws.data.columns]
    require_name(covariate, names, f"covariate in the spec {spec.name!r}")
    family = family or NEW_FAMILY
    require_name(family, [*draws.data.coords["family"], NEW_FAMILY], "family in the fitted data")
    posterior.convergence.warn_unless_converged("This effect comes")
    place = names.index(covariate)
    before, words = _base(columns, columns[place], facts, spec.name)
    after = before.copy()
    after[place] += 1 / columns[place].scale if columns[place].kind == "flag" else 1.0
    x, moved = (np.array(design(values, draws.data.terms)) for values in (before, after))
    shift = (moved - x) @ draws.slope
    own = np.zeros_like(draws.difficulty)[:, None]
    typical = np.broadcast_to((x @ draws.slope)[:, None], shift[:, None].shape)
    if family != NEW_FAMILY:
        number = draws.data.coords["family"].index(family)
        typical = typical + draws.family_offset[:, [number]]
        own = draws.family_benchmark[:, [number]]
    logit = draws.logit(typical, x[None], family_benchmark=own)
    changed = draws.logit(typical + shift[:, None], moved[None], family_benchmark=own)
    logits, points = (changed - logit)[:, 0], (draws.expected(changed) - draws.expected(logit))[:, 0]
    overall, single = np.full(len(logits), np.nan), np.full_like(logits, np.nan)
    if spec.compute_alone:
        overall, slopes = to_compute_equivalent(draws, shift), compute_slopes(draws)
        np.divide(logits, slopes, out=single, where=np.broadcast_to(rising(slopes), slopes.shape))
    benchmark = posterior.evals.benchmark_names
    return Effect(
        logits=posterior.labelled("logits", logits, benchmark=benchmark),
        points=posterior.labelled("points", points, benchmark=benchmark),
        log10_compute=posterior.labelled("log10_compute", overall),
        benchmark_log10_compute=posterior.labelled("benchmark_log10_compute", single, benchmark=benchmark),
        covariate=covariate,
        change=_change(columns[place]),
        at=", ".join([f"a typical model of {'a ' if family == NEW_FAMILY else ''}{family}", *words]),
        posterior=posterior,
    )


def _base(
    columns: tuple[CovariateColumn, ...], changed: CovariateColumn, facts: Mapping[str, Any], spec: str
) -> tuple[np.ndarray, list[str]]:
    """Return the covariates (base covariate,) of the model that changes, and what they are in words.

    What is not said is at the mean of the known values, and a flag false.
    """
    given = {name: value for name, value in facts.items() if value is not None}
    arguments = {c.name.removeprefix("log10_") if c.kind == "size" else c.name: c for c in columns}
    if changed.kind == "flag" and changed.name in given:
        raise ForecastError(
            f"The effect of {changed.name} is that of true in place of false: leave {changed.name}= out."
        )
    require_names(given, arguments, f"covariate in the spec {spec!r}")
    x, words = np.zeros(len(columns)), []
    for place, (name, column) in enumerate(arguments.items()):
        if name in given:
            value = read_value(name, column, given[name])
        else:
            value = 0.0 if column.kind == "flag" else column.centre
        x[place] = column.standardised(value)
        if column is not changed or column.kind != "flag":
            size = 10**value / column.unit if column.kind == "size" else round(value, 2)
            words.append(said(column.source, bool(value) if column.kind == "flag" else size))
    return x, words


def _change(column: CovariateColumn) -> str:
    if column.kind == "size":
        return f"ten times the {SIZE_WORDS[column.source]}"
    return {"flag": "true in place of false", "date": "one year later"}.get(column.kind, f"{column.scale:.3g} more")
