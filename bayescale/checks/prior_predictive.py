"""Before the data: scores, and curves of scores over compute, that the priors alone imply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._arviz import InferenceData, inference_data
from bayescale._display import as_html, working
from bayescale._intervals import KIND, PROB, tails
from bayescale.errors import EvalsError, FitError
from bayescale.inference.draws import read_draws
from bayescale.model import build_model, model_data
from bayescale.model.data import design
from bayescale.model.spec import Spec, load_spec

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from bayescale.evals import Evals

POINTS = 41

# Scores that differ by less are the same for whoever reads a curve: two points in a hundred.
LITTLE = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class PriorPredictive:
    """Draws from the priors alone; made by `bayescale.prior_predictive`.

    Attributes
    ----------
    idata : arviz.InferenceData or xarray.DataTree
        Groups ``prior``, ``prior_predictive`` (``score``: chain, draw, model, benchmark) and ``observed_data`` (scores,
        NaN where there is none), for ArviZ.
    curves : xarray.DataArray
        Expected scores in [0, 1] over training compute, dims ``(chain, draw, flops, benchmark)``, with ``flops`` in
        FLOP over the range of the data: one curve a draw and benchmark, of one model whose family and residual
        capability stay as they were drawn while its compute grows.
    spec : Spec
    evals : Evals
        Whose models, benchmarks and covariates the draws have; the scores take no part.

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

    @property
    def scores(self) -> xr.DataArray:
        """Scores (chain, draw, model, benchmark) of the models of the data, with observation noise, in [0, 1]."""
        return self.idata["prior_predictive"]["score"]

    @property
    def plain_curves(self) -> np.ndarray:
        """The curves as a plain array (point, draw, benchmark), chains laid end to end."""
        values = self.curves.transpose("flops", "chain", "draw", "benchmark").to_numpy()
        return values.reshape((len(values), -1, values.shape[-1]))

    def summary(self, prob: float = PROB) -> pd.DataFrame:
        """Say per benchmark which scores, and which curves over compute, the priors hold likely.

        Parameters
        ----------
        prob : float
            Probability content of the interval.

        Returns
        -------
        pandas.DataFrame
            One row per benchmark: ``benchmark``; ``observed`` (mean of the observed scores, for comparison); ``mean,
            median, lower, upper, prob, interval`` of the scores of all models, equal-tailed; and shares of the curves:

            - ``falling``: somewhere by more than `LITTLE` below a score that was reached with less compute;
            - ``flat``: never moving by more than `LITTLE` over all compute of the data;
            - ``saturated``: coming within `LITTLE` of the ceiling.

        Raises
        ------
        ForecastError
            When `prob` is not a probability.

        Examples
        --------
        >>> import bayescale as bs
        >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
        >>> prior = bs.prior_predictive("one_factor", evals, draws=50, random_seed=1)
        >>> prior.summary()[["benchmark", "observed", "lower", "upper", "falling", "flat", "saturated"]].shape
        (8, 7)
        """
        lower, upper = tails(prob)
        scores = self.scores.transpose("benchmark", ...).to_numpy().reshape((len(self.evals.benchmark_names), -1))
        curves = self.plain_curves
        benchmarks = self.evals.benchmarks
        observed = self.evals.scores.groupby("benchmark")["score"].mean()
        low, median, high = np.quantile(scores, [lower, 0.5, upper], axis=1)
        return pd.DataFrame(
            {
                "benchmark": benchmarks["benchmark"],
                "observed": benchmarks["benchmark"].map(observed),
                "mean": scores.mean(axis=1),
                "median": median,
                "lower": low,
                "upper": high,
                "prob": prob,
                "interval": KIND,
                "falling": falling(curves).mean(axis=0),
                "flat": (np.ptp(curves, axis=0) < LITTLE).mean(axis=0),
                "saturated": (curves.max(axis=0) > benchmarks["ceiling"].to_numpy(float) - LITTLE).mean(axis=0),
            }
        )

    def plot(self, benchmarks: list[str] | None = None, prob: float = PROB) -> Figure:
        """Draw the scores over compute that the priors imply, one panel per benchmark, with the observed ones on it.

        Examples
        --------
        >>> import bayescale as bs
        >>> evals = bs.load_evals("base-llms").select(families=["Llama-2", "Pythia"])
        >>> bs.prior_predictive("one_factor", evals, draws=50, random_seed=1).plot(["MMLU"]).savefig("prior.png")
        """
        from bayescale.plots import plot_prior_predictive

        return plot_prior_predictive(self, benchmarks=benchmarks, prob=prob)

    def __repr__(self) -> str:
        sizes = self.scores.sizes
        return (
            f"Prior predictive of spec {self.spec.name!r} on {self.evals.name!r}: {sizes['chain'] * sizes['draw']} "
            f"draws of scores of {sizes['model']} models on {sizes['benchmark']} benchmarks.\n"
            "Next: prior.summary(), prior.plot(), bayescale.fit(spec, evals)"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self), self.summary(), "scores that the priors imply, and shares of their curves")


@working("Drawing from the priors")
def prior_predictive(
    spec: Spec | str, evals: Evals, draws: int = 500, random_seed: int | None = None
) -> PriorPredictive:
    """Draw scores from the priors of `spec` alone, for the models and benchmarks of `evals`.

    The observed scores are not looked at; what is taken from `evals` are the models with their families and covariates
    and the benchmarks with items, chance levels, ceilings and testlets. Drawn is PyMC's model of `build_model` itself.
    Five hundred draws for 148 models and 8 benchmarks take about two seconds.

    Parameters
    ----------
    spec : Spec or str
        A spec, or the name of one that ships with the package.
    evals : Evals
    draws : int
        Number of draws.
    random_seed : int, optional
        The same seed gives the same numbers.

    Returns
    -------
    PriorPredictive

    Raises
    ------
    FitError
        When `draws` is not positive.
    EvalsError
        When fewer than two different figures of training compute go with known covariates, so that there is no range of
        compute for curves.
    SpecError
        For a spec that does not ship.

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

    spec = load_spec(spec)
    if draws < 1:
        raise FitError(f"draws={draws}: at least 1 is needed.")
    flops, covariates = compute_grid(spec, evals)
    # Uncompiled: compiling takes longer than all the draws that anyone asks for.
    drawn = pm.sample_prior_predictive(
        draws, model=build_model(spec, evals), random_seed=random_seed, compile_kwargs={"mode": Mode("py", None)}
    )
    prior = drawn["prior"]
    # Models are alike before the data but for their covariates, so the first one's curves are anyone's.
    sampled = read_draws({"posterior": prior}, spec, evals)
    curves = xr.DataArray(
        sampled.by_chain(sampled.moved_scores(0, covariates)),
        dims=("chain", "draw", "flops", "benchmark"),
        coords={"chain": prior["chain"], "draw": prior["draw"], "flops": flops, "benchmark": evals.benchmark_names},
        name="expected_score",
    )
    idata = inference_data(
        {
            "prior": prior,
            "prior_predictive": drawn["prior_predictive"],
            "observed_data": evals.matrix().rename("score").reset_coords(drop=True).to_dataset(),
        }
    )
    return PriorPredictive(idata, curves, spec, evals)


def compute_grid(spec: Spec, evals: Evals) -> tuple[np.ndarray, np.ndarray]:
    """Training compute (point,) in FLOP over the range of the data, and the covariates (point, covariate) with it.

    Other covariates than compute go with it as they do among the models of the data, by least squares in logarithms.

    Raises
    ------
    EvalsError
        When the data hold no range of compute.
    """
    data = model_data(spec, evals)
    flops = evals.models["flops"].to_numpy(float)
    known = np.isfinite(flops) & np.isfinite(data.covariates).all(axis=1)
    if len(np.unique(flops[known])) < 2:
        raise EvalsError(
            "There is no range of training compute to draw scores over: fewer than two models have different flops "
            f"and known {', '.join(spec.base_covariates)}. Fill them in the models table."
        )
    grid = np.geomspace(flops[known].min(), flops[known].max(), POINTS)

    def line(compute: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(compute)), np.log10(compute)])

    course = np.linalg.lstsq(line(flops[known]), data.covariates[known])[0]
    return grid, np.stack(design(line(grid) @ course, spec.covariates), axis=1)


def falling(curves: np.ndarray) -> np.ndarray:
    """Whether curves (point, ...) fall somewhere by more than `LITTLE` below what they reached before.

    Examples
    --------
    >>> falling(np.array([[0.2, 0.2], [0.5, 0.5], [0.3, 0.6]])).tolist()
    [True, False]
    """
    return (np.maximum.accumulate(curves, axis=0) - curves).max(axis=0) > LITTLE
