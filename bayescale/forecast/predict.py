"""Expected scores of new models, draw by draw."""

from __future__ import annotations

import numpy as np

from bayescale.forecast.noise import ModelChance
from bayescale.forecast.query import Request
from bayescale.inference.draws import Draws


def new_model_scores(draws: Draws, request: Request, chance: ModelChance) -> np.ndarray:
    """Expected scores (S, model, benchmark) of new models from family and covariates alone.

    Everything that is unknown of a new model is drawn from its distribution given the draw: its residual capability,
    its testlet effects, and for a new family its offset and its bent for each benchmark. New models of one call share
    one new family; models of a known family share that family's draws.
    """
    testlet = chance.testlet * draws.testlet_sd[:, None, None]
    new_offset = chance.offset * draws.family_sd[:, None, None]
    new_bent = chance.bent * draws.family_benchmark_sd[:, None, None]
    # The new family stands behind the known ones, where index -1 finds it.
    offset = np.concatenate([draws.family_offset, new_offset], axis=1)[:, request.family_index]
    bent = np.concatenate([draws.family_benchmark, new_bent], axis=1)[:, request.family_index]
    capability = request.covariates @ draws.slope + offset + chance.residual
    return draws.scores_of(capability, request.covariates, testlet, bent)
