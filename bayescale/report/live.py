"""Forecasts as the page of a report computes them, in Python: a few draws, and random numbers that are fixed.

The page carries the draws and the random numbers, and repeats the equations in JavaScript. What it shows for a question
is what `LiveForecast.summary` gives, to rounding in the last digits (tests hold both to 1e-6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._intervals import KIND, PROB, tails
from bayescale.forecast.condition import weigh
from bayescale.forecast.latent_model import NewModel
from bayescale.forecast.noise import ConditionChance, ModelChance, ProposalChance
from bayescale.forecast.predict import new_model_scores
from bayescale.forecast.query import read_given, read_request
from bayescale.inference.defaults import REPORT_DRAWS
from bayescale.inference.draws import Draws

if TYPE_CHECKING:
    from bayescale.methods import Posterior
    from bayescale.model.spec import Spec

# A page holds 32-bit numbers, at half the size: Python takes the same ones, rounded alike.
PRECISION = np.float32


@dataclass(frozen=True)
class Answer:
    """Expected scores (S, benchmark) of one new model, and how many of the draws weigh in."""

    expected: np.ndarray
    effective_draws: float


@dataclass(frozen=True)
class LiveForecast:
    """Some draws of a posterior with the random numbers that forecast a single new model on each.

    Attributes
    ----------
    spec : Spec
    draws : Draws
        Thinned, as if of one chain, and rounded to 32 bits.
    model : ModelChance
        Standard normals of one new model, and of the testlets and bents that known scores say nothing of.
    proposals : ProposalChance
        For a model of which scores are known: columns for every factor, then every testlet, then every benchmark.
    start : float
        Where resampling begins.

    Examples
    --------
    >>> live = live_forecast(posterior, draws=100)
    >>> live.summary(family="Llama-3", flops=4e25, given={"MMLU": 0.86})["benchmark"].tolist()[:2]
    ['MMLU', 'ARC-C']
    """

    spec: Spec
    draws: Draws
    model: ModelChance
    proposals: ProposalChance
    start: float

    def summary(
        self,
        family: str,
        flops: float | None = None,
        *,
        params_b: float | None = None,
        tokens_t: float | None = None,
        given: Mapping[str, float] | None = None,
        prob: float = PROB,
    ) -> pd.DataFrame:
        """Median and equal-tailed interval of the expected score of a single new model, per benchmark.

        The score is the one on endless items: what the model owes to neither family nor compute is in the interval,
        the noise of the benchmark's own items is not.

        Parameters
        ----------
        family : str
            Of the data, or `bayescale.NEW_FAMILY`.
        flops, params_b, tokens_t : float, optional
            As in `Posterior.forecast`.
        given : mapping of str to float, optional
            Known scores, by benchmark.
        prob : float

        Returns
        -------
        pandas.DataFrame
            ``benchmark, median, lower, upper, prob, interval``; ``attrs["effective_draws"]`` is how many weigh in.

        Raises
        ------
        ForecastError
            As `Posterior.forecast`.
        """
        answer = self.expected_scores(family, {"flops": flops, "params_b": params_b, "tokens_t": tokens_t}, given)
        lower, upper = tails(prob)
        low, middle, high = np.quantile(answer.expected, [lower, 0.5, upper], axis=0)
        names = self.draws.data.coords["benchmark"]
        table = pd.DataFrame({"benchmark": names, "median": middle, "lower": low, "upper": high})
        table.attrs["effective_draws"] = answer.effective_draws
        return table.assign(prob=prob, interval=KIND)

    def expected_scores(
        self, family: str, figures: Mapping[str, float | None], given: Mapping[str, float] | None = None
    ) -> Answer:
        """Draws behind `summary`; `figures` by name, None where there is none."""
        request = read_request(self.spec, self.draws.data, family, figures)
        if not given:
            return Answer(new_model_scores(self.draws, request, self.model)[:, 0], float(self.draws.size))
        index, scores = read_given(given, request, self.draws.data.coords["benchmark"])
        latent = NewModel.of(self.draws, request.covariates[0], int(request.family_index[0]), index)
        conditioned = weigh(self.draws, request, latent, scores, self._chance(latent))
        return Answer(conditioned.expected[:, 0], conditioned.effective_draws)

    def _chance(self, latent: NewModel) -> ConditionChance:
        """Take the columns of the unknowns that the model has."""
        factors, testlets = self.draws.loading.shape[2], self.draws.testlet.shape[-1]
        columns = [*range(factors), *(factors + latent.testlets)]
        if latent.new_family:
            columns += [*(factors + testlets + latent.given)]
        proposals = ProposalChance(self.proposals.normal[..., columns], self.proposals.chi_square)
        return ConditionChance(proposals, self.start, self.model.bent[:, 0], self.model.testlet[:, 0])


def live_forecast(posterior: Posterior, draws: int = REPORT_DRAWS, random_seed: int = 0) -> LiveForecast:
    """Thin a posterior to `draws` draws, and draw the random numbers for forecasts on them.

    Parameters
    ----------
    posterior : Posterior
    draws : int
        At most so many, evenly spread over the chains.
    random_seed : int

    Returns
    -------
    LiveForecast
    """
    thinned = _rounded(posterior.draws.thinned(draws))
    rng = np.random.default_rng(random_seed)
    unknowns = thinned.loading.shape[2] + thinned.testlet.shape[-1] + thinned.difficulty.shape[1]
    return LiveForecast(
        spec=posterior.spec,
        draws=thinned,
        model=_rounded(ModelChance.drawn(thinned, 1, rng)),
        proposals=_rounded(ProposalChance.drawn((thinned.size, unknowns), rng)),
        start=float(rng.random()),
    )


def _rounded(numbers: Any) -> Any:
    """Round the arrays of a frozen value to what the page holds."""
    values = {f.name: getattr(numbers, f.name) for f in fields(numbers)}
    arrays = {k: v.astype(PRECISION).astype(float) for k, v in values.items() if isinstance(v, np.ndarray)}
    return replace(numbers, **arrays)
