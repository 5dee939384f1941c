"""Probability integral transforms (PIT): rank of outcomes among predictive draws, and tests of uniformity."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import binom

if TYPE_CHECKING:
    import pandas as pd

# Scores this close are the same number of right answers: tables hold ten digits, draws are exact shares of items.
TIE = 1e-8

# Probability that the ECDF of uniform PIT values is inside `uniform_band` at all points.
BAND = 0.95
POINTS = 100

Reading = Literal["as expected", "too high", "too low", "too central", "too scattered"]


def randomised_pit(outcome: np.ndarray, draws: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Compute the randomised PIT: the relative rank of each outcome among its draws, ties broken at random.

    Counts of items are discrete, so outcomes tie with draws; random ranks among ties make the values uniform if
    outcomes and draws have the same distribution (Czado, Gneiting & Held 2009, Biometrics 65, section 2).

    Of outcomes (cell,), their predictive draws (cell, draw), and a number in [0, 1) for each (`uniform_by_name`); the
    result lies in (0, 1).

    Examples
    --------
    >>> draws = np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    >>> randomised_pit(np.array([0.25, 0.5]), draws, np.array([0.5, 0.5])).tolist()
    [0.625, 0.5]
    """
    below = (draws < outcome[:, None] - TIE).sum(axis=1)
    equal = (np.abs(draws - outcome[:, None]) <= TIE).sum(axis=1)
    return (below + uniform * (equal + 1)) / (draws.shape[1] + 1)


def uniform_by_name(names: pd.DataFrame, random_seed: int) -> np.ndarray:
    """Draw a random number in [0, 1) for each row, from its names and the seed, independent of the other rows."""
    rows = ("\n".join(row) for row in names.itertuples(index=False))
    return np.array([np.random.default_rng([random_seed, zlib.crc32(row.encode())]).random() for row in rows])


def inside(pit: np.ndarray, prob: float | np.ndarray) -> np.ndarray:
    """Test whether outcomes lie in the equal-tailed interval of probability `prob`, with broadcasting.

    Examples
    --------
    >>> inside(np.array([0.04, 0.5]), 0.9).tolist()
    [False, True]
    """
    return np.abs(2 * pit - 1) <= prob


@lru_cache(maxsize=64)
def uniform_band(count: int, *, prob: float = BAND) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a simultaneous band of the ECDF of `count` independent uniform values, minus the uniform CDF.

    The curve is inside at all points with probability `prob`: pointwise binomial intervals, whose common level is
    optimised (Säilynoja, Bürkner & Vehtari 2022, Statistics and Computing 32:32, section 2). Return points in (0, 1),
    lower and upper ends.

    Examples
    --------
    >>> points, lower, upper = uniform_band(100)
    >>> bool((lower < 0).all() and (upper > 0).all())
    True
    """
    points = np.arange(1, POINTS) / POINTS

    def counts(level: float) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = binom.interval(level, count, points)
        return lower.astype(int), upper.astype(int)

    def error(level: float) -> float:
        return abs(_probability_inside(count, points, *counts(level)) - prob)

    lower, upper = counts(minimize_scalar(error, bounds=(prob, 1), method="bounded").x)
    return points, lower / count - points, upper / count - points


def _probability_inside(count: int, points: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Return the probability that between `lower` and `upper` of `count` uniform values lie below each point.

    The count below one point is a Markov chain over the points: of the values above a point each lies below the next
    with the same probability, whatever the others do. (`binom.pmf`, without its checks of arguments: they take most of
    the time of a predictive check.)
    """
    step = np.diff(points, prepend=0.0) / (1 - np.r_[0.0, points[:-1]])
    log_factorial = gammaln(np.arange(count + 1) + 1.0)
    below, probability = np.zeros(1, dtype=int), np.ones(1)
    for low, high, probability_below in zip(lower, upper, step, strict=True):
        following = np.arange(low, high + 1)
        more, above = following - below[:, None], count - following
        log_pmf = log_factorial[count - below][:, None] - log_factorial[np.maximum(more, 0)] - log_factorial[above]
        log_pmf += more * np.log(probability_below) + above * np.log1p(-probability_below)
        probability = probability @ np.where(more >= 0, np.exp(np.where(more >= 0, log_pmf, 0.0)), 0.0)
        below = following
    return float(probability.sum())


def ecdf_difference(pit: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the ECDF of PIT values minus the uniform CDF, at `points`."""
    return np.searchsorted(np.sort(pit), points, side="right") / len(pit) - points


def out_of_band(pit: np.ndarray, *, prob: float = BAND) -> np.ndarray:
    """Return the points (point,) of `uniform_band` at which the ECDF of PIT values is outside the band, as bool."""
    points, lower, upper = uniform_band(len(pit), prob=prob)
    difference = ecdf_difference(pit, points)
    # Multiples of 1 / n on both sides, in floating point.
    return (difference < lower - 1e-12) | (difference > upper + 1e-12)


def read_pit(pit: np.ndarray, *, prob: float = BAND) -> Reading:
    """Classify how PIT values deviate from uniform, if their ECDF leaves `uniform_band`.

    ``too high`` and ``too low`` describe the outcomes: too often above or below the middle of their predictions.
    ``too central`` means that intervals are too wide, ``too scattered`` that they are too narrow. The class follows the
    larger deviation in standard errors: of the mean of the values, or of their mean distance from 1/2.

    Examples
    --------
    >>> read_pit(np.linspace(0.01, 0.99, 60)), read_pit(np.linspace(0.4, 0.6, 60)), read_pit(np.full(60, 0.8))
    ('as expected', 'too central', 'too high')
    """
    if not len(pit) or not out_of_band(pit, prob=prob).any():
        return "as expected"
    # A uniform value and its doubled distance from 1/2 both have mean 1/2 and the same sd.
    shift, scatter = pit.mean() - 0.5, np.abs(2 * pit - 1).mean() - 0.5
    if abs(shift) > abs(scatter):
        return "too high" if shift > 0 else "too low"
    return "too scattered" if scatter > 0 else "too central"
