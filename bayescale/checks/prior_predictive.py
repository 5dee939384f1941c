"""Prior predictive check: scores, and scores over compute, that the priors alone imply."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._arviz import InferenceData, inference_data
from bayescale._display import Result, as_html, working
from bayescale._intervals import PROB, tails, with_interval
from bayescale.errors import EvalsError, FitError
from bayescale.evals import load_evals
from bayescale.inference.defaults import seed_or_new
from bayescale.inference.draws import read_draws
from bayescale.model import build_model, model_data
from bayescale.model.data import design
from bayescale.model.spec import Spec, load_spec

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from bayescale.evals import Evals

POINTS = 41

# Changes of a curve below two points in a hundred count as none.
TOLERANCE = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class PriorPredictive(Result):
    """Draws from the priors alone; made by `bayescale.prior_predictive`.

    Attributes
    ----------
    idata : arviz.InferenceData or xarray.DataTree
        Groups ``prior``, ``prior_predictive`` (``score``: chain, draw, model, benchmark) and ``observed_data`` (scores,
        NaN where there is none), for ArviZ.
    curves : xarray.DataArray
        Expected scores in [0, 1] over training compute, dims ``(chain, draw, flops, benchmark)``, with ``flops`` in
        FLOP over the range of the data: one curve per draw and benchmark, of one model with fixed family and
        residual capability and varying compute.
    spec : Spec
    evals : Evals
        Source of models, benchmarks and covariates; its scores are not used.
    random_seed : int
        Seed of the draws.

    Examples
    --------
    >>> import bayescale as bs
    >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
    >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
    >>> prior.curves.dims
    ('chain', 'draw', 'flops', 'benchmark')
    """

    idata: InferenceData
    curves: xr.DataArray
    spec: Spec
    evals: Evals
    random_seed: int

    @property
    def scores(self) -> xr.DataArray:
        """Scores (chain, draw, model, benchmark) of the models of the data, with observation noise, in [0, 1]."""
        return self.idata["prior_predictive"]["score"]

    @property
    def plain_curves(self) -> np.ndarray:
        """The curves as an array (point, draw, benchmark), with chains concatenated."""
        values = self.curves.transpose("flops", "chain", "draw", "benchmark").to_numpy()
        return values.reshape((len(values), -1, values.shape[-1]))

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise per benchmark the scores, and the curves over compute, that the priors imply.

        Returns
        -------
        pandas.DataFrame
            One row per benchmark: ``benchmark``; ``observed`` (mean of the observed scores, for comparison); ``mean,
            median, lower, upper`` of the scores of all models, equal-tailed; and shares of the curves:

            - ``falling``: falling more than `TOLERANCE` below a score reached with less compute;
            - ``flat``: changing by at most `TOLERANCE` over the compute of the data;
            - ``saturated``: reaching the ceiling to within `TOLERANCE`.

        Examples
        --------
        >>> import bayescale as bs
        >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
        >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
        >>> prior.summary()[["benchmark", "observed", "lower", "upper", "falling", "flat", "saturated"]].shape
        (8, 7)
        """
        names, curves = self.evals.benchmark_names, self.plain_curves
        scores = self.scores.transpose("benchmark", ...).to_numpy().reshape((len(names), -1))
        low, median, high = np.quantile(scores, [tails(prob)[0], 0.5, tails(prob)[1]], axis=1)
        ceiling = self.evals.benchmarks["ceiling"].to_numpy(float)
        observed = self.evals.scores.groupby("benchmark")["score"].mean()
        table = pd.DataFrame({"benchmark": names, "observed": observed.reindex(names).to_numpy()})
        table = table.assign(
            **{"mean": scores.mean(axis=1), "median": median, "lower": low, "upper": high},
            falling=falling(curves).mean(axis=0),
            flat=(np.ptp(curves, axis=0) < TOLERANCE).mean(axis=0),
            saturated=(curves.max(axis=0) > ceiling - TOLERANCE).mean(axis=0),
        )
        return with_interval(table, prob)

    def to_xarray(self) -> xr.Dataset:
        return super().to_xarray().assign(scores=self.scores)

    def plot(self, benchmarks: list[str] | None = None, *, prob: float = PROB) -> Figure:
        """Plot the scores over compute that the priors imply, with the observed scores, one panel per benchmark.

        Examples
        --------
        >>> import bayescale as bs
        >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
        >>> bs.prior_predictive("one_factor", evals, draws=50, random_seed=1).plot(["MMLU"]).savefig("prior.png")
        """
        from bayescale.plots import plot_prior_predictive

        return plot_prior_predictive(self, benchmarks=benchmarks, prob=prob)

    def _text(self, prob: float = PROB) -> str:
        sizes = self.scores.sizes
        return (
            f"Prior predictive of spec {self.spec.name!r} on {self.evals.name!r}: {sizes['chain'] * sizes['draw']} "
            f"draws of scores of {sizes['model']} models on {sizes['benchmark']} benchmarks.\n"
            "Next: prior.summary(), prior.plot(), bayescale.fit(spec, evals)"
        )

    def _repr_html_(self) -> str:
        return as_html(self._text(), self.summary(), "scores that the priors imply, and shares of their curves")


@working("Drawing from the priors")
def prior_predictive(
    spec: Spec | str = "default",
    evals: Evals | str = "base-llms",
    draws: int = 500,
    *,
    random_seed: int | None = None,
) -> PriorPredictive:
    """Draw scores from the priors of `spec` alone, for the models and benchmarks of `evals`.

    The observed scores are not used. `evals` supplies the models with families and covariates, and the benchmarks with
    items, chance levels, ceilings and testlets. The draws come from the PyMC model of `build_model` itself.
    Five hundred draws for 148 models and 8 benchmarks take about two seconds.

    Parameters
    ----------
    spec, evals : optional
        As in `bayescale.fit`, by name too.
    draws : int
        Number of draws.
    random_seed : int, optional
        The same seed gives the same draws. The default draws a new seed, which the result records.

    Returns
    -------
    PriorPredictive

    Raises
    ------
    FitError
        When `draws` is not positive.
    EvalsError
        When fewer than two models with known covariates differ in training compute.
    SpecError
        For an unknown spec.

    Examples
    --------
    >>> import bayescale as bs
    >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
    >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
    >>> prior.scores.sizes["draw"]
    50
    """
    import pymc as pm
    import xarray as xr
    from pytensor.compile.mode import Mode

    spec, evals = load_spec(spec), load_evals(evals)
    if not (isinstance(draws, int | np.integer) and draws >= 1):
        raise FitError(f"draws={draws!r}: a whole number, at least 1, is needed.")
    random_seed = seed_or_new(random_seed)
    flops, covariates = compute_grid(spec, evals)
    model, log = build_model(spec, evals), logging.getLogger("pymc.sampling.forward")
    before = log.level
    log.setLevel(logging.WARNING)  # it names everything that is drawn
    try:
        # Uncompiled: compiling takes longer than the draws.
        drawn = pm.sample_prior_predictive(
            draws, model=model, random_seed=random_seed, compile_kwargs={"mode": Mode("py", None)}
        )
    finally:
        log.setLevel(before)
    prior = drawn["prior"]
    # A priori models differ in their covariates only, so the curves of the first model represent all.
    sampled = read_draws({"posterior": prior}, model_data(spec, evals))
    coords = {"chain": prior["chain"], "draw": prior["draw"], "flops": flops, "benchmark": evals.benchmark_names}
    scores = sampled.by_chain(sampled.moved_scores(0, covariates))
    curves = xr.DataArray(scores, dims=list(coords), coords=coords, name="expected_score")
    observed = evals.matrix().rename("score").reset_coords(drop=True).to_dataset()
    groups = {"prior": prior, "prior_predictive": drawn["prior_predictive"], "observed_data": observed}
    return PriorPredictive(inference_data(groups), curves, spec, evals, random_seed)


def compute_grid(spec: Spec, evals: Evals) -> tuple[np.ndarray, np.ndarray]:
    """Return training compute (point,) in FLOP over the range of the data, and covariates (point, covariate) at it.

    Covariates other than compute are predicted from it by least squares over the models, in logarithms.
    """
    data = model_data(spec, evals)
    flops = evals.models["flops"].to_numpy(float)
    complete = np.isfinite(flops) & np.isfinite(data.covariates).all(axis=1)
    if len(np.unique(flops[complete])) < 2:
        raise EvalsError(
            "Curves over training compute need at least two models with different flops "
            f"and known {', '.join(spec.base_covariates)}. Fill them in the models table."
        )
    grid = np.geomspace(flops[complete].min(), flops[complete].max(), POINTS)

    def line(compute: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(compute)), np.log10(compute)])

    coefficients = np.linalg.lstsq(line(flops[complete]), data.covariates[complete])[0]
    return grid, np.stack(design(line(grid) @ coefficients, data.terms), axis=1)


def falling(curves: np.ndarray) -> np.ndarray:
    """Test whether curves (point, ...) fall anywhere by more than `TOLERANCE` below an earlier value.

    Examples
    --------
    >>> falling(np.array([[0.2, 0.2], [0.5, 0.5], [0.3, 0.6]])).tolist()
    [True, False]
    """
    return (np.maximum.accumulate(curves, axis=0) - curves).max(axis=0) > TOLERANCE
