"""Probability integral transforms: where an outcome lies among its predictive draws, and whether many look uniform."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binom

if TYPE_CHECKING:
    import pandas as pd

# Scores this close are the same number of right answers: tables hold ten digits, draws are exact shares of items.
TIE = 1e-8

# Probability with which the whole curve of PIT values that are uniform stays inside `uniform_band`.
BAND = 0.95
POINTS = 100

Reading = Literal["as expected", "too high", "too low", "too central", "too scattered"]


def randomised_pit(outcome: np.ndarray, draws: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Rank of each outcome among its draws, at random among its equals, as a share of the number of ranks.

    Counts of items are discrete, so that outcomes tie with draws; the random place among them makes the values uniform
    if outcomes are like draws (randomised PIT: Czado, Gneiting & Held 2009, Biometrics 65, section 2).

    Parameters
    ----------
    outcome : ndarray (cell,)
    draws : ndarray (cell, draw)
        Predictive draws of each outcome.
    chance : ndarray (cell,)
        A random number in [0, 1) for each; see `chances`.

    Returns
    -------
    ndarray (cell,)
        In (0, 1).

    Examples
    --------
    >>> draws = np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    >>> randomised_pit(np.array([0.25, 0.5]), draws, np.array([0.5, 0.5])).tolist()
    [0.625, 0.5]
    """
    below = (draws < outcome[:, None] - TIE).sum(axis=1)
    equal = (np.abs(draws - outcome[:, None]) <= TIE).sum(axis=1)
    return (below + chance * (equal + 1)) / (draws.shape[1] + 1)


def chances(names: pd.DataFrame, random_seed: int = 0) -> np.ndarray:
    """Random number of each row, in [0, 1): drawn from its names and the seed, whatever other rows there are."""
    rows = ("\n".join(row) for row in names.itertuples(index=False))
    return np.array([np.random.default_rng([random_seed, zlib.crc32(row.encode())]).random() for row in rows])


def inside(pit: np.ndarray, prob: float | np.ndarray) -> np.ndarray:
    """Whether outcomes lie in the equal-tailed interval of this probability; broadcast together.

    Examples
    --------
    >>> inside(np.array([0.04, 0.5]), 0.9).tolist()
    [False, True]
    """
    return np.abs(2 * pit - 1) <= prob


@lru_cache(maxsize=64)
def uniform_band(count: int, prob: float = BAND) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a simultaneous band of the ECDF of `count` independent uniform values, less the uniform CDF.

    As a whole the curve stays inside with probability `prob`: pointwise binomial intervals, whose common level is
    optimised (Säilynoja, Bürkner & Vehtari 2022, Statistics and Computing 32:32, section 2).

    Returns
    -------
    points, lower, upper : ndarray (point,)
        The points lie in (0, 1).

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
    with the same probability, whatever the others do.
    """
    step = np.diff(points, prepend=0.0) / (1 - np.r_[0.0, points[:-1]])
    below, probability = np.zeros(1, dtype=int), np.ones(1)
    for low, high, chance in zip(lower, upper, step, strict=True):
        following = np.arange(low, high + 1)
        probability = probability @ binom.pmf(following - below[:, None], count - below[:, None], chance)
        below = following
    return float(probability.sum())


def ecdf_difference(pit: np.ndarray, points: np.ndarray) -> np.ndarray:
    """ECDF of PIT values less that of the uniform distribution, at `points`; zero everywhere if they are uniform."""
    return np.searchsorted(np.sort(pit), points, side="right") / len(pit) - points


def out_of_band(pit: np.ndarray, prob: float = BAND) -> np.ndarray:
    """Where, among the points of `uniform_band`, the ECDF of PIT values leaves the band: ndarray (point,) of bool."""
    points, lower, upper = uniform_band(len(pit), prob)
    difference = ecdf_difference(pit, points)
    # Multiples of 1 / n on both sides, in floating point.
    return (difference < lower - 1e-12) | (difference > upper + 1e-12)


def read_pit(pit: np.ndarray, prob: float = BAND) -> Reading:
    """Say in words how PIT values differ from uniform ones, if their ECDF leaves `uniform_band`.

    ``too high`` and ``too low`` speak of the outcomes: above or below the middle of their predictions too often.
    ``too central`` means intervals wider than needed, ``too scattered`` intervals too narrow. Named is what is further
    from uniform in standard errors: the mean of the values, or their mean distance from 1/2.

    Examples
    --------
    >>> read_pit(np.linspace(0.01, 0.99, 60)), read_pit(np.linspace(0.4, 0.6, 60)), read_pit(np.full(60, 0.8))
    ('as expected', 'too central', 'too high')
    """
    if not len(pit) or not out_of_band(pit, prob).any():
        return "as expected"
    # A uniform value and its doubled distance from 1/2 both have mean 1/2 and the same sd.
    shift, scatter = pit.mean() - 0.5, np.abs(2 * pit - 1).mean() - 0.5
    if abs(shift) > abs(scatter):
        return "too high" if shift > 0 else "too low"
    return "too scattered" if scatter > 0 else "too central"
