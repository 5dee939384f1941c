"""Observed scores: beta-binomial counts of items, or of steps where a score is no proportion of items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.model.curve import Curve, Noise, expected_score, predict_score, score_precision
from bayescale.model.kernels.score_density import score_density


def scores(
    name: str, *, logit: Any, curve: Curve, noise: Noise, items: np.ndarray, cells: Mapping[str, Any], dims: Any
) -> Any:
    """Make observed scores ``y`` with ``n y ~ BetaBinomial(n, mean precision, (1 - mean) precision)``.

    The mean is the curve's at the logit (`bayescale.model.curve.expected_score`), the precision that of the mean
    (`bayescale.model.curve.score_precision`).

    Parameters
    ----------
    logit : tensor (model, benchmark)
    curve : Curve
    noise : Noise of tensors (benchmark,)
    items : ndarray (benchmark,)
        `bayescale.model.curve.SHARE_STEPS` where none are counted.
    cells : mapping of str to tensor (model, benchmark)
        ``observed_score``; ``observed``, 1 where there is one and 0 elsewhere, where the density is 1; and
        ``log_choose``, log of the binomial coefficient.
    """
    return pm.CustomDist(
        name,
        logit,
        *(pt.as_tensor(part) for part in curve),
        *(pt.as_tensor(part) for part in noise),
        items,
        cells["observed"],
        cells["log_choose"],
        logp=_log_density,
        random=_draw,
        signature="(),(),(),(),(),(),(),(),()->()",
        observed=cells["observed_score"],
        dims=dims,
    )


def log_density(logit: Any, curve: Curve, noise: Noise, items: np.ndarray, cells: Mapping[str, Any]) -> Any:
    """Return the log density (model, benchmark) of the observed scores, zero where none was observed."""
    parts = (pt.as_tensor(part) for part in (*curve, *noise, items))
    return score_density(logit, *parts, cells["observed_score"], cells["observed"])[0] + cells["log_choose"]


def _log_density(value: Any, logit: Any, *parameters: Any) -> Any:
    *vectors, observed, log_choose = parameters
    # PyMC has made rows of the vectors over benchmarks.
    vectors = [pt.squeeze(v, axis=0) for v in vectors]
    return score_density(logit, *vectors, value, observed)[0] + log_choose


def _draw(
    logit: Any, floor: Any, ceiling: Any, shape: Any, precision: Any, specific_sd: Any, items: Any, observed: Any,
    log_choose: Any, rng: np.random.Generator, size: Any = None,
) -> np.ndarray:  # fmt: skip
    mean = expected_score(logit, floor, ceiling, shape)
    shares = np.broadcast_to(mean, np.shape(mean) if size is None else size)
    phi = score_precision(precision, specific_sd, shares, floor, ceiling, shape)
    return predict_score(shares, phi, items, rng)
