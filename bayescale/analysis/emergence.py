"""Emergence: the training compute at which a family's expected score on a benchmark crosses a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import PROB, flops_quantiles, percent, with_interval
from bayescale.analysis.compute_equivalent import (
    ALONG,
    Along,
    Of,
    compute_slopes,
    equivalent_log10_flops,
    family_number,
    require_compute,
)
from bayescale.errors import ForecastError, percentage_hint, require_name, suggest
from bayescale.forecast.query import LARGEST, NEW_FAMILY
from bayescale.inference.defaults import seed_or_new
from bayescale.model.curve import expected_score, logit_of_share

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.evals import Evals
    from bayescale.inference.posterior import PosteriorData

    Hidden = Evals | pd.DataFrame | None

HALF_WAY = "half way"
Score = float | Literal["half way"] | None


@dataclass(frozen=True, eq=False, repr=False)
class Emergence(Result):
    """Expected scores of one family on one benchmark, over training compute.

    Per draw the logit of the expected score is a line over log10 compute, ``level + slope * (log10 C - centre)``, and
    the score rises along the benchmark's curve between its floor and ceiling (Ruan, Maddison & Hashimoto 2024,
    arXiv:2405.10938, section 4.1: what looks like a jump over compute is the steep part of a sigmoid). A *typical*
    model is at its family's location: its residual capability and testlet effects are zero. A *single* model
    has its own, drawn from their distribution: the threshold of a model that is yet to be trained is less certain than
    that of its family. A new family (`bayescale.NEW_FAMILY`) is drawn from the population of families.

    Attributes
    ----------
    draws : xarray.Dataset
        Dims ``(chain, draw)``: ``level`` (logit of the typical model at `centre`), ``slope`` (logits per factor of
        ten of compute), ``residual`` (logits of a single model above the typical one), ``floor``, ``ceiling`` and
        ``shape`` (see `bayescale.model.curve`).
    benchmark, family : str
    centre : float
        Log10 FLOP.
    posterior : PosteriorData
    random_seed : int
        Seed of the residuals.

    Examples
    --------
    >>> emergence = posterior.emergence("GSM8K", "Llama-2")
    >>> emergence.summary([0.5])[["threshold", "of", "median", "lower", "upper", "never"]].shape
    (4, 6)
    """

    draws: xr.Dataset
    benchmark: str
    family: str
    centre: float
    posterior: PosteriorData
    random_seed: int

    def expected_scores(self, flops: Sequence[float] | np.ndarray, of: Of = "typical") -> xr.DataArray:
        """Return expected scores of models of the family at the given compute.

        Parameters
        ----------
        flops : sequence of float
            Training compute, FLOP.
        of : {"typical", "single"}
            The typical model, or a single one with its own residual (in each draw the same at all compute).

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, flops)``, scores in [0, 1].

        Raises
        ------
        ForecastError
            For compute that is not positive, or when `of` is neither word.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").expected_scores([1e22, 1e23, 1e24]).dims
        ('chain', 'draw', 'flops')
        """
        import xarray as xr

        compute = np.atleast_1d(np.asarray(flops, dtype=float))
        if not (compute > 0).all():
            raise ForecastError(f"flops={flops!r} must be positive numbers: training compute in FLOP.")
        log10_flops = xr.DataArray(np.log10(compute) - self.centre, dims="flops", coords={"flops": compute})
        logit = self._level(of) + self.draws["slope"] * log10_flops
        scores = expected_score(logit, self.draws["floor"], self.draws["ceiling"], self.draws["shape"])
        return scores.transpose("chain", "draw", "flops").rename("expected_score")

    def threshold(self, score: Score = None, of: Of = "typical") -> xr.DataArray:
        """Return the compute at which the expected score crosses a threshold.

        Parameters
        ----------
        score : float or "half way", optional
            A score in [0, 1]. Default ``"half way"`` from the guessing floor, as each draw has it, to the ceiling:
            where a sigmoid is steepest.
        of : {"typical", "single"}

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw)``, FLOP: ``inf`` in draws where no compute reaches the score (a slope that is not
            positive, or a ceiling below the score), 0 where the guessing floor is not below the score. See
            `log10_threshold` for draws beyond what a floating-point number of FLOP holds.

        Raises
        ------
        ForecastError
            For a score outside [0, 1], or one that in half of the draws is not between floor and ceiling.

        Examples
        --------
        >>> flops = posterior.emergence("GSM8K", "Llama-2").threshold(0.5)
        >>> bool((flops > 1e22).all())
        True
        """
        with np.errstate(over="ignore"):
            return (10 ** self.log10_threshold(score, of)).rename("flops")

    def log10_threshold(self, score: Score = None, of: Of = "typical") -> xr.DataArray:
        """Return the log10 of `threshold`, dims ``(chain, draw)``, log10 FLOP.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").log10_threshold(0.5).dims
        ('chain', 'draw')
        """
        score, slope = self._read(score), self.draws["slope"]
        floor, ceiling = self.draws["floor"], self.draws["ceiling"]
        share = floor * 0 + 0.5 if score is None else (score - floor) / (ceiling - floor)
        above_floor, reached = share > 0, (slope > 0) & (share < 1)
        logit = logit_of_share(share.where(above_floor & (share < 1), 0.5), self.draws["shape"])
        crossing = self.centre + (logit - self._level(of)) / slope.where(reached, 1.0)
        crossing = crossing.where(reached, np.inf).where(above_floor, -np.inf)
        return crossing.transpose("chain", "draw").rename("log10_flops")

    def never(self, score: Score = None) -> float:
        """Return the share of draws in which no compute reaches the score.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").never(0.5)
        0.0
        """
        return float(np.isposinf(self.log10_threshold(score)).mean())

    def summary(self, scores: Sequence[float] = (), *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the compute at thresholds by medians with equal-tailed credible intervals.

        Parameters
        ----------
        scores : sequence of float
            Scores, in addition to half way.
        prob : float

        Returns
        -------
        pandas.DataFrame
            ``score`` (for half way its median), ``threshold`` (``half way`` or ``score``), ``of`` (``typical`` or
            ``single`` model), ``median, lower, upper`` (FLOP), ``never`` (share of draws); one row per threshold and
            kind of model. ``attrs`` has ``benchmark`` and ``family``.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").summary([0.5, 0.8])["threshold"].tolist()
        ['half way', 'half way', 'score', 'score', 'score', 'score']
        """
        rows = []
        for score in (None, *scores):
            about = {
                "score": self.half_way if score is None else score,
                "threshold": HALF_WAY if score is None else "score",
            }
            for of in ("typical", "single"):
                low, middle, high = self.quantiles(score, of, prob=prob)
                ends = {"median": middle, "lower": low, "upper": high, "never": self.never(score)}
                rows.append({**about, "of": of, **ends})
        return with_interval(pd.DataFrame(rows), prob, benchmark=self.benchmark, family=self.family)

    def quantiles(self, score: Score = None, of: Of = "typical", *, prob: float = PROB) -> tuple[float, float, float]:
        """Return lower end, median and upper end of `threshold`, FLOP; ``inf`` where that share of draws never crosses.

        Examples
        --------
        >>> low, middle, high = posterior.emergence("GSM8K", "Llama-2").quantiles(0.5, prob=0.5)
        >>> low < middle < high
        True
        """
        return flops_quantiles(self.log10_threshold(score, of), prob=prob)

    @property
    def half_way(self) -> float:
        """Score half way from floor to ceiling, median over draws."""
        return float((self.draws["floor"] + self.draws["ceiling"]).median() / 2)

    def statement(self, score: Score = None, *, prob: float = PROB) -> str:
        """Describe in one sentence the compute at which models of the family pass a score.

        For the typical model, and for any one model with its own residual. For a model that is yet to be trained, use
        the second.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").statement(0.5)[:44]
        'A typical Llama-2 model passes 50% on GSM8K '
        """
        score = self._read(score)
        where = f"half way (above {100 * self.half_way:.3g}%)" if score is None else f"{100 * score:.3g}%"
        low, middle, high = map(say_flops, self.quantiles(score, "typical", prob=prob))
        single_low, single, single_high = map(say_flops, self.quantiles(score, "single", prob=prob))
        never = self.never(score)
        warning = f" In {never:.1%} of the draws no compute is enough." if never > 0 else ""
        model = "model of a new family" if self.family == NEW_FAMILY else f"{self.family} model"
        return (
            f"A typical {model} passes {where} on {self.benchmark} at {middle} FLOP "
            f"({percent(prob)}: {low} to {high}); any one model, with its own variation, at {single} FLOP "
            f"({percent(prob)}: {single_low} to {single_high}).{warning}"
        )

    def observed(self, hidden: Hidden = None, along: Along = ALONG) -> pd.DataFrame:
        """Return observed scores on the benchmark, at the compute equivalent of their models.

        Parameters
        ----------
        hidden : Evals or pandas.DataFrame, optional
            Scores that were not fitted, with columns ``model, benchmark, score``, of models of the fitted data; fitted
            scores and scores on other benchmarks are left out. Default: the scores that were fitted.
        along : {"capabilities", "benchmarks"}
            See `Efficiency`.

        Returns
        -------
        pandas.DataFrame
            ``model, family, score`` and ``equivalent_flops``, the posterior median of the compute with which
            `family` reaches the model's own capability (``of="single"`` in `Efficiency.equivalent_flops`).

        Raises
        ------
        ForecastError
            For scores of models that are not in the fitted data, or a missing column.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").observed().columns.tolist()
        ['model', 'family', 'score', 'equivalent_flops']
        """
        from bayescale.evals import Evals

        evals, draws = self.posterior.evals, self.posterior.draws
        fitted = evals.scores[evals.scores["benchmark"] == self.benchmark]
        if hidden is None:
            chosen = fitted
        else:
            table = hidden.scores if isinstance(hidden, Evals) else hidden
            if missing := {"model", "benchmark", "score"} - set(table.columns):
                raise ForecastError(f"The table of hidden scores lacks the columns {', '.join(sorted(missing))}.")
            chosen = table[(table["benchmark"] == self.benchmark) & ~table["model"].isin(fitted["model"])]
            if unknown := sorted(set(chosen["model"]) - set(evals.model_names)):
                raise ForecastError(
                    f"{suggest(unknown[0], evals.model_names, 'model in the fitted data')} Its capability is not "
                    "known: fit with its other scores, or leave it out."
                )
        place = None if self.family == NEW_FAMILY else draws.data.coords["family"].index(self.family)
        worth = np.median(equivalent_log10_flops(draws, place, "single", along), axis=0)
        models = evals.models.assign(equivalent_flops=10**worth)[["model", "family", "equivalent_flops"]]
        return chosen[["model", "score"]].merge(models, on="model")[["model", "family", "score", "equivalent_flops"]]

    def plot(self, score: Score = None, hidden: Hidden = None, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Plot the curve over compute with its bands, the observed scores and the threshold; see `plot_emergence`.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").plot(0.5).get_xscale()
        'log'
        """
        from bayescale.plots import plot_emergence

        return plot_emergence(self, score=score, hidden=hidden, ax=ax, prob=prob)

    def _level(self, of: Of) -> xr.DataArray:
        require_name(of, ("typical", "single"), "kind of model")
        return self.draws["level"] + (self.draws["residual"] if of == "single" else 0.0)

    def _read(self, score: Score) -> float | None:
        """Check a threshold; None for half way."""
        if score is None or score == HALF_WAY:
            return None
        try:
            value = float(score)
        except (TypeError, ValueError):
            raise ForecastError(f"score={score!r} is neither a number nor {HALF_WAY!r}.") from None
        if not 0 <= value <= 1:
            raise ForecastError(f"score={value:g} is not between 0 and 1.{percentage_hint(value)}")
        if value >= (ceiling := float(self.draws["ceiling"].median())):
            raise ForecastError(
                f"score={value:g} is not below the ceiling of {self.benchmark}, {ceiling:.3g}, which expected "
                "scores approach and never reach. Ask for a lower score."
            )
        if value <= (floor := float(self.draws["floor"].median())):
            raise ForecastError(
                f"score={value:g} is not above the guessing floor of {self.benchmark}, {floor:.3g}: every model is "
                "above it. Ask for a higher score."
            )
        return value

    def _text(self, prob: float = PROB) -> str:
        return (
            f"Emergence of {self.benchmark} for {self.family}. {self.statement(prob=prob)}\n"
            "Next: emergence.threshold(score), .summary([score]), .plot()"
        )


def say_flops(flops: float) -> str:
    """Format compute with two digits, such as 3.2e23, or as more than anything plausible."""
    if flops > LARGEST["flops"]:
        return f"more than {LARGEST['flops']:.0e}".replace("e+", "e")
    return f"{flops:.1e}".replace("e+", "e") if flops > 0 else "none"


def compute_emergence(
    posterior: PosteriorData, benchmark: str, family: str | None = None, *, random_seed: int | None = None
) -> Emergence:
    """Compute the curve of a family on a benchmark; `Posterior.emergence` documents arguments and errors."""
    curve = family_curve(posterior, benchmark, family, seed_or_new(random_seed))
    posterior.convergence.warn_unless_converged("These thresholds come")
    return curve


def family_curve(posterior: PosteriorData, benchmark: str, family: str | None, random_seed: int) -> Emergence:
    """Compute the curve without a warning on convergence.

    Curves of one posterior and seed describe the same single model on all benchmarks, and may be subtracted.
    """
    import xarray as xr

    draws, data = posterior.draws, posterior.draws.data
    require_compute(posterior.spec, "a curve over training compute")
    benchmarks = data.coords["benchmark"]
    require_name(benchmark, benchmarks, "benchmark in the fitted data")
    b = benchmarks.index(benchmark)
    rng = np.random.default_rng(random_seed)
    residual, testlet = rng.standard_normal(draws.slope[:, 0].shape), rng.standard_normal(draws.testlet.shape[::2])
    if family == NEW_FAMILY:
        origin = np.zeros((1, draws.slope.shape[1]))  # covariates at their centre
        typical = (draws.family_sd[:, None] * rng.standard_normal(residual.shape))[:, None]
        effect = (draws.family_benchmark_sd[:, None] * rng.standard_normal(draws.difficulty.shape))[:, None]
    else:
        f = family_number(posterior, family)
        family = data.coords["family"][f]
        # Compute at its centre, other covariates at the mean of the family's models.
        origin = draws.covariate[:, data.family_index == f].mean(axis=1, keepdims=True)
        origin[..., data.place("log10_flops")] = 0.0
        typical = origin @ draws.slope + draws.family_offset[:, [f]]
        effect = draws.family_benchmark[:, [f]]
    own: dict[str, Any] = {"family_benchmark": effect[..., [b]], "benchmarks": [b]}
    shared = draws.testlet_of_benchmarks(testlet * draws.testlet_sd[:, None])[:, None, [b]]
    level = draws.logit(typical, origin, **own)[:, 0, 0]
    single = draws.logit(typical + residual[:, None], origin, testlet=shared, **own)[:, 0, 0]
    values = {
        "level": level,
        "slope": compute_slopes(draws)[:, b],
        "residual": single - level,
        "floor": draws.floor[:, b],
        "ceiling": draws.ceiling[:, b],
        "shape": draws.curve_shape[:, b],
    }
    dataset = xr.Dataset({name: posterior.labelled(name, v) for name, v in values.items()})
    return Emergence(dataset, benchmark, family, data.compute.centre, posterior, random_seed)
