"""Intervals for methods that give points: residuals drawn again where they are alike, and the fit repeated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit

# Half a point in a hundred keeps scores of exactly 0 and 1 finite, as half an item does for counts (Haldane 1956).
_POINTS, _HALF = 100.0, 0.5


def to_logit(score: np.ndarray) -> np.ndarray:
    """Take scores to the scale on which residuals are resampled.

    A sigmoid law leaves out what is particular about a model, and that acts before the sigmoid: the same lack of
    capability costs much in the middle of the curve and nearly nothing at its floor. So residuals are alike on the
    logit scale, and those of models at the floor do not make forecasts in the middle look exact.
    """
    return logit((np.clip(score, 0, 1) * _POINTS + _HALF) / (_POINTS + 2 * _HALF))


def from_logit(value: np.ndarray) -> np.ndarray:
    """Undo `to_logit`; always in [0, 1]."""
    return np.clip((expit(value) * (_POINTS + 2 * _HALF) - _HALF) / _POINTS, 0, 1)


def residuals(score: np.ndarray, fitted: np.ndarray, parameters: int) -> np.ndarray:
    """Residuals (model,) on the logit scale: centred, and as large as if the fit had not used up `parameters`."""
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
    """Residual bootstrap of a regression's forecasts (Davison & Hinkley 1997, sections 6.3 and 7.2).

    Parameters
    ----------
    refit : callable
        From scores (model,) of the models learnt from to forecasts (asked,).
    fitted : ndarray (model,)
        The fit's own values for the models learnt from.
    pool : ndarray
        Residuals on the logit scale.
    draws, refits : int
        So many draws in all, spread evenly over so many repetitions of the fit.

    Returns
    -------
    ndarray (draw, asked)
        Scores in [0, 1], with the uncertainty of the parameters and the scatter of single models.
    """
    rounds = []
    for part in np.array_split(np.arange(draws), min(refits, draws)):
        again = scatter(fitted, pool, 1, rng)[0]
        rounds.append(scatter(refit(again), pool, len(part), rng))
    return np.concatenate(rounds)
