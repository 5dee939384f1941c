"""Compute-optimal parameters and tokens: the split of a compute budget with the highest expected scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import PROB, named, tails, with_interval
from bayescale.errors import ForecastError, as_number, require_names
from bayescale.evals.tables import training_flops
from bayescale.forecast.predict import ModelNoise, new_model_scores
from bayescale.forecast.query import read_query
from bayescale.inference.defaults import seed_or_new

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData

RATIOS = 41
# Training compute of one parameter and one token.
_PER = training_flops(1e-9, 1e-12)


@dataclass(frozen=True, eq=False, repr=False)
class ComputeOptimal(Result):
    """Expected scores of one model over the ways to spend a compute budget; made by `Posterior.compute_optimal`.

    Compute is 6 x parameters x tokens (Kaplan et al. 2020, arXiv:2001.08361), so a budget fixes the tokens for each
    number of parameters (Hoffmann et al. 2022, arXiv:2203.15556, approach 2). In each draw the same model, with its own
    residual, is given every split.

    Attributes
    ----------
    draws : xarray.Dataset
        ``expected_score`` (chain, draw, tokens_per_param, benchmark), with the coordinates ``params`` and ``tokens``
        along ``tokens_per_param``; and ``best`` (chain, draw), the ratio with the highest mean score over benchmarks.
    family : str
    flops : float
    posterior : PosteriorData
    random_seed : int

    Examples
    --------
    >>> split = posterior_of_sizes.compute_optimal(1e24, "Llama-2")
    >>> split.draws["expected_score"].dims
    ('chain', 'draw', 'tokens_per_param', 'benchmark')
    """

    draws: xr.Dataset
    family: str
    flops: float
    posterior: PosteriorData
    random_seed: int

    @property
    def optimum(self) -> float:
        """Tokens per parameter with the highest posterior mean of the mean score over benchmarks."""
        return float(self.draws["expected_score"].mean(("chain", "draw", "benchmark")).idxmax("tokens_per_param"))

    @property
    def at_edge(self) -> bool:
        """Whether the optimum is the first or last of the ratios, so that the best split lies elsewhere, or nowhere."""
        return self.optimum in self.draws["tokens_per_param"].to_numpy()[[0, -1]]

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the optimum: parameters, tokens, and the scores that the budget attains there.

        Returns
        -------
        pandas.DataFrame
            ``quantity`` (``params``, ``tokens``, ``tokens_per_param``, and each benchmark), its value at `optimum` or
            median score there (``median``), and ``lower, upper``: of the best split over draws, or of the expected
            score at `optimum`.

        Examples
        --------
        >>> split = posterior_of_sizes.compute_optimal(1e24, "Llama-2")
        >>> split.summary()["quantity"].tolist()[:3]
        ['params', 'tokens', 'tokens_per_param']
        """
        ends = tails(prob)
        ratio = np.array([self.optimum, *np.quantile(self.draws["best"], ends)])
        params = params_of(self.flops, ratio)
        at = self.draws.sel(tokens_per_param=self.optimum)
        # More tokens per parameter are fewer parameters.
        rows = [("params", *params[[0, 2, 1]]), ("tokens", *(params * ratio)), ("tokens_per_param", *ratio)]
        values = at["expected_score"].quantile([0.5, *ends], ("chain", "draw")).transpose("benchmark", "quantile")
        rows += [(str(n), *v) for n, v in zip(at["benchmark"].to_numpy(), values.to_numpy(), strict=True)]
        table = pd.DataFrame(rows, columns=["quantity", "median", "lower", "upper"])
        return with_interval(table, prob)

    def plot(self, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Plot the expected score over tokens per parameter, with its bands, for up to six benchmarks.

        Examples
        --------
        >>> posterior_of_sizes.compute_optimal(1e24, "Llama-2", ["MMLU", "GSM8K"]).plot().get_xscale()
        'log'
        """
        from bayescale.plots import draw_compute_optimal

        return draw_compute_optimal(self, ax=ax, prob=prob)

    def _text(self, prob: float = PROB) -> str:
        rows = self.summary(prob=prob)[["quantity", "median", "lower", "upper"]].to_numpy()
        lines = [f"  {name}: {middle:.3g} [{low:.3g}, {high:.3g}]" for name, middle, low, high in rows]
        if self.at_edge:
            lines.append("The optimum is at the edge of the ratios: the posterior does not place it between them.")
        head = f"Compute-optimal model of {self.family} with {self.flops:.3g} FLOP [{named(prob)} interval]:"
        return "\n".join([head, *lines, "Next: .summary(), .plot()"])


def params_of(flops: float, tokens_per_param: Any) -> Any:
    """Return the parameters of models with this compute and these tokens per parameter.

    Examples
    --------
    >>> f"{params_of(5.9e23, 20.0):.2g}"  # Chinchilla
    '7e+10'
    """
    return np.sqrt(flops / _PER / tokens_per_param)


def optimise_compute(
    posterior: PosteriorData,
    flops: float,
    family: str,
    benchmarks: Sequence[str] | str | None,
    tokens_per_param: Sequence[float] | None,
    random_seed: int | None,
) -> ComputeOptimal:
    """Compare the splits of a budget; `Posterior.compute_optimal` documents arguments and errors."""
    spec, draws, names = posterior.spec, posterior.draws, posterior.evals.benchmark_names
    if not {"log10_params", "log10_tokens"} <= set(spec.base_covariates):
        raise ForecastError(
            f"The spec {spec.name!r} predicts from {' and '.join(spec.covariates)}: how to split a budget needs a spec "
            "with log10_params and log10_tokens, such as 'params_and_tokens'."
        )
    if "log10_params:log10_tokens" not in spec.covariates:
        raise ForecastError(
            f"The spec {spec.name!r} has no covariate log10_params:log10_tokens. Without this interaction scores rise "
            "or fall all the way along a budget, and there is no best split. Add it to the covariates of the spec and "
            "fit again; what a given split attains is forecast(params=..., tokens=...)."
        )
    chosen = names if benchmarks is None else [benchmarks] if isinstance(benchmarks, str) else list(benchmarks)
    require_names(chosen, names, "benchmark in the fitted data")
    budget = as_number("flops", flops)
    ratio = _ratios(posterior) if tokens_per_param is None else np.sort(np.asarray(tokens_per_param, dtype=float))
    if len(ratio) < 2 or not (ratio > 0).all():
        raise ForecastError("tokens_per_param needs at least two positive numbers, such as [10, 20, 40, 80].")
    params = params_of(budget, ratio)
    query = read_query(spec, draws.data, family, {"flops": None, "params": params, "tokens": params * ratio})
    posterior.convergence.warn_unless_converged("This optimum comes")
    random_seed = seed_or_new(random_seed)
    one = ModelNoise.drawn(draws, 1, np.random.default_rng(random_seed))  # the same model at every split
    columns = [names.index(name) for name in chosen]
    scores = new_model_scores(draws, query, one)[..., columns]
    best = ratio[scores.mean(-1).argmax(1)]
    along: dict[str, Any] = {"tokens_per_param": ratio, "benchmark": chosen}
    dataset = posterior.labelled("expected_score", scores, **along).to_dataset()
    dataset = dataset.assign_coords(params=("tokens_per_param", params), tokens=("tokens_per_param", params * ratio))
    dataset["best"] = posterior.labelled("best", best)
    return ComputeOptimal(dataset, family, budget, posterior, random_seed)


def _ratios(posterior: PosteriorData) -> np.ndarray:
    """Return tokens per parameter over the range of the models of the data."""
    models = posterior.evals.models
    ratio = (models["tokens_t"] * 1e12 / (models["params_b"] * 1e9)).dropna()
    return np.geomspace(ratio.min(), ratio.max(), RATIOS)
