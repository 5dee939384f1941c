"""Training compute that a target needs: a measured score above a threshold, with a given probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

from bayescale._display import Result
from bayescale._intervals import PROB, named, with_interval
from bayescale.analysis.emergence import Emergence, family_curve, say_flops
from bayescale.errors import ForecastError, as_number
from bayescale.forecast.query import LARGEST, SMALLEST
from bayescale.inference.defaults import seed_or_new
from bayescale.model.curve import beta_shapes

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData

# Log10 FLOP to which the compute is found, and how close to 0 or 1 an expected score may come.
_CLOSE, _EDGE = 1e-3, 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class RequiredCompute(Result):
    """Compute with which one model of a family reaches a score; made by `Posterior.required_compute`.

    Two answers. `flops`: the least compute at which a measured score exceeds the threshold with the wanted probability,
    over the posterior, the residual of one model, and the sampling noise of the items. ``draws["log10_flops"]``: the
    compute at which the expected score of one model crosses the threshold, in each draw (`Emergence.threshold`).

    Attributes
    ----------
    draws : xarray.Dataset
        ``log10_flops``, dims ``(chain, draw, family)``; ``inf`` in draws where no compute is enough.
    flops : xarray.DataArray
        Dim ``(family,)``, FLOP; ``inf`` where 1e30 FLOP are not enough, 0 where any compute is.
    benchmark : str
    above, probability : float
        Score and probability to exceed it.
    curves : tuple of Emergence
        One per family.
    posterior : PosteriorData
    random_seed : int

    Examples
    --------
    >>> import bayescale as bs
    >>> required = posterior.required_compute("MMLU", 0.8, ["Llama-3", bs.NEW_FAMILY], probability=0.5)
    >>> required.flops.dims
    ('family',)
    """

    draws: xr.Dataset
    flops: xr.DataArray
    benchmark: str
    above: float
    probability: float
    curves: tuple[Emergence, ...]
    posterior: PosteriorData
    random_seed: int

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the compute, one row per family.

        Returns
        -------
        pandas.DataFrame
            ``family``; ``flops``, with which a measured score is above the threshold with the wanted probability;
            ``median, lower, upper``, of the compute at which the expected score of one model crosses it (FLOP); and
            ``never``, the share of draws in which no compute is enough.

        Examples
        --------
        >>> posterior.required_compute("MMLU", 0.8, "Llama-3").summary()["family"].tolist()
        ['Llama-3']
        """
        rows = []
        for curve, flops in zip(self.curves, self.flops.to_numpy(), strict=True):
            low, middle, high = curve.quantiles(self.above, "single", prob=prob)
            ends = {"median": middle, "lower": low, "upper": high, "never": curve.never(self.above)}
            rows.append({"family": curve.family, "flops": float(flops), **ends})
        return with_interval(pd.DataFrame(rows), prob)

    def costs(self, flops_per_dollar: float, *, prob: float = PROB) -> pd.DataFrame:
        """Return `summary` in dollars, at a price of training compute.

        Parameters
        ----------
        flops_per_dollar : float
            Training compute that a dollar buys: peak FLOP/s of an accelerator, times its utilisation, times 3,600, over
            its price per hour; about 5e17 for an H100 at 40% and 3 dollars.
        prob : float

        Returns
        -------
        pandas.DataFrame
            ``family, dollars, median, lower, upper``, as in `summary`; ``attrs`` has ``flops_per_dollar``.

        Raises
        ------
        ForecastError
            For a price that is not positive.

        Examples
        --------
        >>> posterior.required_compute("MMLU", 0.8, "Llama-3").costs(5e17)["family"].tolist()
        ['Llama-3']
        """
        if not (price := as_number("flops_per_dollar", flops_per_dollar)) > 0:
            raise ForecastError(f"flops_per_dollar={price:g} is not positive.")
        table = self.summary(prob=prob).drop(columns="never").rename(columns={"flops": "dollars"})
        money = ["dollars", "median", "lower", "upper"]
        table[money] = table[money] / price
        return with_interval(table, prob, flops_per_dollar=price)

    def probabilities(self, flops: Sequence[float] | np.ndarray) -> xr.DataArray:
        """Return the probability that a measured score exceeds the threshold, at the given compute.

        Parameters
        ----------
        flops : sequence of float
            Training compute, FLOP.

        Returns
        -------
        xarray.DataArray
            Dims ``(family, flops)``.

        Examples
        --------
        >>> posterior.required_compute("MMLU", 0.8, "Llama-3").probabilities([1e24, 1e25]).shape
        (1, 2)
        """
        import xarray as xr

        compute = np.atleast_1d(np.asarray(flops, dtype=float))
        values = [[exceedance(curve, self.above, c) for c in compute] for curve in self.curves]
        coords = {"family": self.flops["family"].to_numpy(), "flops": compute}
        return xr.DataArray(values, dims=("family", "flops"), coords=coords, name="probability")

    def plot(self, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Plot one interval of the compute per family, with a cross at `flops`.

        Examples
        --------
        >>> posterior.required_compute("MMLU", 0.8, ["Llama-3", "Qwen2"]).plot().get_xscale()
        'log'
        """
        from bayescale.plots import draw_required_compute

        return draw_required_compute(self, ax=ax, prob=prob)

    @cached_property
    def largest(self) -> float:
        """Largest compute of the fitted models, FLOP."""
        return float(self.posterior.evals.models["flops"].max())

    def _text(self, prob: float = PROB) -> str:
        ends = self.summary(prob=prob)[["family", "flops", "median", "lower", "upper"]].to_numpy()
        lines = [
            f"  {family}: {say_flops(flops)} FLOP; {say_flops(middle)} [{say_flops(low)}, {say_flops(high)}]"
            for family, flops, middle, low, high in ends
        ]
        head = (
            f"Compute with which one model measures above {self.above:g} on {self.benchmark}, with probability "
            f"{self.probability:g}; and at which its expected score crosses {self.above:g} [{named(prob)} "
            f"credible interval]. Largest in the data: {say_flops(self.largest)} FLOP."
        )
        return "\n".join([head, *lines, "Next: required.summary(), .plot(), .probabilities(flops)"])


def exceedance(curve: Emergence, score: float, flops: float) -> float:
    """Return the probability that one model of a curve, with this compute, measures above a score.

    Given the expected score, the share of a model's right items is Beta, and their number binomial. The share is drawn
    by the same uniform numbers at all compute, so that the probability is a smooth function of it.
    """
    draws, b = curve.posterior.draws, curve.posterior.evals.benchmark_names.index(curve.benchmark)
    expected = curve.expected_scores([flops], "single").to_numpy().reshape(-1, 1).clip(_EDGE, 1 - _EDGE)
    shapes = beta_shapes(expected, draws.score_precision(expected, np.array([b])))
    # A stream of its own: that of the seed alone has made the residuals.
    share = betaincinv(*shapes, np.random.default_rng([curve.random_seed, 1]).random(expected.shape))
    items = draws.data.items[b]
    right = np.floor(score * items + _EDGE)
    return float(betainc(right + 1, items - right, share).mean())  # P(more than `right` of the items | share)


def least_compute(curve: Emergence, score: float, probability: float) -> float:
    """Return the least compute, FLOP, at which `exceedance` is `probability`; 0 or ``inf`` beyond plausible compute."""
    low, high = np.log10(SMALLEST["flops"]), np.log10(LARGEST["flops"])

    def missing(log10_flops: float) -> float:
        return exceedance(curve, score, 10**log10_flops) - probability

    if missing(high) < 0:
        return np.inf
    return 0.0 if missing(low) >= 0 else float(10 ** brentq(missing, low, high, xtol=_CLOSE))


def compute_required(
    posterior: PosteriorData,
    benchmark: str,
    above: float,
    family: str | Sequence[str] | None,
    probability: float,
    random_seed: int | None,
) -> RequiredCompute:
    """Find the compute that a target needs; `Posterior.required_compute` documents arguments and errors."""
    import xarray as xr

    random_seed = seed_or_new(random_seed)
    if not 0 < (wanted := as_number("probability", probability)) < 1:
        raise ForecastError(f"probability={wanted:g} is not between 0 and 1.")
    names = [family] if family is None or isinstance(family, str) else list(dict.fromkeys(family))
    if not names:
        raise ForecastError("family is empty: name one or several, or leave it out.")
    curves = tuple(family_curve(posterior, benchmark, name, random_seed) for name in names)
    posterior.convergence.warn_unless_converged("This compute comes")
    families = [curve.family for curve in curves]
    crossing = [curve.log10_threshold(as_number("above", above), "single") for curve in curves]
    draws = xr.concat(crossing, "family").assign_coords(family=families).transpose("chain", "draw", "family")
    flops = [least_compute(curve, float(above), wanted) for curve in curves]
    least = xr.DataArray(flops, dims="family", coords={"family": families}, name="flops")
    return RequiredCompute(draws.to_dataset(), least, benchmark, float(above), wanted, curves, posterior, random_seed)
