"""Predict scores of new models from family and covariates, draw by draw; many models in blocks.

The noise is drawn up front, apart from the equations: the page of a report has no random number generator. It carries
these standard normals beside the draws, and Python can repeat each of its forecasts (`bayescale.report.live`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayescale.inference.parallel import processors

if TYPE_CHECKING:
    from bayescale.forecast.query import ForecastQuery
    from bayescale.inference.draws import Draws

# Cells (draws x models x benchmarks) of a block: an array of them takes 16 MB, and a dozen are alive at a time.
CELLS = 2_000_000


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


def new_model_scores(
    draws: Draws, query: ForecastQuery, noise: ModelNoise, setting: np.ndarray | float = 0.0
) -> np.ndarray:
    """Compute expected scores (S, model, benchmark) of new models from family and covariates alone.

    Every unknown of a new model is drawn from its distribution given the draw: its residual capability, its testlet
    effects, and for a new family its offset and its family-by-benchmark effects. New models of one call share one new
    family; models of a known family share that family's draws. `setting` (S, model, benchmark) is what the settings of
    the scores add to their logits.
    """
    testlet = noise.testlet * draws.testlet_sd[:, None, None]
    new_offset = noise.offset * draws.family_sd[:, None, None]
    new_effect = noise.family_benchmark * draws.family_benchmark_sd[:, None, None]
    # The new family stands behind the known ones, where index -1 finds it.
    offset = np.concatenate([draws.family_offset, new_offset], axis=1)[:, query.family_index]
    effect = np.concatenate([draws.family_benchmark, new_effect], axis=1)[:, query.family_index]
    capability = query.covariates @ draws.slope + offset + noise.residual
    return draws.scores_of(capability, query.covariates, testlet, effect + setting)


def forecast_scores(draws: Draws, query: ForecastQuery, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw expected and measured scores (S, model, benchmark) of new models, in blocks on several threads.

    NumPy's functions and generators release the interpreter lock, so blocks run side by side. The same state of `rng`
    gives the same scores on any number of processors.
    """
    models, benchmarks = len(query.labels), draws.precision.shape[-1]
    size = max(1, CELLS // (draws.size * benchmarks))
    parts = [slice(start, start + size) for start in range(0, models, size)]
    # One block takes its numbers from `rng` itself, as a report's page does (`bayescale.report.live`). Of several, all
    # models that belong to a new family belong to the same one.
    alone = len(parts) == 1
    family = {} if alone else _family_noise(draws, rng)
    expected, predicted = (np.empty((draws.size, models, benchmarks)) for _ in range(2))

    def fill(part: slice, own: np.random.Generator) -> None:
        block = query.part(part)
        noise = ModelNoise.drawn(draws, len(block.labels), own)
        expected[:, part] = new_model_scores(draws, block, replace(noise, **family))
        predicted[:, part] = draws.measured(expected[:, part], own)

    with ThreadPoolExecutor(processors()) as pool:
        list(pool.map(fill, parts, [rng] if alone else rng.spawn(len(parts))))
    return expected, predicted


def _family_noise(draws: Draws, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the noise of a new family, without that of any model."""
    noise = ModelNoise.drawn(draws, 0, rng)
    return {"offset": noise.offset, "family_benchmark": noise.family_benchmark}
