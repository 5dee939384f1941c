"""Standard-normal inputs of a forecast, drawn up front so that Python and the HTML report can use the same ones.

The page of a report has no random number generator: it carries these numbers beside the draws, and Python can repeat
each of its forecasts (`bayescale.report.live`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bayescale.forecast.latent_model import LatentModel
    from bayescale.inference.draws import Draws

PROPOSALS = 8
DEGREES_OF_FREEDOM = 7


@dataclass(frozen=True)
class ModelNoise:
    """Noise of new models: residual capability, testlet effects and, for a new family, its own effects.

    Standard normals. Shapes, with S draws: ``residual`` (S, model, factor), ``testlet`` (S, model, testlet); and of the
    one new family, ``offset`` (S, 1, factor) and ``family_benchmark`` (S, 1, benchmark).
    """

    residual: np.ndarray
    testlet: np.ndarray
    offset: np.ndarray
    family_benchmark: np.ndarray

    @classmethod
    def drawn(cls, draws: Draws, models: int, rng: np.random.Generator) -> ModelNoise:
        """Draw the noise of this many models."""
        factors = draws.slope.shape[-1]
        return cls(
            residual=rng.standard_normal((draws.size, models, factors)),
            testlet=rng.standard_normal((draws.size, models, draws.testlet.shape[-1])),
            offset=rng.standard_normal((draws.size, 1, factors)),
            family_benchmark=rng.standard_normal((draws.size, 1, draws.difficulty.shape[-1])),
        )


@dataclass(frozen=True)
class ProposalNoise:
    """Noise of the proposals for the unknowns of a model: standard normals (S, P, z), and chi-squares (S, P).

    The chi-squares have `DEGREES_OF_FREEDOM`, those of the Student-t proposal distribution.
    """

    normal: np.ndarray
    chi_square: np.ndarray

    @classmethod
    def drawn(cls, unknowns: tuple[int, int], rng: np.random.Generator) -> ProposalNoise:
        """Draw the noise of proposals for this many (draws, unknowns)."""
        size, dims = unknowns
        normal = rng.standard_normal((size, PROPOSALS, dims))
        return cls(normal, rng.chisquare(DEGREES_OF_FREEDOM, (size, PROPOSALS)))


@dataclass(frozen=True)
class ConditionNoise:
    """Noise of conditioning a model on known scores: proposals, resampling, and effects that no score informs.

    ``start``, in [0, 1), is the offset of systematic resampling. Effects that no known score informs are drawn for each
    resampled draw, from the standard normals ``testlet`` (S, testlet) and, for a new family only, ``family_benchmark``
    (S, benchmark).
    """

    proposals: ProposalNoise
    start: float
    family_benchmark: np.ndarray
    testlet: np.ndarray

    @classmethod
    def drawn(cls, draws: Draws, model: LatentModel, rng: np.random.Generator) -> ConditionNoise:
        """Draw the noise of conditioning one model."""
        proposals = ProposalNoise.drawn(model.size, rng)
        start = rng.random()
        none = np.empty((draws.size, 0))
        effect = rng.standard_normal(draws.difficulty.shape) if model.new_family else none
        return cls(proposals, start, effect, rng.standard_normal((draws.size, draws.testlet.shape[-1])))
