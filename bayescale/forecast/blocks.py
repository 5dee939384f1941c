"""Many new models at once: blocks of them, shared between the processors, each with random numbers of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bayescale.forecast.noise import ModelChance
from bayescale.forecast.predict import new_model_scores
from bayescale.inference.parallel import processors
from bayescale.model.curve import predict_score

if TYPE_CHECKING:
    from bayescale.forecast.query import Request
    from bayescale.inference.draws import Draws

# Cells (draws x models x benchmarks) of a block: an array of them takes 16 MB, and a dozen are alive at a time.
CELLS = 2_000_000


def forecast_scores(draws: Draws, request: Request, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Expected and measured scores (S, model, benchmark) of new models from family and covariates alone.

    NumPy's functions and generators leave the interpreter to other threads, so blocks run side by side; which
    processor takes which does not matter to the numbers.

    Parameters
    ----------
    draws : Draws
    request : Request
    rng : numpy.random.Generator
        The same state gives the same scores on any number of processors.
    """
    models, benchmarks = len(request.labels), draws.precision.shape[-1]
    size = max(1, CELLS // (draws.size * benchmarks))
    parts = [slice(start, start + size) for start in range(0, models, size)]
    # One block takes its numbers from `rng` itself, as a report's page does (`bayescale.report.live`). Of several, all
    # models that belong to a new family belong to the same one.
    alone = len(parts) == 1
    family = {} if alone else _family(draws, rng)
    expected, predicted = (np.empty((draws.size, models, benchmarks)) for _ in range(2))

    def fill(part: slice, own: np.random.Generator) -> None:
        asked = request.part(part)
        chance = ModelChance.drawn(draws, len(asked.labels), own)
        expected[:, part] = new_model_scores(draws, asked, replace(chance, **family))
        predicted[:, part] = predict_score(expected[:, part], draws.precision[:, None], draws.data.items, own)

    with ThreadPoolExecutor(processors()) as pool:
        list(pool.map(fill, parts, [rng] if alone else rng.spawn(len(parts))))
    return expected, predicted


def _family(draws: Draws, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What a new family leaves to chance, without any model of it."""
    chance = ModelChance.drawn(draws, 0, rng)
    return {"offset": chance.offset, "bent": chance.bent}
