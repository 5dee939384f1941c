"""Information: what share of a forecast's variance the scores of a model on other benchmarks would resolve.

By the law of total variance the forecast of a score y has variance Var y = E Var(y | s) + Var E(y | s), whatever the
scores s that would be known; the second term is what they resolve, on average over what they may turn out to be. Models
are simulated from the posterior, their scores s measured with the noise of their items, and E(y | s) is found by
regression over the simulated models. So all is counted that a forecast is unsure of: the model's own capability, its
compute and family where they are unknown, and the parameters, which differ from draw to draw: known scores tell little
of a benchmark whose loadings nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._display import as_html
from bayescale.errors import InformationError, suggest
from bayescale.forecast.noise import ModelChance
from bayescale.forecast.predict import new_model_scores
from bayescale.forecast.query import NEW_FAMILY, Request, read_request
from bayescale.model.curve import predict_score
from bayescale.model.data import covariate_prior, design

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.spec import Spec

SIMULATIONS = 20_000
BLOCKS = 20
# Of the curves of single scores and of their sum. Against brute force on simulated posteriors (one and two scores)
# straight lines fall short by up to 0.08 and cubics without the outer curve by 0.013; with both, by no more than noise.
DEGREE, OUTER_DEGREE = 3, 5


@dataclass(frozen=True, eq=False, repr=False)
class Information:
    """Shares of the variance of a forecast that scores of the model on other benchmarks would resolve.

    Attributes
    ----------
    target : str
        Benchmark that is forecast: its expected score, without the noise of its own items.
    given : tuple of str
        Benchmarks whose scores would be known.
    model : str
        Of which model, in words: family and compute.
    sd : float
        Standard deviation of the forecast when no score is known.
    together, together_error : float
        Share of the variance that all given scores resolve together, with its Monte Carlo standard error.
    table : pandas.DataFrame
        See `summary`.

    Examples
    --------
    >>> information = posterior.information("GSM8K", ["MMLU", "ARC-C"], family="Llama-3", flops=4e25)
    >>> information.sd_left < information.sd
    True
    """

    target: str
    given: tuple[str, ...]
    model: str
    sd: float
    together: float
    together_error: float
    table: pd.DataFrame

    @property
    def sd_left(self) -> float:
        """Standard deviation of the forecast with all given scores known, root mean square over what they may be."""
        return float(self.sd * np.sqrt(max(1 - self.together, 0.0)))

    def summary(self) -> pd.DataFrame:
        """What each score resolves.

        Returns
        -------
        pandas.DataFrame
            ``target, benchmark``; ``alone``: share of the variance that this score resolves where no other is known;
            ``lost``: share that stays unresolved where, of the given, this one alone is missing; ``alone_error,
            lost_error``: Monte Carlo standard errors of both. The most telling first. Where scores tell the same, the
            shares alone add up to more than `together`, and those lost to less.

        Examples
        --------
        >>> posterior.information("GSM8K", ["MMLU", "ARC-C"]).summary().shape
        (2, 6)
        """
        return self.table.copy()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the shares, alone and lost; see `bayescale.plots.plot_information`.

        Examples
        --------
        >>> posterior.information("GSM8K", ["MMLU", "ARC-C"]).plot().figure.savefig("information.png")
        """
        from bayescale.plots import plot_information

        return plot_information(self, ax=ax)

    def __repr__(self) -> str:
        width = max(map(len, self.given))
        lines = [
            f"  {row.benchmark:{width}s}  {row.alone:4.0%} alone, {row.lost:4.0%} lost without it"
            for row in self.table.itertuples()
        ]
        head = (
            f"Information about {self.target} of {self.model}: {len(self.given)} scores together resolve "
            f"{self.together:.0%} of the forecast's variance (sd {self.sd:.3f}, then {self.sd_left:.3f})."
        )
        return "\n".join([head, *lines, "Next: information.summary(), .plot()"])

    def _repr_html_(self) -> str:
        return as_html(repr(self), self.summary())


@dataclass(frozen=True)
class Subject:
    """The model that is asked about.

    Attributes
    ----------
    label : str
    request : Request
    sd : ndarray (base covariate,)
        Of its covariates before any score; zero where they are known.
    mean : ndarray (base covariate,)
    """

    label: str
    request: Request
    mean: np.ndarray
    sd: np.ndarray

    def drawn(self, size: int, spec: Spec, rng: np.random.Generator) -> Request:
        """Its request, with covariates (size, 1, covariate) of their own in each draw where they are unknown."""
        if not self.sd.any():
            return self.request
        values = self.mean + self.sd * rng.standard_normal((size, 1, len(self.sd)))
        return replace(self.request, covariates=np.stack(design(values, spec.covariates), axis=-1))


def read_subject(
    posterior: PosteriorData, model: str | None, family: str | None, figures: Mapping[str, float | None]
) -> Subject:
    """Say of which model information is asked; `Posterior.information` documents the arguments.

    Raises
    ------
    InformationError
        For an unknown model, several, or a model beside family or compute.
    ForecastError
        For an unknown family, or compute that is not plausible.
    """
    spec, data = posterior.spec, posterior.draws.data
    any_figure = any(value is not None for value in figures.values())
    if model is not None:
        if family is not None or any_figure:
            raise InformationError(
                f"model={model!r} has a family and compute of its own: give model=, or family= and flops=, not both."
            )
        if model not in data.coords["model"]:
            raise InformationError(suggest(str(model), data.coords["model"], "model in the fitted data"))
        row = data.coords["model"].index(model)
        mean, sd = (part[row] for part in covariate_prior(spec, data))
        place = int(data.family_index[row])
        family, label = data.coords["family"][place], f"a model such as {model}"
    else:
        family = NEW_FAMILY if family is None else family
        if any_figure:
            request = read_request(spec, data, family, figures)
            if len(request.labels) != 1:
                raise InformationError(f"Information is about one model, and {len(request.labels)} were named.")
            known = np.zeros(len(data.centre))
            return Subject(request.labels[0], request, known, known)
        families = data.coords["family"]
        if family != NEW_FAMILY and family not in families:
            raise InformationError(suggest(str(family), families, "family in the fitted data"))
        place = families.index(family) if family in families else -1
        prior = spec.priors.latent_covariate.parameters
        mean, sd = (np.full(len(data.centre), prior[name]) for name in ("mu", "sigma"))
        label = f"a model of {'a ' if family == NEW_FAMILY else ''}{family}, compute unknown"
    exact = np.stack(design(mean[None], spec.covariates), axis=-1)
    return Subject(label, Request([label], [family], np.array([place]), exact, {}), mean, sd)


def information(
    posterior: PosteriorData, target: str, given: Sequence[str] | None, subject: Subject, random_seed: int
) -> Information:
    """Simulate models and ask what their scores tell; `Posterior.information` documents the arguments.

    Raises
    ------
    InformationError
        For an unknown benchmark, none, or the target among the given.
    """
    names = posterior.draws.data.coords["benchmark"]
    given = [given] if isinstance(given, str) else given
    chosen = [name for name in names if name != target] if given is None else list(dict.fromkeys(given))
    for name in (target, *chosen):
        if name not in names:
            raise InformationError(suggest(str(name), names, "benchmark in the fitted data"))
    if target in chosen:
        raise InformationError(f"{target} is the target and among the given: leave it out of given=.")
    if not chosen:
        raise InformationError("No benchmark is given: name those whose scores would be known, or leave given= out.")
    posterior.verdict.warn_unless_converged("These shares come")
    expected, measured = _simulate(posterior, subject, np.random.default_rng(random_seed))
    y = expected[:, names.index(target)]
    if np.ptp(y) == 0:
        raise InformationError(f"The forecast of {target} is the same in all draws: there is nothing to resolve.")
    every = list(range(len(chosen)))
    each, rest = [[i] for i in every], [[j for j in every if j != i] for i in every]
    shares = resolved_shares(y, measured[:, [names.index(name) for name in chosen]], [*each, *rest, every])
    alone, without, together = np.split(shares, [len(each), 2 * len(each)], axis=1)
    lost = together - without
    table = pd.DataFrame(
        {
            "target": target,
            "benchmark": chosen,
            "alone": alone[0],
            "lost": lost[0],
            "alone_error": jackknife_error(alone[1:]),
            "lost_error": jackknife_error(lost[1:]),
        }
    )
    table = table.sort_values("alone", ascending=False, ignore_index=True)
    error = float(jackknife_error(together[1:])[0])
    sd, resolved = float(y.std()), float(together[0, 0])
    return Information(target, tuple(chosen), subject.label, sd, resolved, error, table)


def _simulate(posterior: PosteriorData, subject: Subject, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Expected and measured scores, both (simulation, benchmark), of models drawn as forecasts draw them.

    Models of one draw are neighbours, so that a block of neighbours is a part of a chain.
    """
    draws = posterior.draws

    def one_each() -> np.ndarray:
        request = subject.drawn(draws.size, posterior.spec, rng)
        return new_model_scores(draws, request, ModelChance.drawn(draws, len(request.labels), rng))[:, 0]

    expected = np.stack([one_each() for _ in range(-(-SIMULATIONS // draws.size))], axis=1)
    measured = predict_score(expected, draws.precision[:, None], draws.data.items, rng)
    shape = (-1, expected.shape[-1])
    return expected.reshape(shape), measured.reshape(shape)


def resolved_shares(y: np.ndarray, scores: np.ndarray, sets: Sequence[Sequence[int]]) -> np.ndarray:
    """Shares of the variance of y that sets of scores resolve, by regression: ``Var E(y | s) / Var y``.

    ``E(y | s)`` is taken as a curve of a sum of curves, one of each score: scores add up on the scale of capability,
    which then becomes y along a curve of its own. Shares are adjusted for the number of terms.

    Parameters
    ----------
    y : ndarray (simulation,)
    scores : ndarray (simulation, score)
    sets : sequence of sequence of int
        Columns of `scores`.

    Returns
    -------
    ndarray (1 + BLOCKS, set)
        Of all simulations, then with each block of neighbouring ones left out (`jackknife_error`).
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
    """Powers (simulation, value, power) of standardised columns, each with mean 0 and sd 1; 0 for constants."""
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    powers = standard[..., None] ** np.arange(1, degree + 1)
    powers = powers - powers.mean(axis=0)
    scale = powers.std(axis=0)
    return np.asarray(powers / np.where(scale > 0, scale, 1.0))


def _share_explained(table: np.ndarray, more_terms: int) -> np.ndarray:
    """Adjusted R^2 (1 + BLOCKS,) of the last column on the others, the first of which is constant."""
    edges = np.linspace(0, len(table), BLOCKS + 1).astype(int)
    blocks = np.stack([part.T @ part for part in np.split(table, edges[1:-1])])
    moments = blocks.sum(axis=0) - np.concatenate([np.zeros_like(blocks[:1]), blocks])
    count, across, squares = moments[:, 0, 0], moments[:, :-1, -1], moments[:, -1, -1]
    fitted = np.einsum("nc,ncd,nd->n", across, np.linalg.pinv(moments[:, :-1, :-1], hermitian=True), across)
    unexplained = (squares - fitted) / (count - more_terms - table.shape[1] + 1)
    return np.asarray(1 - unexplained / ((squares - across[:, 0] ** 2 / count) / (count - 1)))


def jackknife_error(left_out: np.ndarray) -> np.ndarray:
    """Standard error of estimates from those (block, estimate) with each block left out."""
    count = len(left_out)
    return np.asarray(np.sqrt((count - 1) * left_out.var(axis=0)))
