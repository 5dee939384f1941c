"""Observed scores: beta-binomial counts of items, Beta where a score is no proportion of items."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.model.score_density_op import score_density
from bayescale.response import predict_score


def scores(
    name: str, *, mean: Any, precision: Any, items: np.ndarray, observed: Any, log_choose: Any, score: Any, dims: Any
) -> Any:
    """Make observed scores ``y`` with ``n y ~ BetaBinomial(n, mean precision, (1 - mean) precision)``.

    Where no items are counted, ``y ~ Beta(mean precision, (1 - mean) precision)``.

    Parameters
    ----------
    mean : tensor (model, benchmark)
    precision : tensor (benchmark,)
    items : ndarray (benchmark,)
        inf where no items are counted.
    observed, log_choose, score : tensor (model, benchmark)
        1 where there is a score and 0 elsewhere, where the density is 1; log of the binomial coefficient; the scores.
    """
    return pm.CustomDist(
        name,
        mean,
        precision,
        np.where(np.isfinite(items), items, 0.0),
        observed,
        log_choose,
        logp=_log_density,
        random=_draw,
        signature="(),(),(),(),()->()",
        observed=score,
        dims=dims,
    )


def _log_density(value: Any, mean: Any, precision: Any, items: Any, observed: Any, log_choose: Any) -> Any:
    # PyMC has made rows of the vectors over benchmarks.
    vectors = (pt.squeeze(v, axis=0) for v in (precision, items))
    return score_density(mean, *vectors, value, observed)[0] + log_choose


def _draw(
    mean: Any, precision: Any, items: Any, observed: Any, log_choose: Any, rng: np.random.Generator, size: Any = None
) -> np.ndarray:
    shares = np.broadcast_to(mean, np.shape(mean) if size is None else size)
    return predict_score(shares, precision, np.where(items > 0, items, np.inf), rng)
