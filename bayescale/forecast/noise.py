"""The random numbers of a forecast, apart from its equations: the same numbers give the same forecast.

A report computes forecasts in its page, in another language and without a generator of its own: it carries these
numbers beside the draws, and Python can repeat each of its forecasts (`bayescale.report.live`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bayescale.forecast.latent_model import NewModel
    from bayescale.inference.draws import Draws

PROPOSALS = 8
DEGREES_OF_FREEDOM = 7


@dataclass(frozen=True)
class ModelChance:
    """What new models owe to neither family nor covariates, as standard normals.

    Shapes, with S draws: ``residual`` (S, model, factor), ``testlet`` (S, model, testlet); and of the one new family,
    ``offset`` (S, 1, factor) and ``bent`` (S, 1, benchmark).
    """

    residual: np.ndarray
    testlet: np.ndarray
    offset: np.ndarray
    bent: np.ndarray

    @classmethod
    def drawn(cls, draws: Draws, models: int, rng: np.random.Generator) -> ModelChance:
        """Draw them anew."""
        factors = draws.slope.shape[-1]
        return cls(
            residual=rng.standard_normal((draws.size, models, factors)),
            testlet=rng.standard_normal((draws.size, models, draws.testlet.shape[-1])),
            offset=rng.standard_normal((draws.size, 1, factors)),
            bent=rng.standard_normal((draws.size, 1, draws.difficulty.shape[-1])),
        )


@dataclass(frozen=True)
class ProposalChance:
    """Proposals of the unknowns of a model: standard normals (S, P, z), and their chi-squares (S, P).

    The chi-squares have `DEGREES_OF_FREEDOM`, those of the Student-t that is proposed from.
    """

    normal: np.ndarray
    chi_square: np.ndarray

    @classmethod
    def drawn(cls, unknowns: tuple[int, int], rng: np.random.Generator) -> ProposalChance:
        """Draw them anew, for so many (draws, unknowns)."""
        size, dims = unknowns
        normal = rng.standard_normal((size, PROPOSALS, dims))
        return cls(normal, rng.chisquare(DEGREES_OF_FREEDOM, (size, PROPOSALS)))


@dataclass(frozen=True)
class ConditionChance:
    """All that conditioning a model on known scores leaves to chance.

    ``start``, in [0, 1), is where resampling begins. What the scores say nothing of is drawn anew for each resampled
    draw, from the standard normals ``testlet`` (S, testlet) and, of a new family alone, ``bent`` (S, benchmark).
    """

    proposals: ProposalChance
    start: float
    bent: np.ndarray
    testlet: np.ndarray

    @classmethod
    def drawn(cls, draws: Draws, model: NewModel, rng: np.random.Generator) -> ConditionChance:
        """Draw them anew, for one model of which some scores are known."""
        proposals = ProposalChance.drawn(model.size, rng)
        start = rng.random()
        none = np.empty((draws.size, 0))
        bent = rng.standard_normal(draws.difficulty.shape) if model.new_family else none
        return cls(proposals, start, bent, rng.standard_normal((draws.size, draws.testlet.shape[-1])))
