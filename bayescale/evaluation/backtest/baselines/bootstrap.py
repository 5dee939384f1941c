"""Residual bootstrap on the logit scale: prediction intervals for point forecasts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit

# Half a point in a hundred keeps scores of exactly 0 and 1 finite, as half an item does for counts (Haldane 1956).
_POINTS, _HALF = 100.0, 0.5


def to_logit(score: np.ndarray) -> np.ndarray:
    """Transform scores to logits, the scale on which residuals are resampled.

    Differences between models act before the sigmoid: the same lack of capability costs much in the middle of the curve
    and little near its floor. So residuals are homoscedastic on the logit scale, and those of models near the floor do
    not make forecasts in the middle look too precise.
    """
    return logit((np.clip(score, 0, 1) * _POINTS + _HALF) / (_POINTS + 2 * _HALF))


def from_logit(value: np.ndarray) -> np.ndarray:
    """Invert `to_logit`; the result is in [0, 1]."""
    return np.clip((expit(value) * (_POINTS + 2 * _HALF) - _HALF) / _POINTS, 0, 1)


def residuals(score: np.ndarray, fitted: np.ndarray, parameters: int) -> np.ndarray:
    """Return centred residuals (model,) on the logit scale, scaled for the degrees of freedom of `parameters`."""
    raw = to_logit(score) - to_logit(fitted)
    return (raw - raw.mean()) * np.sqrt(len(raw) / max(len(raw) - parameters, 1))


def scatter(mean: np.ndarray, pool: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw scores (draw, model) around `mean` with residuals from `pool`."""
    return from_logit(to_logit(mean) + rng.choice(pool, size=(draws, len(mean))))


def bootstrap(
    refit: Callable[[np.ndarray], np.ndarray],
    fitted: np.ndarray,
    pool: np.ndarray,
    draws: int,
    refits: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw forecasts of a regression by the residual bootstrap (Davison & Hinkley 1997, sections 6.3 and 7.2).

    Parameters
    ----------
    refit : callable
        From scores (model,) of the training models to forecasts (test model,).
    fitted : ndarray (model,)
        Fitted values of the training models.
    pool : ndarray
        Residuals on the logit scale.
    draws, refits : int
        Total number of draws, spread evenly over the repetitions of the fit.

    Returns
    -------
    ndarray (draw, test model)
        Scores in [0, 1], with the uncertainty of the parameters and the scatter of single models.
    """
    parts = []
    for part in np.array_split(np.arange(draws), min(refits, draws)):
        resampled = scatter(fitted, pool, 1, rng)[0]
        parts.append(scatter(refit(resampled), pool, len(part), rng))
    return np.concatenate(parts)
