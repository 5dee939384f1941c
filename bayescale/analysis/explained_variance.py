"""Explained variance: the share of a forecast's variance that scores of the model on other benchmarks would resolve.

By the law of total variance, the forecast of a score y has variance Var y = E Var(y | s) + Var E(y | s) for any scores
s. The second term is the variance that s explains, averaged over the values of s. Models are simulated from the
posterior, their scores s with the sampling noise of the items, and E(y | s) is estimated by regression over the
simulated models. So all uncertainty of a forecast counts: the model's own capability, its compute and family where they
are unknown, and the parameters, which differ between draws. Scores explain little of a benchmark whose loadings are
uncertain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import PROB
from bayescale.errors import ForecastError, require_name, require_names
from bayescale.forecast.predict import ModelNoise, new_model_scores
from bayescale.forecast.query import NEW_FAMILY, ForecastQuery, read_query
from bayescale.model.data import covariate_prior, design

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData

SIMULATIONS = 20_000
BLOCKS = 20
# Of the curves of single scores and of their sum. Against brute force on simulated posteriors (one and two scores)
# straight lines fall short by up to 0.08 and cubics without the outer curve by 0.013; with both, by no more than noise.
DEGREE, OUTER_DEGREE = 3, 5


@dataclass(frozen=True, eq=False, repr=False)
class ExplainedVariance(Result):
    """Shares of the variance of a forecast that scores of the model on other benchmarks would explain.

    Attributes
    ----------
    target : str
        The benchmark whose expected score is forecast, without the sampling noise of its own items.
    benchmarks : tuple of str
        Benchmarks whose scores would be known.
    model : str
        Description of the model: family and compute.
    sd : float
        Standard deviation of the forecast when no score is known.
    together, together_error : float
        Share of the variance that all the scores explain together, with its Monte Carlo standard error.
    table : pandas.DataFrame
        See `summary`.
    random_seed : int
        Seed of the simulated models.

    Examples
    --------
    >>> explained = posterior.explained_variance("GSM8K", ["MMLU", "ARC-C"], family="Llama-3", flops=4e25)
    >>> explained.sd_left < explained.sd
    True
    """

    target: str
    benchmarks: tuple[str, ...]
    model: str
    sd: float
    together: float
    together_error: float
    table: pd.DataFrame
    random_seed: int

    @property
    def sd_left(self) -> float:
        """Standard deviation of the forecast once all the scores are known, root mean square over their values."""
        return float(self.sd * np.sqrt(max(1 - self.together, 0.0)))

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Return the share of variance that each score explains; there is no interval, so `prob` changes nothing.

        Returns
        -------
        pandas.DataFrame
            ``target, benchmark``; ``alone``: share of the variance that this score explains where no other is known;
            ``lost``: share that is lost where, of all the scores, only this one is missing; ``alone_error,
            lost_error``: Monte Carlo standard errors of both. Largest ``alone`` first. Where scores are redundant, the
            shares alone add up to more than `together`, and the lost shares to less.

        Examples
        --------
        >>> posterior.explained_variance("GSM8K", ["MMLU", "ARC-C"]).summary().shape
        (2, 6)
        """
        return self.table.copy()

    def to_xarray(self) -> xr.Dataset:
        return super().to_xarray().merge(self.table.drop(columns="target").set_index("benchmark").to_xarray())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the shares, alone and lost; see `bayescale.plots.plot_explained_variance`.

        Examples
        --------
        >>> posterior.explained_variance("GSM8K", ["MMLU", "ARC-C"]).plot().figure.savefig("explained.png")
        """
        from bayescale.plots import plot_explained_variance

        return plot_explained_variance(self, ax=ax)

    def __repr__(self) -> str:
        width = max(map(len, self.benchmarks))
        lines = [
            f"  {row.benchmark:{width}s}  {row.alone:4.0%} alone, {row.lost:4.0%} lost without it"
            for row in self.table.itertuples()
        ]
        head = (
            f"Explained variance of {self.target} for {self.model}: {len(self.benchmarks)} scores together explain "
            f"{self.together:.0%} of the forecast's variance (sd {self.sd:.3f}, then {self.sd_left:.3f})."
        )
        return "\n".join([head, *lines, "Next: explained.summary(), .plot()"])


@dataclass(frozen=True)
class Subject:
    """The model whose forecast is analysed: `mean` and `sd` (base covariate,) of its covariates before any score."""

    label: str
    query: ForecastQuery
    mean: np.ndarray
    sd: np.ndarray

    def drawn(self, size: int, terms: Sequence[str], rng: np.random.Generator) -> ForecastQuery:
        """Return its query; covariates that are unknown are drawn for each draw, (size, 1, covariate)."""
        if not self.sd.any():
            return self.query
        values = self.mean + self.sd * rng.standard_normal((size, 1, len(self.sd)))
        return replace(self.query, covariates=np.stack(design(values, terms), axis=-1))


def read_subject(posterior: PosteriorData, model: str | None, family: str | None, facts: Mapping[str, Any]) -> Subject:
    """Check which model is analysed; `Posterior.explained_variance` documents arguments and errors."""
    spec, data = posterior.spec, posterior.draws.data
    models, families = data.coords["model"], data.coords["family"]
    told = any(value is not None for value in facts.values())
    if model is None and told:
        query = read_query(spec, data, family or NEW_FAMILY, facts)
        if len(query.labels) != 1:
            raise ForecastError(f"Explained variance is about one model, and {len(query.labels)} were given.")
        known = np.zeros(len(data.centre))
        return Subject(query.labels[0], query, known, known)
    if model is not None:
        if family is not None or told:
            raise ForecastError(
                f"model={model!r} has a family and compute of its own: give model=, or family= and flops=, not both."
            )
        require_name(model, models, "model in the fitted data")
        row = models.index(model)
        mean, sd = (part[row] for part in covariate_prior(spec, data))
        place, label = int(data.family_index[row]), f"a model such as {model}"
    else:
        family = family or NEW_FAMILY
        require_name(family, [*families, NEW_FAMILY], "family in the fitted data")
        place = families.index(family) if family in families else -1
        priors = {c.name: spec.latent_prior(c.name) for c in data.columns}
        if missing := [f"{name}=" for name, prior in priors.items() if prior is None]:
            raise ForecastError(
                f"Say flops= and {', '.join(missing)}, or model=: the spec has no prior of unknown values."
            )
        mean, sd = np.array([prior.location_and_scale for prior in priors.values() if prior]).T
        label = f"a model of {'a ' if place < 0 else ''}{family}, compute unknown"
    exact = np.stack(design(mean[None], data.terms), axis=-1)
    name = families[place] if place >= 0 else NEW_FAMILY
    return Subject(label, ForecastQuery([label], [name], np.array([place]), exact, {}), mean, sd)


def explain_variance(
    posterior: PosteriorData, target: str, benchmarks: Sequence[str] | None, subject: Subject, random_seed: int
) -> ExplainedVariance:
    """Simulate models and compute shares of variance; `Posterior.explained_variance` documents arguments and errors."""
    names = posterior.draws.data.coords["benchmark"]
    if benchmarks is None:
        benchmarks = [name for name in names if name != target]
    chosen = [benchmarks] if isinstance(benchmarks, str) else list(dict.fromkeys(benchmarks))
    require_names((target, *chosen), names, "benchmark in the fitted data")
    if target in chosen:
        raise ForecastError(f"{target} is the target: leave it out of benchmarks=.")
    if not chosen:
        raise ForecastError("benchmarks= is empty: name those whose scores would be known, or leave it out.")
    posterior.convergence.warn_unless_converged("These shares come")
    expected, measured = _simulate(posterior, subject, np.random.default_rng(random_seed))
    y = expected[:, names.index(target)]
    if np.ptp(y) == 0:
        raise ForecastError(f"The forecast of {target} is the same in all draws: there is no variance to explain.")
    every = list(range(len(chosen)))
    each, rest = [[i] for i in every], [[j for j in every if j != i] for i in every]
    shares = explained_shares(y, measured[:, [names.index(name) for name in chosen]], [*each, *rest, every])
    alone, without, together = np.split(shares, [len(each), 2 * len(each)], axis=1)
    lost = together - without
    errors = {"alone_error": jackknife_error(alone[1:]), "lost_error": jackknife_error(lost[1:])}
    table = pd.DataFrame({"target": target, "benchmark": chosen, "alone": alone[0], "lost": lost[0], **errors})
    table = table.sort_values("alone", ascending=False, ignore_index=True)
    error = float(jackknife_error(together[1:])[0])
    sd, share = float(y.std()), float(together[0, 0])
    return ExplainedVariance(target, tuple(chosen), subject.label, sd, share, error, table, random_seed)


def _simulate(posterior: PosteriorData, subject: Subject, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Simulate expected and measured scores, both (simulation, benchmark), of models drawn as in forecasts.

    Models of one draw are neighbours, so that a block of neighbours is a part of a chain.
    """
    draws = posterior.draws

    def one_each() -> np.ndarray:
        query = subject.drawn(draws.size, draws.data.terms, rng)
        return new_model_scores(draws, query, ModelNoise.drawn(draws, len(query.labels), rng))[:, 0]

    expected = np.stack([one_each() for _ in range(-(-SIMULATIONS // draws.size))], axis=1)
    measured = draws.measured(expected, rng)
    shape = (-1, expected.shape[-1])
    return expected.reshape(shape), measured.reshape(shape)


def explained_shares(y: np.ndarray, scores: np.ndarray, sets: Sequence[Sequence[int]]) -> np.ndarray:
    """Estimate the shares of the variance of y that sets of scores explain, by regression: ``Var E(y | s) / Var y``.

    ``E(y | s)`` is a polynomial of a sum of polynomials, one per score: scores add up on the scale of capability, which
    maps to y along a curve. Shares are adjusted for the number of terms.

    `y` is (simulation,), `scores` (simulation, score), and `sets` name columns of `scores`. Return shares (1 + BLOCKS,
    set): of all simulations, then with each block of neighbouring ones left out (`jackknife_error`).
    """
    y = (y - y.mean()) / y.std()
    terms = _powers(scores, DEGREE)  # (simulation, score, power)
    wide = terms.reshape(len(y), -1)
    among, across = wide.T @ wide, wide.T @ y
    weights = np.zeros((wide.shape[1], len(sets)))
    for place, chosen in enumerate(sets):
        columns = [DEGREE * i + k for i in chosen for k in range(DEGREE)]
        weights[columns, place] = np.linalg.pinv(among[np.ix_(columns, columns)], hermitian=True) @ across[columns]
    sums, ones = wide @ weights, np.ones(len(y))
    shares = [
        _share_explained(np.column_stack([ones, _powers(total[:, None], OUTER_DEGREE)[:, 0], y]), DEGREE * len(chosen))
        for total, chosen in zip(sums.T, sets, strict=True)
    ]
    return np.stack(shares, axis=1)


def _powers(values: np.ndarray, degree: int) -> np.ndarray:
    """Return powers (simulation, value, power) of standardised columns, each with mean 0 and sd 1; 0 for constants."""
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    powers = standard[..., None] ** np.arange(1, degree + 1)
    powers = powers - powers.mean(axis=0)
    scale = powers.std(axis=0)
    return np.asarray(powers / np.where(scale > 0, scale, 1.0))


def _share_explained(table: np.ndarray, more_terms: int) -> np.ndarray:
    """Compute the adjusted R^2 (1 + BLOCKS,) of the last column on the others, the first of which is constant."""
    edges = np.linspace(0, len(table), BLOCKS + 1).astype(int)
    blocks = np.stack([part.T @ part for part in np.split(table, edges[1:-1])])
    moments = blocks.sum(axis=0) - np.concatenate([np.zeros_like(blocks[:1]), blocks])
    count, across, squares = moments[:, 0, 0], moments[:, :-1, -1], moments[:, -1, -1]
    fitted = np.einsum("nc,ncd,nd->n", across, np.linalg.pinv(moments[:, :-1, :-1], hermitian=True), across)
    unexplained = (squares - fitted) / (count - more_terms - table.shape[1] + 1)
    return np.asarray(1 - unexplained / ((squares - across[:, 0] ** 2 / count) / (count - 1)))


def jackknife_error(left_out: np.ndarray) -> np.ndarray:
    """Compute the jackknife standard error from estimates (block, estimate) with each block left out."""
    count = len(left_out)
    return np.asarray(np.sqrt((count - 1) * left_out.var(axis=0)))
