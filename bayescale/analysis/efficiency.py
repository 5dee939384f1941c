"""Efficiency of families: compute multipliers relative to a reference family, and equivalent FLOPs of models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import KIND, PROB, named, summarise, with_interval
from bayescale.analysis.compute_equivalent import (
    ALONG,
    Along,
    Of,
    compute_slopes,
    equivalent_log10_flops,
    family_number,
    require_compute,
    rising,
    to_compute_equivalent,
)
from bayescale.errors import ForecastError, require_name, require_names

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData

By = Literal["family", "benchmark", "model"]
# Labels of the compute of a model, by whether its figure is missing or states an error.
KNOWN, STATED, UNKNOWN = "reported", "with error", "unknown"
# Families that the text shows; of more the most and the least efficient.
MOST_LINES = 8


@dataclass(frozen=True, eq=False, repr=False)
class Efficiency(Result):
    """Compute efficiency of each family, relative to a reference family.

    A family f with C FLOP reaches the capability of the reference r with ``C * multiplier_f``: above 1 it is the more
    efficient. The multiplier is 10 to the power of the compute equivalent of the family's offset, in log10 FLOP.

    Attributes
    ----------
    log10_multiplier : xarray.DataArray
        Dims ``(chain, draw, family)``, log10 FLOP: ``e_f - e_r`` with ``e_f = (alpha_f . beta) / (beta . beta)``, alpha
        the offset of a family in capability space and beta the slopes (`along` capabilities), or in logits of the
        benchmarks, ``e_f = (W alpha_f . W beta) / (W beta . W beta)`` (`along` benchmarks). No rotation of the factors
        changes either. The coordinate ``models`` counts the family's models in the data.
    benchmark_log10_multiplier : xarray.DataArray
        Dims ``(chain, draw, family, benchmark)``: the same for one benchmark, with its
        family-by-benchmark effects v, ``(W_b . alpha_f + v_fb) / (W_b . beta + d_b)``, minus that of the reference. NaN
        for benchmarks in `no_slope`.
    compute_slopes : xarray.DataArray
        Dims ``(chain, draw, benchmark)``: ``W_b . beta + d_b``, logits per factor of ten of compute.
    reference : str
    along : {"capabilities", "benchmarks"}
    posterior : PosteriorData

    Notes
    -----
    Beside other covariates (a spec with ``released``, say) families are compared as if they did not differ in these.

    An offset that does not point along beta makes a family better at some benchmarks and worse at others; efficiency is
    its projection. Along capabilities, directions on which hardly any benchmark loads count as much as others, and the
    data say little about these: where there are nearly as many factors as benchmarks, families look more alike and
    intervals are wider than necessary. Along benchmarks, the multiplier is the one under which the typical models of
    both families are nearest in logits of all benchmarks (least squares, without family-by-benchmark effects).

    Ruan, Maddison & Hashimoto (2024, arXiv:2405.10938, section 3.3) regress principal components of scores on compute,
    family by family; here families share the slopes, and differ by their offsets.

    Examples
    --------
    >>> efficiency = posterior.efficiency(reference="Llama-2")
    >>> efficiency.summary()[["family", "multiplier", "lower", "upper"]].shape
    (8, 4)
    >>> 0 <= efficiency.probability("Qwen2", "Llama-3") <= 1
    True
    """

    log10_multiplier: xr.DataArray
    benchmark_log10_multiplier: xr.DataArray
    compute_slopes: xr.DataArray
    reference: str
    along: Along
    posterior: PosteriorData

    @property
    def families(self) -> list[str]:
        """Names of the families."""
        return self.log10_multiplier["family"].to_numpy().tolist()

    @property
    def multipliers(self) -> xr.DataArray:
        """Compute multipliers, dims ``(chain, draw, family)``: 2 is as if compute were doubled."""
        return (10**self.log10_multiplier).rename("multiplier")

    @cached_property
    def no_slope(self) -> dict[str, str]:
        """Benchmarks without an efficiency of their own, with the reason: their slope over compute may be zero.

        A ratio to a slope whose 90% equal-tailed interval includes zero has no bounds and no known sign.
        """
        table = summarise(self.compute_slopes).set_index("benchmark")
        low, high = table["lower"], table["upper"]
        return {
            str(name): f"its response to compute may be zero or negative (logits per factor of ten, {PROB:.0%} {KIND}: "
            f"{low[name]:.2g} to {high[name]:.2g})"
            for name in table.index[low <= 0]
        }

    def summary(self, *, prob: float = PROB, by: By = "family", of: Of = "typical") -> pd.DataFrame:
        """Summarise efficiencies by medians with equal-tailed credible intervals.

        Parameters
        ----------
        prob : float
        by : {"family", "benchmark", "model"}
            Overall, or for each benchmark, or as equivalent FLOPs of each model.
        of : {"typical", "single"}
            Whose equivalent FLOPs, see `equivalent_flops`.

        Returns
        -------
        pandas.DataFrame
            ``"family"``, most efficient first: ``family, models`` (their number in the data), ``multiplier, lower,
            upper, more_efficient`` (probability of being more efficient than the reference).
            ``"benchmark"``: ``benchmark`` and the same, for each benchmark and family; NaN on those in `no_slope`.
            ``"model"``: ``model, compute`` (how it is known), ``flops`` (reported), ``equivalent_flops, lower, upper``.

        Examples
        --------
        >>> efficiency = posterior.efficiency(reference="Llama-2")
        >>> efficiency.summary().columns.tolist()
        ['family', 'models', 'multiplier', 'lower', 'upper', 'more_efficient']
        >>> efficiency.summary(by="model")[["model", "flops", "equivalent_flops"]].shape
        (36, 3)
        """
        require_name(by, ("family", "benchmark", "model"), "summary of efficiency by")
        if by == "model":
            return self._model_table(prob, of)
        if by == "family":
            table = self._family_table(self.log10_multiplier, prob)
            return table.sort_values("multiplier", ascending=False, ignore_index=True)
        table = self._family_table(self.benchmark_log10_multiplier.transpose(..., "benchmark", "family"), prob)
        return table.assign(more_efficient=table["more_efficient"].mask(table["benchmark"].isin(self.no_slope)))

    def _family_table(self, log10: xr.DataArray, prob: float) -> pd.DataFrame:
        table = summarise(log10.drop_vars("models"), prob=prob)
        with np.errstate(over="ignore"):
            ends = {
                name: 10.0 ** table[column]
                for name, column in (("multiplier", "median"), ("lower", "lower"), ("upper", "upper"))
            }
        labels = table[[name for name in ("benchmark", "family") if name in table]]
        more = _share_above(log10, 0.0).to_series().to_numpy()
        models = table["family"].map(_counts(self.posterior))
        return with_interval(labels.assign(models=models, **ends, more_efficient=more), prob)

    def _model_table(self, prob: float, of: Of) -> pd.DataFrame:
        draws = self.equivalent_flops(of)
        table = summarise(draws, prob=prob).rename(columns={"median": "equivalent_flops"})
        labels = {name: draws[name].to_numpy() for name in ("compute", "flops")}
        columns = ["model", *labels, "equivalent_flops", "lower", "upper"]
        return table.assign(**labels)[columns]

    def probability(self, a: str, b: str, benchmark: str | None = None) -> float:
        """Return the posterior probability that family `a` is more efficient than `b`, overall or on one benchmark.

        Raises
        ------
        ForecastError
            For an unknown family or benchmark, or a benchmark in `no_slope`.

        Examples
        --------
        >>> efficiency = posterior.efficiency(reference="Llama-2")
        >>> round(efficiency.probability("Qwen2", "Llama-3") + efficiency.probability("Llama-3", "Qwen2"), 6)
        1.0
        """
        require_names((a, b), self.families, "family in the fitted data")
        log10 = self.log10_multiplier_on(benchmark)
        return float(_share_above(log10.sel(family=a, drop=True), log10.sel(family=b, drop=True)))

    def probabilities(self, benchmark: str | None = None) -> pd.DataFrame:
        """Return the posterior probability that the row's family is more efficient than the column's, for all pairs.

        Equal draws count half, so that a pair of entries adds up to 1 and the diagonal is 0.5. Errors as in
        `probability`.

        Examples
        --------
        >>> table = posterior.efficiency(reference="Llama-2").probabilities()
        >>> float(table.loc["Llama-2", "Llama-2"])
        0.5
        """
        values = self.log10_multiplier_on(benchmark).transpose("chain", "draw", "family").to_numpy()
        values = values.reshape(-1, values.shape[2])
        shares = np.empty((values.shape[1],) * 2)
        for i, mine in enumerate(values.T):
            # One row at a time: all pairs of draws at once would take a gigabyte for a few hundred families.
            above, equal = mine[:, None] > values, mine[:, None] == values
            shares[i] = above.mean(axis=0) + 0.5 * equal.mean(axis=0)
        names = pd.Index(self.families, name="family")
        return pd.DataFrame(shares, index=names, columns=names.rename("than"))

    def equivalent_flops(self, of: Of = "typical") -> xr.DataArray:
        """Return the compute with which the reference family reaches the capability of each model of the data.

        Parameters
        ----------
        of : {"typical", "single"}
            ``"typical"``: the capability of a typical model of the same family and compute: the model's training
            compute times the multiplier of its family. ``"single"``: the capability of this model, with its own
            residual, ``log10 C = (theta_m . beta) / (beta . beta) - e_r`` (centred log10 FLOP;
            `along` benchmarks with W before theta and beta). The f-equivalent FLOPs of the paper (section 3.3), which
            are read from a model's own scores, are of this kind.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, model)``, FLOP. Along ``model``: ``family``; ``flops``, as reported, NaN where unknown;
            ``compute``, how it is known: ``reported``; ``with error`` or ``unknown``, where the posterior of the true
            value is used.

        Examples
        --------
        >>> draws = posterior.efficiency(reference="Llama-2").equivalent_flops(of="single")
        >>> draws.dims, draws.attrs["units"]
        (('chain', 'draw', 'model'), 'FLOP')
        """
        draws, models = self.posterior.draws, self.posterior.evals.models
        log10_flops = equivalent_log10_flops(draws, self.families.index(self.reference), of, self.along)
        error = draws.data.covariate_sd[:, draws.data.column("log10_flops")]
        how = np.where(np.isnan(error), UNKNOWN, np.where(error > 0, STATED, KNOWN))
        known = {"family": models["family"].to_numpy(), "flops": models["flops"].to_numpy(float), "compute": how}
        flops = self.posterior.labelled("equivalent_flops", 10**log10_flops, model=models["model"].to_numpy())
        flops = flops.assign_coords({name: ("model", values) for name, values in known.items()})
        return flops.assign_attrs(units="FLOP", reference=self.reference, of=of)

    def plot(self, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Plot the multipliers of the families, most efficient first; see `bayescale.plots.plot_efficiency`.

        Examples
        --------
        >>> posterior.efficiency(reference="Llama-2").plot().figure.savefig("efficiency.png")
        """
        from bayescale.plots import plot_efficiency

        return plot_efficiency(self, ax=ax, prob=prob)

    def log10_multiplier_on(self, benchmark: str | None = None) -> xr.DataArray:
        """Return the log10 multipliers on one benchmark, or overall, dims ``(chain, draw, family)``.

        Errors as in `probability`.

        Examples
        --------
        >>> posterior.efficiency(reference="Llama-2").log10_multiplier_on("MMLU").dims
        ('chain', 'draw', 'family')
        """
        if benchmark is None:
            return self.log10_multiplier
        require_name(benchmark, self.posterior.evals.benchmark_names, "benchmark in the fitted data")
        if benchmark in self.no_slope:
            raise ForecastError(
                f"{benchmark} has no efficiency of its own: {self.no_slope[benchmark]}. Use the overall efficiency."
            )
        return self.benchmark_log10_multiplier.sel(benchmark=benchmark, drop=True)

    def _text(self, prob: float = PROB) -> str:
        table = self.summary(prob=prob)
        shown = table if len(table) <= MOST_LINES else pd.concat([table[:4], table[-4:]])
        width = max(map(len, shown["family"]))
        lines = [
            f"  {r.family:{width}s} x{r.multiplier:<8.3g} [x{r.lower:.3g}, x{r.upper:.3g}]" for r in shown.itertuples()
        ]
        if len(table) > MOST_LINES:
            lines.insert(4, "  ...")
        head = f"Efficiency of {len(table)} families, measured along {self.along}: compute multipliers relative to "
        head += f"{self.reference}, {named(prob)}:"
        without = [f"No efficiency on {name}: {reason}." for name, reason in self.no_slope.items()]
        return "\n".join([head, *lines, *without, "Next: efficiency.summary(), .plot(), .probability(a, b)"])


def _share_above(mine: xr.DataArray, other: xr.DataArray | float) -> xr.DataArray:
    """Return the share of draws in which `mine` is the larger; equal draws count half."""
    return ((mine > other) + 0.5 * (mine == other)).mean(("chain", "draw"))


def _counts(posterior: PosteriorData) -> pd.Series:
    return posterior.evals.models["family"].value_counts()


def compute_efficiency(posterior: PosteriorData, reference: str | None = None, along: Along = ALONG) -> Efficiency:
    """Compute efficiencies relative to `reference`; `Posterior.efficiency` documents arguments and errors."""
    spec, draws = posterior.spec, posterior.draws
    require_compute(spec, "efficiency, a multiple of training compute,")
    if not spec.family_offsets:
        raise ForecastError(
            f"The spec {spec.name!r} has no family offsets: under it all families are equally efficient. Fit one with "
            "family_offsets: true, such as 'default'."
        )
    place, families = family_number(posterior, reference), draws.data.coords["family"]
    posterior.convergence.warn_unless_converged("These efficiencies come")
    equivalent = to_compute_equivalent(draws, draws.family_offset, along)
    slopes = compute_slopes(draws)
    advantage = draws.family_offset @ np.swapaxes(draws.loading, 1, 2) + draws.family_benchmark
    ratio = np.full_like(advantage, np.nan)
    np.divide(
        advantage - advantage[:, [place]],
        slopes[:, None],
        out=ratio,
        where=np.broadcast_to(rising(slopes), ratio.shape),
    )
    counts = {"models": ("family", _counts(posterior)[families].to_numpy())}
    benchmarks = posterior.evals.benchmark_names
    overall = posterior.labelled("log10_multiplier", equivalent - equivalent[:, [place]], family=families)
    by_benchmark = posterior.labelled("log10_multiplier", ratio, family=families, benchmark=benchmarks)
    return Efficiency(
        log10_multiplier=overall.assign_coords(counts),
        benchmark_log10_multiplier=by_benchmark.assign_coords(counts),
        compute_slopes=posterior.labelled("compute_slope", slopes, benchmark=benchmarks),
        reference=families[place],
        along=along,
        posterior=posterior,
    )
