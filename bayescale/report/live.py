"""Forecasts of a report's page, computed in Python: thinned draws with fixed noise.

The page carries the draws and the noise, and repeats the equations in JavaScript. It shows what `LiveForecast.summary`
returns, up to rounding in the last digits (tests compare both to 1e-6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm, qmc

from bayescale._intervals import PROB, tails, with_interval
from bayescale.forecast.condition import ConditionNoise, LatentModel, ProposalNoise, weigh
from bayescale.forecast.predict import ModelNoise, new_model_scores
from bayescale.forecast.query import ComputeNoise, at_predicted_compute, read_given, read_query
from bayescale.inference.defaults import REPORT_DRAWS, seed_or_new
from bayescale.inference.draws import Draws

if TYPE_CHECKING:
    from bayescale.methods import Posterior
    from bayescale.model.spec import Spec

# The page holds 32-bit numbers, at half the size; Python rounds to the same ones.
PRECISION = np.float32


@dataclass(frozen=True)
class LiveForecast:
    """Thinned draws of a posterior, with the noise that forecasts a single new model on each.

    Attributes
    ----------
    spec : Spec
    draws : Draws
        Thinned, merged into one chain, and rounded to 32 bits.
    model : ModelNoise
        Standard normals of one new model, also used for testlet and family-by-benchmark effects that no known
        score informs.
    proposals : ProposalNoise
        For a model with known scores: columns for all factors, then all testlets, then all benchmarks.
    start : float
        Offset of systematic resampling.
    random_seed : int
        Seed of the noise.
    compute : ComputeNoise, optional
        Of a model that discloses no compute, where the spec predicts it.

    Examples
    --------
    >>> live = live_forecast(posterior, draws=100)
    >>> live.summary(family="Llama-3", flops=4e25, given={"MMLU": 0.86})["benchmark"].tolist()[:2]
    ['MMLU', 'ARC-C']
    """

    spec: Spec
    draws: Draws
    model: ModelNoise
    proposals: ProposalNoise
    start: float
    random_seed: int
    compute: ComputeNoise | None = None

    def summary(
        self,
        family: str,
        flops: float | None = None,
        *,
        params: float | None = None,
        tokens: float | None = None,
        given: Mapping[str, float] | None = None,
        prob: float = PROB,
        **columns: Any,
    ) -> pd.DataFrame:
        """Summarise the expected score of one new model per benchmark by median and equal-tailed interval.

        The expected score is the true score on infinitely many items: the interval includes model-to-model variation
        but not test-sampling noise.

        Arguments and errors as in `Posterior.forecast`, for one model. Without compute it integrates over what the spec
        predicts, where it does (`Spec.compute_from`).

        Returns
        -------
        pandas.DataFrame
            ``benchmark, median, lower, upper``; ``attrs["effective_draws"]`` is the effective number of draws.
        """
        facts = {"flops": flops, "params": params, "tokens": tokens, **columns}
        expected, effective_draws = self.expected_scores(family, facts, given)
        lower, upper = tails(prob)
        low, middle, high = np.quantile(expected, [lower, 0.5, upper], axis=0)
        names = self.draws.data.coords["benchmark"]
        table = pd.DataFrame({"benchmark": names, "median": middle, "lower": low, "upper": high})
        table.attrs["effective_draws"] = effective_draws
        return with_interval(table, prob)

    def expected_scores(
        self, family: str, facts: Mapping[str, Any], given: Mapping[str, float] | None = None
    ) -> tuple[np.ndarray, float]:
        """Return expected scores (S, benchmark) and the effective number of draws; `facts` are covariates by name."""
        query = read_query(self.spec, self.draws.data, family, facts)
        if self.compute is not None:
            query = at_predicted_compute(self.draws, query, self.compute)
        if not given:
            return new_model_scores(self.draws, query, self.model)[:, 0], float(self.draws.size)
        index, scores = read_given(given, query, self.draws.data.coords["benchmark"])
        latent = LatentModel.of(self.draws, query.covariates[..., 0, :], int(query.family_index[0]), index)
        found = weigh(self.draws, query, latent, scores, self._noise(latent))
        return found.expected[:, 0], found.effective_draws

    def _noise(self, latent: LatentModel) -> ConditionNoise:
        """Select the columns of the unknowns that the model has."""
        factors, testlets = self.draws.loading.shape[2], self.draws.testlet.shape[-1]
        columns = [*range(factors), *(factors + latent.testlets)]
        if latent.own_effects:
            columns += [*(factors + testlets + latent.given)]
        proposals = ProposalNoise(self.proposals.normal[..., columns], self.proposals.chi_square)
        return ConditionNoise(proposals, self.start, self.model.family_benchmark[:, 0], self.model.testlet[:, 0])


def live_forecast(posterior: Posterior, draws: int = REPORT_DRAWS, *, random_seed: int | None = None) -> LiveForecast:
    """Thin a posterior to `draws` draws, and draw the noise of its forecasts.

    Parameters
    ----------
    posterior : Posterior
    draws : int
        Largest number of draws, evenly spaced over the chains.
    random_seed : int, optional
        Seed of the noise: a page states its own. None draws a new one; the result records it.
    """
    thinned = _rounded(posterior.draws.thinned(draws))
    random_seed = seed_or_new(random_seed)
    rng = np.random.default_rng(random_seed)
    unknowns = thinned.loading.shape[2] + thinned.testlet.shape[-1] + thinned.difficulty.shape[1]
    even = thinned.size < posterior.draws.size
    live = LiveForecast(
        spec=posterior.spec,
        draws=thinned,
        model=_rounded((_even_noise if even else ModelNoise.drawn)(thinned, 1, rng)),
        proposals=_rounded(ProposalNoise.drawn((thinned.size, unknowns), rng)),
        start=float(rng.random()),
        random_seed=random_seed,
    )
    if not posterior.spec.compute_from:
        return live
    # Last, so that all other noise of a seed is the same with and without it.
    noise = _even_compute_noise(thinned, live.model, rng) if even else ComputeNoise.drawn(thinned, 1, rng)
    return replace(live, compute=_rounded(noise))


def _even_noise(draws: Draws, models: int, rng: np.random.Generator) -> ModelNoise:
    """Draw noise as `ModelNoise.drawn`, spread more evenly: few draws then give the intervals of four times as many."""
    noise = ModelNoise.drawn(draws, models, rng)
    shapes = {field.name: getattr(noise, field.name).shape for field in fields(noise)}
    dims = [int(np.prod(shape[1:])) for shape in shapes.values()]
    parts = np.split(_even_normals(draws.size, sum(dims), rng), np.cumsum(dims)[:-1], axis=1)
    return ModelNoise(**{name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)})


def _even_compute_noise(draws: Draws, beside: ModelNoise, rng: np.random.Generator) -> ComputeNoise:
    """Draw noise of one model as `ComputeNoise.drawn`, spread evenly `beside` that of its capability."""
    taken = sum(int(np.prod(getattr(beside, field.name).shape[1:])) for field in fields(beside))
    normal = _even_normals(draws.size, 2, rng, after=taken)
    makers = bool(draws.maker_compute.shape[1])
    return ComputeNoise(maker=normal[:, :1] * makers, model=normal[:, 1:])


def _even_normals(size: int, dims: int, rng: np.random.Generator, after: int = 0) -> np.ndarray:
    """Draw standard normals (size, dims): Sobol points with a random shift (Cranley & Patterson 1976).

    They are the coordinates `after` those that are taken: the same ones, shifted again, would depend on each other.
    """
    points = qmc.Sobol(after + dims, scramble=False).random_base2((size - 1).bit_length())[:size, after:]
    return norm.ppf(((points + rng.random(dims)) % 1).clip(1e-12, 1 - 1e-12))


def _rounded(numbers: Any) -> Any:
    """Round the arrays of a frozen value to what the page holds."""
    values = {f.name: getattr(numbers, f.name) for f in fields(numbers)}
    arrays = {k: v.astype(PRECISION).astype(float) for k, v in values.items() if isinstance(v, np.ndarray)}
    return replace(numbers, **arrays)
