"""Gain: what a post-training technique adds to a score, over the compute of a family's models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._display import as_html
from bayescale._intervals import KIND, PROB, summarise
from bayescale.analysis.compute_equivalent import ALONG, Along, Of
from bayescale.analysis.emergence import Emergence, family_curve, flops_quantiles, say_flops
from bayescale.errors import EmergenceError, percentage_hint

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.evals import Evals
    from bayescale.inference.posterior import PosteriorData

# Beyond the compute of the data a gain is looked for this far: below it curves lie on their floors, above it nobody
# has trained.
DECADES_BELOW, DECADES_ABOVE = 1.0, 2.0
# Starts are interpolated between points; closer ones move none by more than a hundredth of a decade.
POINTS_PER_DECADE = 20
PAYS = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Gain:
    """Expected score with an intervention less that without it, of one family, over training compute.

    Both are benchmarks of the data, such as GSM8K with a chain of thought and with a direct answer (Ruan, Maddison &
    Hashimoto 2024, arXiv:2405.10938, section 4.3), and both curves are of the same models draw by draw: what a family
    or a model owes to its capability moves both. A gain need not grow with compute: where the score without
    the intervention catches up, it shrinks.

    Attributes
    ----------
    intervention, baseline : Emergence
        The two curves over compute, of one family and of the same single models.

    Examples
    --------
    >>> gain = posterior.gain("GSM8K CoT + SC", over="GSM8K direct", family="Llama-2")
    >>> gain.summary([1e22, 1e23, 1e24])[["flops", "median", "lower", "upper", "positive"]].shape
    (3, 5)

    Many at once are one table:

    >>> import pandas as pd
    >>> gains = [posterior.gain("GSM8K CoT + SC", over="GSM8K direct", family=f) for f in ("Llama-2", "Qwen1.5")]
    >>> pd.concat([gain.summary([1e24]) for gain in gains])["family"].tolist()
    ['Llama-2', 'Qwen1.5']
    """

    intervention: Emergence
    baseline: Emergence

    @property
    def benchmark(self) -> str:
        """Name of the benchmark with the intervention."""
        return self.intervention.benchmark

    @property
    def over(self) -> str:
        """Name of the benchmark without it."""
        return self.baseline.benchmark

    @property
    def family(self) -> str:
        """Name of the family."""
        return self.baseline.family

    @property
    def flops_range(self) -> tuple[float, float]:
        """Compute between which gains are looked for, FLOP: that of the data, a decade below and two above."""
        flops = self.baseline.posterior.evals.models["flops"]
        return float(flops.min()) / 10**DECADES_BELOW, float(flops.max()) * 10**DECADES_ABOVE

    def expected_gain(self, flops: Sequence[float] | np.ndarray, of: Of = "typical") -> xr.DataArray:
        """Expected score with the intervention less that without it.

        Parameters
        ----------
        flops : sequence of float
            Training compute, FLOP.
        of : {"typical", "single"}
            The typical model of the family, or a single one with luck of its own (the same in both scores).

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, flops)``, differences of scores in [-1, 1].

        Raises
        ------
        EmergenceError
            For compute that is not positive, or when `of` is neither word.

        Examples
        --------
        >>> posterior.gain("GSM8K CoT + SC", over="GSM8K direct").expected_gain([1e23, 1e24]).dims
        ('chain', 'draw', 'flops')
        """
        difference = self.intervention.expected_scores(flops, of) - self.baseline.expected_scores(flops, of)
        return difference.rename("expected_gain")

    def summary(
        self, flops: Sequence[float] | np.ndarray | None = None, of: Of = "typical", prob: float = PROB
    ) -> pd.DataFrame:
        """Median gains with equal-tailed credible intervals.

        Parameters
        ----------
        flops : sequence of float, optional
            Training compute, FLOP; default one point a decade over the compute of the data.
        of : {"typical", "single"}
        prob : float
            Probability content of the intervals.

        Returns
        -------
        pandas.DataFrame
            ``benchmark, over, family, of, flops, mean, median, lower, upper, positive`` (probability that there is a
            gain at all), ``prob, interval``; one row per compute.

        Raises
        ------
        EmergenceError
            As `expected_gain`.
        ForecastError
            When `prob` is not between 0 and 1.

        Examples
        --------
        >>> table = posterior.gain("GSM8K CoT + SC", over="GSM8K direct").summary([1e23, 1e24])
        >>> bool(table["positive"].between(0, 1).all())
        True
        """
        draws = self.expected_gain(self._decades() if flops is None else flops, of)
        table = summarise(draws, prob).assign(
            **self._names(of), positive=(draws > 0).mean(("chain", "draw")).to_numpy()
        )
        figures = ["mean", "median", "lower", "upper", "positive", "prob", "interval"]
        return table[[*self._names(of), "flops", *figures]]

    def starts_to_pay(
        self, gain: float | Sequence[float] = PAYS, of: Of = "typical", prob: float = PROB
    ) -> pd.DataFrame:
        """Compute from which the gain exceeds an amount, and the probability that it does so at all.

        Parameters
        ----------
        gain : float or sequence of float
            Differences of scores; default five points. For 0 the answer hangs on which guessing floor is the lower,
            where the two may hardly differ.
        of : {"typical", "single"}
        prob : float
            Probability content of the intervals.

        Returns
        -------
        pandas.DataFrame
            ``benchmark, over, family, of, gain, median, lower, upper`` (FLOP; ``inf`` where that share of draws never
            gets there, 0 where it is there from the start), ``ever`` (probability that the gain exceeds the amount
            anywhere in `flops_range`), ``from_start`` (probability that it does so from the lower end on),
            ``flops_low, flops_high`` (the range), ``prob, interval``; one row per amount.

        Raises
        ------
        EmergenceError
            For an amount that is no difference of scores, or when `of` is neither word.
        ForecastError
            When `prob` is not between 0 and 1.

        Examples
        --------
        >>> posterior.gain("GSM8K CoT + SC", over="GSM8K direct").starts_to_pay([0.05, 0.1])["gain"].tolist()
        [0.05, 0.1]
        """
        low, high = self.flops_range
        rows = []
        for amount in np.atleast_1d(np.asarray(gain, dtype=object)):
            start = self.log10_start(amount, of)
            ends = dict(zip(("lower", "median", "upper"), flops_quantiles(start, prob), strict=True))
            rows.append(
                {
                    **self._names(of),
                    "gain": float(amount),
                    **{name: ends[name] for name in ("median", "lower", "upper")},
                    "ever": float((start < np.inf).mean()),
                    "from_start": float((start == -np.inf).mean()),
                    "flops_low": low,
                    "flops_high": high,
                    "prob": prob,
                    "interval": KIND,
                }
            )
        return pd.DataFrame(rows)

    def log10_start(self, gain: float = PAYS, of: Of = "typical") -> xr.DataArray:
        """Where the stretch of compute begins on which the gain exceeds an amount; of several, that of the greatest.

        Parameters
        ----------
        gain : float
        of : {"typical", "single"}

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw)``, log10 FLOP: ``-inf`` in draws where the stretch begins below `flops_range`, ``inf``
            where nowhere in it the gain exceeds the amount.

        Raises
        ------
        EmergenceError
            As `starts_to_pay`.

        Examples
        --------
        >>> posterior.gain("GSM8K CoT + SC", over="GSM8K direct").log10_start(0.05).dims
        ('chain', 'draw')
        """
        amount = _read(gain)
        grid = self._grid()
        excess = self.expected_gain(10**grid, of) - amount
        values = excess.to_numpy().reshape(-1, len(grid))
        rows, peak = np.arange(len(values)), values.argmax(axis=1)
        # The last point at or below the amount before the peak; the crossing lies between it and the next.
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

    def observed(self, scores: Evals | pd.DataFrame | None = None, along: Along = ALONG) -> pd.DataFrame:
        """Observed gains, at the compute with which the family gets as far as their models.

        Parameters
        ----------
        scores : Evals or pandas.DataFrame, optional
            Scores that were not fitted, as in `Emergence.observed`. Returned are then the models of which one or both
            scores were not fitted. Default: those of which both were.
        along : {"capabilities", "benchmarks"}
            See `Efficiency`.

        Returns
        -------
        pandas.DataFrame
            ``model, family, gain, equivalent_flops``. Models of unknown compute are there too: they stand by their
            own capability.

        Raises
        ------
        EmergenceError
            As `Emergence.observed`.

        Examples
        --------
        >>> "model" in posterior.gain("GSM8K CoT + SC", over="GSM8K direct").observed()
        True
        """
        fitted = self._paired(None, along)
        if scores is None:
            return fitted
        every = self._paired(scores, along)
        return every[~every["model"].isin(fitted["model"])].reset_index(drop=True)

    def _paired(self, scores: Evals | pd.DataFrame | None, along: Along) -> pd.DataFrame:
        """Gains of the models with both scores, among those fitted and, where given, `scores`."""
        tables = []
        for curve in (self.intervention, self.baseline):
            parts = [curve.observed(along=along)]
            if scores is not None:
                parts.append(curve.observed(scores, along))
            tables.append(pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True))
        with_it, without = tables
        both = with_it.merge(without[["model", "score"]], on="model", suffixes=("", "_without"))
        return both.assign(gain=both["score"] - both["score_without"])[["model", "family", "gain", "equivalent_flops"]]

    def plot(
        self, amount: float | None = PAYS, hidden: Evals | pd.DataFrame | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the gain over compute with its bands, observed gains on it; see `bayescale.plots.plot_gain`.

        Examples
        --------
        >>> posterior.gain("GSM8K CoT + SC", over="GSM8K direct").plot(0.1).get_xscale()
        'log'
        """
        from bayescale.plots import plot_gain

        return plot_gain(self, amount, hidden, ax)

    def _grid(self) -> np.ndarray:
        low, high = np.log10(self.flops_range)
        return np.linspace(low, high, 2 + int(POINTS_PER_DECADE * (high - low)))

    def _decades(self) -> np.ndarray:
        flops = self.baseline.posterior.evals.models["flops"]
        return 10.0 ** np.arange(np.floor(np.log10(flops.min())), np.ceil(np.log10(flops.max())) + 1)

    def _names(self, of: Of) -> dict[str, str]:
        return {"benchmark": self.benchmark, "over": self.over, "family": self.family, "of": of}

    def __repr__(self) -> str:
        row = self.starts_to_pay().iloc[0]
        return (
            f"Gain of {self.benchmark} over {self.over} for {self.family}: above {PAYS:.0%} from "
            f"{say_flops(row['median'])} FLOP on ({PROB:.0%} {row['interval']}: {say_flops(row['lower'])} to "
            f"{say_flops(row['upper'])}), if typical of its family; probability that it gets there by "
            f"{say_flops(row['flops_high'])} FLOP {row['ever']:.0%}.\n"
            "Next: gain.summary(), .starts_to_pay(amount), .plot()"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self), self.summary())


def _read(gain: float) -> float:
    try:
        value = float(gain)
    except (TypeError, ValueError):
        raise EmergenceError(f"gain={gain!r} is not a number.") from None
    if not -1 < value < 1:
        raise EmergenceError(f"gain={value:g} is no difference of scores in [0, 1].{percentage_hint(value)}")
    return value


def gain(posterior: PosteriorData, benchmark: str, over: str, family: str | None = None, random_seed: int = 0) -> Gain:
    """Subtract two curves of a family; `Posterior.gain` documents the arguments.

    Raises
    ------
    EmergenceError
        For an unknown benchmark or family, twice the same benchmark, or a spec with other covariates than compute.
    """
    if benchmark == over:
        raise EmergenceError(f"The gain of {benchmark!r} over itself is zero: name two benchmarks.")
    found = Gain(*(family_curve(posterior, name, family, random_seed) for name in (benchmark, over)))
    posterior.verdict.warn_unless_converged("This gain comes")
    return found
