"""Factors of a posterior: aligned over draws, summarised, with names suggested by benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._arviz import dataset, with_groups
from bayescale._display import Result
from bayescale._intervals import PROB, named, summarise, tails
from bayescale.analysis.factor_rotation import column_shares, congruence, correlations, rotations, scaled_loadings
from bayescale.inference.mixing import rhat

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData

TOP = 3
# A benchmark is named beside the first where it correlates at least this much as strongly with the factor.
NEARLY = 0.75
NAMED = 2


@dataclass(frozen=True, eq=False, repr=False)
class Factors(Result):
    """Capabilities in one orientation over all draws; made by `align`, held as `Posterior.factors`.

    Attributes
    ----------
    loadings : xarray.DataArray
        W, dims ``(chain, draw, benchmark, factor)``: logits per unit of capability. The unit is the sd of models of one
        family and compute around their location.
    capabilities : xarray.DataArray
        theta, dims ``(chain, draw, model, factor)``, with the coordinate ``family`` along ``model``.
    slopes : xarray.DataArray
        beta, dims ``(chain, draw, covariate, factor)``: capability per unit of the covariate (log10).
    family_offsets : xarray.DataArray or None
        alpha, dims ``(chain, draw, family, factor)``; None where the spec has none.
    correlations : xarray.DataArray
        Dims ``(chain, draw, benchmark, factor)``: between a benchmark's logit and the capability over the observed
        models, capabilities made uncorrelated first (see `bayescale.analysis.factor_rotation`). Squares sum to 1 over
        factors.
    scaled_loadings : xarray.DataArray
        The same, in logits: its squares sum to the variance over models of a benchmark's logit.
    shares : xarray.DataArray
        Dims ``(chain, draw, factor)``: share of each factor in the variance over models of what capabilities contribute
        to all logits, ``sum_b L_bk^2 / sum_bk L_bk^2`` with L the scaled loadings; sums to 1. It belongs to this
        orientation: varimax spreads over several factors what all benchmarks have in common. For the
        number of dimensions in any orientation see `bayescale.analysis.variance.variance_shares`.
    rotation : xarray.DataArray
        R, dims ``(chain, draw, sampled_factor, factor)``, orthogonal: ``theta``, ``alpha``, ``beta`` and ``W`` of each
        draw were multiplied by it.
    free : bool
        Whether factors were rotated freely (to a varimax consensus), or only reordered and reflected because the
        priors distinguish them (`Spec.rotation_invariant`).

    Examples
    --------
    >>> posterior.factors.summary().shape[0]
    6
    >>> posterior.factors.loadings.sel(factor="F1").median(("chain", "draw")).dims
    ('benchmark',)
    """

    loadings: xr.DataArray
    capabilities: xr.DataArray
    slopes: xr.DataArray
    family_offsets: xr.DataArray | None
    correlations: xr.DataArray
    scaled_loadings: xr.DataArray
    shares: xr.DataArray
    rotation: xr.DataArray
    free: bool

    @property
    def labels(self) -> list[str]:
        """Labels of the factors, ``F1, F2, ...``, by share of variance."""
        return self.shares["factor"].to_numpy().tolist()

    @property
    def suggested(self) -> list[str]:
        """Names suggested by the benchmarks that correlate most with each factor; also the coordinate ``suggested``."""
        return self.shares["suggested"].to_numpy().tolist()

    def congruence(self) -> pd.Series:
        """Return the mean over draws of Tucker's congruence of each factor with its posterior mean.

        Tucker's phi of columns a and b of the scaled loadings is ``a'b / (|a| |b|)``: 1 for the same factor; 0.95 is
        called equal, 0.85 to 0.94 fairly similar (Lorenzo-Seva & ten Berge 2006, Methodology 2:57). Alignment itself
        raises it where factors are nearly as many as benchmarks: read it together with `reliability`.
        """
        draws = self.scaled_loadings.to_numpy()
        phi = congruence(draws.reshape((-1, *draws.shape[2:])))
        return pd.Series(phi.mean(axis=0), self.labels, name="congruence")

    def reliability(self) -> pd.Series:
        """Return the marginal reliability of each factor over models, from 0 to 1.

        Variance over models of the posterior mean capability, over the posterior mean of the variance over models
        (Green et al. 1984, Journal of Educational Measurement 21:347). If the data do not
        inform a factor, its models are in another order in every draw, and its reliability is about 0.
        """
        explained = self.capabilities.mean(("chain", "draw")).var("model")
        return (explained / self.capabilities.var("model").mean(("chain", "draw"))).to_series().rename("reliability")

    def rhat(self) -> pd.Series:
        """Return the largest rank-normalised split R-hat of each factor's scaled loadings, NaN from too few draws.

        1.01 or less is required.
        """
        loading = self.scaled_loadings.transpose("chain", "draw", "factor", "benchmark")
        values = loading.to_numpy()
        largest = rhat(values.reshape((*values.shape[:2], -1))).reshape(values.shape[2:]).max(axis=1)
        return pd.Series(largest, loading["factor"].to_index(), name="rhat")

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the factors, one row each, by share of variance.

        Returns
        -------
        pandas.DataFrame
            ``factor, suggested``; median ``share`` of variance with ``lower, upper`` (equal-tailed);
            ``reliability`` and ``rhat`` (see the methods of these names).
        """
        table = summarise(self.shares, prob=prob).drop(columns="mean").rename(columns={"median": "share"})
        table.insert(1, "suggested", self.suggested)
        for values in (self.reliability(), self.rhat()):
            table[str(values.name)] = table["factor"].map(values)
        return table

    def benchmarks(self) -> pd.Series:
        """Return the three benchmarks that correlate most with each factor, with the median correlation, as text."""
        middle = self.correlations.median(("chain", "draw"))
        return pd.Series({name: _top(middle.sel(factor=name).to_series()) for name in self.labels}, name="benchmarks")

    def to_xarray(self) -> xr.Dataset:
        # The families of models have a name of their own: `family` is the dim of the offsets.
        return Result.to_xarray(replace(self, capabilities=self.capabilities.rename(family="model_family")))

    def plot(self, ax: Axes | None = None, *, prob: float = PROB, standardised: bool = False) -> Axes:
        """Plot the loadings; see `bayescale.plots.plot_loadings`.

        Examples
        --------
        >>> posterior.factors.plot().figure.savefig("loadings.png")
        """
        from bayescale.plots import plot_loadings

        return plot_loadings(self, ax=ax, prob=prob, standardised=standardised)

    def _text(self, prob: float = PROB) -> str:
        table = self.summary(prob=prob)
        width = max(map(len, self.suggested)) + 2
        lines = [
            f"  {r.factor:4s}{r.suggested:{width}s}{r.share:5.1%} [{r.lower:.1%}, {r.upper:.1%}]"
            f"  {r.reliability:.2f}  {r.rhat:.3f}"
            for r in table.itertuples()
        ]
        how = "turned to a varimax consensus" if self.free else "reordered and reflected, as the priors allow"
        head = (
            f"{len(lines)} factor{'s' if len(lines) > 1 else ''}, draws {how}: suggested name, share of variance over "
            f"models [{named(prob)} interval], reliability, R-hat"
        )
        return "\n".join([head, *lines, "Next: posterior.factors.plot(), .summary()"])


def _top(correlation: pd.Series) -> str:
    first = correlation.reindex(correlation.abs().sort_values(ascending=False, kind="stable").index[:TOP])
    return ", ".join(f"{name} {value:.2f}" for name, value in first.items())


def align(posterior: PosteriorData) -> Factors:
    """Align all draws of a posterior in one orientation of the factors, and suggest names.

    Under rotation-invariant priors draws may be rotated against each other. Each is rotated by one orthogonal matrix R,
    applied to capabilities, family offsets, slopes and loadings alike, so that expected scores, forecasts and
    efficiencies stay what they are: generalised Procrustes analysis of the draws, on loadings weighed by how far models
    differ (`bayescale.analysis.factor_rotation`), then varimax, with Kaiser's weights, of those axes of the consensus
    on which the draws agree. Where the priors distinguish factors, R is a signed permutation. Factors are ordered by
    share of variance, largest first. Capability grows with compute; where the sign of a factor's slope is not known,
    its correlations with benchmarks sum to a positive number.

    `Posterior.factors` holds the result, computed once.

    Examples
    --------
    >>> align(posterior).labels
    ['F1', 'F2', 'F3', 'F4', 'F5', 'F6']
    """
    draws, evals, spec = posterior.draws, posterior.evals, posterior.spec
    scaled = scaled_loadings(draws.loading, draws.capability)
    turns = rotations(scaled, spec.rotation_invariant)
    turns = turns * upwards(draws.slope[:, : len(spec.base_covariates)] @ turns)
    scaled = scaled @ turns
    correlation = correlations(scaled)

    factor = [f"F{k + 1}" for k in range(scaled.shape[2])]
    suggested = ("factor", list(suggest_names(correlation, evals.benchmark_names)))
    benchmark, covariate, family = evals.benchmark_names, list(spec.covariates), draws.data.coords["family"]

    def labelled(name: str, values: np.ndarray, **along: Any) -> xr.DataArray:
        return posterior.labelled(name, values, **along, factor=factor).assign_coords(suggested=suggested)

    capabilities = labelled("capability", draws.capability @ turns, model=evals.model_names)
    offsets = labelled("family_offset", draws.family_offset @ turns, family=family) if spec.family_offsets else None
    sampled = posterior.groups["posterior"]["factor"].to_numpy()
    return Factors(
        loadings=labelled("loading", draws.loading @ turns, benchmark=benchmark),
        capabilities=capabilities.assign_coords(family=("model", evals.models["family"].tolist())),
        slopes=labelled("slope", draws.slope[:, : len(covariate)] @ turns, covariate=covariate),
        family_offsets=offsets,
        correlations=labelled("correlation", correlation, benchmark=benchmark),
        scaled_loadings=labelled("scaled_loading", scaled, benchmark=benchmark),
        shares=labelled("share", column_shares(scaled)),
        rotation=labelled("rotation", turns, sampled_factor=sampled),
        free=spec.rotation_invariant,
    )


def upwards(slopes: np.ndarray) -> np.ndarray:
    """Return a sign per factor: -1 where its slopes (S, covariate, factor), summed, are below zero with 95%."""
    return np.where(np.quantile(slopes.sum(axis=1), tails(PROB)[1], axis=0) < 0, -1.0, 1.0)


def aligned(posterior: PosteriorData) -> PosteriorData:
    """Return a posterior whose draws are in the orientation of `align`, where its priors allow rotations.

    Every variable with factors is rotated; no density, score or forecast changes.
    """
    if not posterior.spec.rotation_invariant:
        return posterior
    turns, group = align(posterior).rotation.to_numpy(), dataset(posterior.groups["posterior"])
    turned = {
        name: (values.dims, np.einsum("cd...k,cdkl->cd...l", values.to_numpy(), turns))
        for name, values in group.data_vars.items()
        if values.dims[-1] == "factor"
    }
    idata = with_groups(posterior.groups, {"posterior": group.assign(turned)})
    return replace(posterior, idata=idata)


def suggest_names(correlation: np.ndarray, benchmarks: list[str]) -> tuple[str, ...]:
    """Name each factor after the benchmarks that correlate most with it, two at most, "-" before a negative one.

    `correlation` are aligned draws (S, benchmark, factor). A factor is unclear if no benchmark has a 90% interval that
    excludes zero. Names are unique: further benchmarks are added where two factors have the same ones.

    Examples
    --------
    >>> draws = np.array([[[0.9, 0.1], [0.8, -0.6]]] * 3)
    >>> suggest_names(draws, ["MMLU", "GSM8K"])
    ('MMLU + GSM8K', '-GSM8K')
    """
    lower, upper = np.quantile(correlation, tails(PROB), axis=0)
    clear = (lower > 0) | (upper < 0)
    middle = np.median(correlation, axis=0)
    names: list[str] = []
    for k in range(middle.shape[1]):
        sure = bool(clear[:, k].any())
        # Benchmarks whose sign is known come first: a name claims nothing that is uncertain.
        ranked = sorted(range(len(benchmarks)), key=lambda b: (not clear[b, k], -abs(middle[b, k])))
        near = [b for b in ranked[:NAMED] if abs(middle[b, k]) >= NEARLY * abs(middle[ranked[0], k])]
        near = [b for b in near if clear[b, k] or not sure]
        ranked = near + [b for b in ranked if b not in near]
        for count in range(len(near), len(ranked) + 1):
            joined = " + ".join(("-" if middle[b, k] < 0 else "") + benchmarks[b] for b in ranked[:count])
            name = joined if sure else f"unclear ({joined})"
            if name not in names:
                break
        else:
            name = f"{name}, {len(names) + 1}"
        names.append(name)
    return tuple(names)
