"""Uplift: the difference that a post-training technique makes to a score, over the compute of a family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import PROB, flops_quantiles, named, summarise, with_interval
from bayescale.analysis.compute_equivalent import ALONG, Along, Of
from bayescale.analysis.emergence import Emergence, family_curve, say_flops
from bayescale.errors import ForecastError, as_number, percentage_hint
from bayescale.inference.defaults import seed_or_new

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.analysis.emergence import Hidden
    from bayescale.inference.posterior import PosteriorData

# Search range beyond the compute of the data, in log10 FLOP: below it curves lie on their floors, above it nobody has
# trained.
LOG10_BELOW, LOG10_ABOVE = 1.0, 2.0
# Grid points per factor of ten, interpolated between: a finer grid moves no start by more than 0.01 in log10 FLOP.
POINTS_PER_LOG10 = 20
THRESHOLD = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Uplift(Result):
    """Expected score with an intervention minus the baseline, of one family, over training compute.

    Both are benchmarks of the data, such as GSM8K with a chain of thought and with a direct answer (Ruan, Maddison &
    Hashimoto 2024, arXiv:2405.10938, section 4.3), and both curves describe the same models in each draw: family
    offsets and residuals move both. Uplift need not grow with compute: it shrinks where the baseline catches up.

    Attributes
    ----------
    curve, baseline_curve : Emergence
        The curves over compute with and without the intervention, of one family and the same single models.

    Examples
    --------
    >>> uplift = posterior.uplift("GSM8K CoT + SC", baseline="GSM8K direct", family="Llama-2")
    >>> uplift.summary([1e22, 1e23, 1e24])[["flops", "median", "lower", "upper", "positive"]].shape
    (3, 5)

    Many at once are one table:

    >>> import pandas as pd
    >>> tables = {f: posterior.uplift("GSM8K CoT + SC", "GSM8K direct", f).summary() for f in ("Llama-2", "Qwen1.5")}
    >>> pd.concat(tables, names=["family", None]).index.names
    FrozenList(['family', None])
    """

    curve: Emergence
    baseline_curve: Emergence

    @property
    def benchmark(self) -> str:
        """Name of the benchmark with the intervention."""
        return self.curve.benchmark

    @property
    def baseline(self) -> str:
        """Name of the benchmark without it."""
        return self.baseline_curve.benchmark

    @property
    def family(self) -> str:
        """Name of the family."""
        return self.baseline_curve.family

    @property
    def random_seed(self) -> int:
        """Seed of the residuals, the same in both curves."""
        return self.curve.random_seed

    @property
    def flops_range(self) -> tuple[float, float]:
        """Search range of compute in FLOP: from a tenth of the least compute in the data to 100 times the most."""
        flops = self.baseline_curve.posterior.evals.models["flops"]
        return float(flops.min()) / 10**LOG10_BELOW, float(flops.max()) * 10**LOG10_ABOVE

    def expected_uplift(self, flops: Sequence[float] | np.ndarray, of: Of = "typical") -> xr.DataArray:
        """Return the expected score with the intervention minus that of the baseline.

        Parameters
        ----------
        flops : sequence of float
            Training compute, FLOP.
        of : {"typical", "single"}
            The typical model of the family, or a single one with its own residual (the same in both scores).

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, flops)``, differences of scores in [-1, 1].

        Raises
        ------
        ForecastError
            For compute that is not positive, or when `of` is neither word.

        Examples
        --------
        >>> posterior.uplift("GSM8K CoT + SC", "GSM8K direct").expected_uplift([1e23, 1e24]).dims
        ('chain', 'draw', 'flops')
        """
        difference = self.curve.expected_scores(flops, of) - self.baseline_curve.expected_scores(flops, of)
        return difference.rename("expected_uplift")

    def summary(
        self, flops: Sequence[float] | np.ndarray | None = None, of: Of = "typical", *, prob: float = PROB
    ) -> pd.DataFrame:
        """Summarise uplift by medians with equal-tailed credible intervals.

        Parameters
        ----------
        flops : sequence of float, optional
            Training compute, FLOP; default the powers of ten over the compute of the data.
        of : {"typical", "single"}
        prob : float

        Returns
        -------
        pandas.DataFrame
            ``flops, median, lower, upper, positive`` (probability that the uplift is positive); one row per compute.
            ``attrs`` has ``benchmark, baseline, family, of``.

        Examples
        --------
        >>> table = posterior.uplift("GSM8K CoT + SC", "GSM8K direct").summary([1e23, 1e24])
        >>> bool(table["positive"].between(0, 1).all())
        True
        """
        draws = self.expected_uplift(self._powers_of_ten() if flops is None else flops, of)
        table = summarise(draws, prob=prob).drop(columns="mean")
        positive = (draws > 0).mean(("chain", "draw")).to_numpy()
        return with_interval(table.assign(positive=positive), prob, **self._names(of))

    def to_xarray(self) -> xr.Dataset:
        import xarray as xr

        kinds: tuple[Of, Of] = ("typical", "single")
        uplifts = [self.expected_uplift(self._powers_of_ten(), kind) for kind in kinds]
        dataset = xr.concat(uplifts, pd.Index(kinds, name="of")).to_dataset()
        names = {"benchmark": self.benchmark, "baseline": self.baseline, "family": self.family}
        return dataset.assign_attrs(names, random_seed=self.random_seed)

    def starts_to_pay(
        self, threshold: float | Sequence[float] = THRESHOLD, of: Of = "typical", *, prob: float = PROB
    ) -> pd.DataFrame:
        """Return the compute from which the uplift exceeds a threshold, and the probability that it does so at all.

        Parameters
        ----------
        threshold : float or sequence of float
            Differences of scores; default five points. For 0 the result depends on which guessing floor is lower, and
            the two may hardly differ.
        of : {"typical", "single"}
        prob : float

        Returns
        -------
        pandas.DataFrame
            ``threshold, median, lower, upper`` (FLOP; ``inf`` where that share of draws never exceeds it, 0 where they
            exceed it from the start), ``ever`` (probability that the uplift exceeds the threshold anywhere in
            `flops_range`), ``from_start`` (probability that it does so from the lower end on); one row per threshold.
            ``attrs`` has ``benchmark, baseline, family, of``, and ``flops_low, flops_high``, the range.

        Raises
        ------
        ForecastError
            For a threshold that is no difference of scores, or a `prob` or `of` that is not defined.

        Examples
        --------
        >>> posterior.uplift("GSM8K CoT + SC", "GSM8K direct").starts_to_pay([0.05, 0.1])["threshold"].tolist()
        [0.05, 0.1]
        """
        reach = dict(zip(("flops_low", "flops_high"), self.flops_range, strict=True))
        rows = []
        for amount in np.atleast_1d(np.asarray(threshold, dtype=object)):
            start = self.log10_start(amount, of)
            low, middle, high = flops_quantiles(start, prob=prob)
            ends = {"threshold": float(amount), "median": middle, "lower": low, "upper": high}
            ever, from_start = (float(share.mean()) for share in (start < np.inf, start == -np.inf))
            shares = {"ever": ever, "from_start": from_start}
            rows.append({**ends, **shares})
        return with_interval(pd.DataFrame(rows), prob, **self._names(of), **reach)

    def log10_start(self, threshold: float = THRESHOLD, of: Of = "typical") -> xr.DataArray:
        """Return the start of the range of compute in which the uplift exceeds a threshold, around its maximum.

        Arguments and errors as in `starts_to_pay`.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw)``, log10 FLOP: ``-inf`` in draws where the range begins below `flops_range`, ``inf``
            where the uplift exceeds the threshold nowhere in it.

        Examples
        --------
        >>> posterior.uplift("GSM8K CoT + SC", "GSM8K direct").log10_start(0.05).dims
        ('chain', 'draw')
        """
        amount = as_number("threshold", threshold)
        if not -1 < amount < 1:
            hint = percentage_hint(amount)
            raise ForecastError(f"threshold={amount:g} is not a difference of scores in [0, 1].{hint}")
        low, high = np.log10(self.flops_range)
        grid = np.linspace(low, high, 2 + int(POINTS_PER_LOG10 * (high - low)))
        excess = self.expected_uplift(10**grid, of) - amount
        values = excess.to_numpy().reshape(-1, len(grid))
        rows, peak = np.arange(len(values)), values.argmax(axis=1)
        # The last point at or below the threshold before the peak; the crossing lies between it and the next.
        before = (values <= 0) & (np.arange(len(grid)) < peak[:, None])
        last = len(grid) - 1 - before[:, ::-1].argmax(axis=1)
        crossing = before.any(axis=1)
        last = np.where(crossing, last, 0)
        under, above = values[rows, last], values[rows, last + 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            start = grid[last] + (grid[last + 1] - grid[last]) * under / (under - above)
        start = np.where(crossing, start, -np.inf)
        start = np.where(values[rows, peak] > 0, start, np.inf)
        shape = excess.isel(flops=0, drop=True)
        return shape.copy(data=start.reshape(shape.shape)).rename("log10_flops")

    def observed(self, hidden: Hidden = None, along: Along = ALONG) -> pd.DataFrame:
        """Return observed uplifts, at the compute equivalent of their models.

        Parameters
        ----------
        hidden : Evals or pandas.DataFrame, optional
            Scores that were not fitted, as in `Emergence.observed`; the table then has the models of which one or both
            scores were not fitted. Default: models of which both scores were fitted.
        along : {"capabilities", "benchmarks"}
            See `Efficiency`.

        Returns
        -------
        pandas.DataFrame
            ``model, family, uplift, equivalent_flops``. Models of unknown compute are included: the compute equivalent
            depends on their capability alone.

        Examples
        --------
        >>> "model" in posterior.uplift("GSM8K CoT + SC", "GSM8K direct").observed()
        True
        """
        fitted = self._paired(None, along)
        if hidden is None:
            return fitted
        every = self._paired(hidden, along)
        return every[~every["model"].isin(fitted["model"])].reset_index(drop=True)

    def _paired(self, hidden: Hidden, along: Along) -> pd.DataFrame:
        """Compute the uplifts of models with both scores, among the fitted scores and, if given, `hidden`."""
        tables = []
        for curve in (self.curve, self.baseline_curve):
            parts = [curve.observed(along=along), *([] if hidden is None else [curve.observed(hidden, along)])]
            tables.append(pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True))
        with_it, without = tables
        both = with_it.merge(without[["model", "score"]], on="model", suffixes=("", "_without"))
        uplift = both["score"] - both["score_without"]
        return both.assign(uplift=uplift)[["model", "family", "uplift", "equivalent_flops"]]

    def plot(
        self, threshold: float | None = THRESHOLD, hidden: Hidden = None, ax: Axes | None = None, *, prob: float = PROB
    ) -> Axes:
        """Plot the uplift over compute with its bands and observed uplifts; see `bayescale.plots.plot_uplift`.

        Examples
        --------
        >>> posterior.uplift("GSM8K CoT + SC", "GSM8K direct").plot(0.1).get_xscale()
        'log'
        """
        from bayescale.plots import plot_uplift

        return plot_uplift(self, threshold, hidden, ax, prob=prob)

    def _powers_of_ten(self) -> np.ndarray:
        flops = self.baseline_curve.posterior.evals.models["flops"]
        return 10.0 ** np.arange(np.floor(np.log10(flops.min())), np.ceil(np.log10(flops.max())) + 1)

    def _names(self, of: Of) -> dict[str, str]:
        return {"benchmark": self.benchmark, "baseline": self.baseline, "family": self.family, "of": of}

    def _text(self, prob: float = PROB) -> str:
        row = self.starts_to_pay(prob=prob).iloc[0]
        return (
            f"Uplift of {self.benchmark} over {self.baseline}, for a typical {self.family} model: above "
            f"{THRESHOLD:.0%} from {say_flops(row['median'])} FLOP ({named(prob)}: "
            f"{say_flops(row['lower'])} to {say_flops(row['upper'])}); probability that it exceeds this by "
            f"{say_flops(self.flops_range[1])} FLOP: {row['ever']:.0%}.\n"
            "Next: uplift.summary(), .starts_to_pay(threshold), .plot()"
        )


def compute_uplift(
    posterior: PosteriorData,
    benchmark: str,
    baseline: str,
    family: str | None = None,
    *,
    random_seed: int | None = None,
) -> Uplift:
    """Subtract two curves of a family; `Posterior.uplift` documents arguments and errors."""
    if benchmark == baseline:
        raise ForecastError(f"The uplift of {benchmark!r} over itself is zero: name two benchmarks.")
    seed = seed_or_new(random_seed)
    uplift = Uplift(*(family_curve(posterior, name, family, seed) for name in (benchmark, baseline)))
    posterior.convergence.warn_unless_converged("This uplift comes")
    return uplift
