"""Coordinates of unknown covariates: whitened family by family, by their covariance in a short run.

Where the compute of a whole family is unknown, its models move together with the family's offset: what the scores tell
is how far apart they are, and much less where they lie. One by one the values are correlated at up to 0.95. What is
whitened is the standardised distance of a value from its prior mean: where mean and sd are learned, the scores say too
little of most values to hold them while these move.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve_triangular

# Weight of the prior in correlations, in draws: a short run has some hundred effective ones.
_PRIOR_DRAWS = 20
# Variance of what stood still in the short run.
_LEAST_VARIANCE = 1e-8


class Whitening(NamedTuple):
    """An affine map ``value_i = centre_i + sum_j scale_ij z_neighbour_ij`` within families, for values of a row each.

    Shapes: `centre` (value,), `scale` and `neighbour` (value, largest number of values in a family). `log_volume` is
    the log of its Jacobian, a number.
    """

    centre: np.ndarray
    scale: np.ndarray
    neighbour: np.ndarray
    log_volume: np.ndarray

    def displacement(self, step: np.ndarray) -> np.ndarray:
        """Return the z that moves the values from their centres by `step` (value,)."""
        rows = np.repeat(np.arange(len(step)), self.scale.shape[1])
        lower = csr_matrix((self.scale.ravel(), (rows, self.neighbour.ravel())), shape=(len(step), len(step)))
        lower.eliminate_zeros()
        return np.asarray(spsolve_triangular(lower, step, lower=True))


def unwhitened(family: np.ndarray) -> Whitening:
    """Return the identity, given the family of each value."""
    scale, neighbour = _empty(family)
    scale[:, 0], neighbour[:, 0] = 1.0, np.arange(len(family))
    return Whitening(np.zeros(len(family)), scale, neighbour, np.asarray(0.0))


def whitening(draws: np.ndarray, family: np.ndarray) -> Whitening:
    """Return the map from standardised draws (S, value) of a short run, given the family of each value.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.random.default_rng(1).normal(size=(2000, 3)) @ [[1, 1, 0], [0, 1, 0], [0, 0, 2]]
    >>> found = whitening(draws, np.array([0, 0, 1]))
    >>> bool(np.abs(found.scale - [[1, 0], [1, 1], [2, 0]]).max() < 0.1), found.neighbour.tolist()
    (True, [[0, 1], [0, 1], [2, 0]])
    """
    (scale, neighbour), log_volume = _empty(family), 0.0
    for label in np.unique(family):
        rows = np.flatnonzero(family == label)
        covariance = np.cov(draws[:, rows], rowvar=False).reshape((len(rows), len(rows)))
        lower = lower_factor(covariance, shrinkage(len(draws), len(rows)))
        log_volume += np.log(np.diag(lower)).sum()
        scale[rows, : len(rows)] = lower
        neighbour[rows, : len(rows)] = rows
    return Whitening(draws.mean(axis=0), scale, neighbour, np.asarray(log_volume))


def shrinkage(draws: int, values: int) -> float:
    """Return the weight of what so many draws of a short run say of the correlations of so many values."""
    return draws / (draws + _PRIOR_DRAWS + values)


def lower_factor(covariance: np.ndarray, weight: float) -> np.ndarray:
    """Return the Cholesky factor (..., n, n) of covariances whose correlations have this weight.

    Examples
    --------
    >>> lower_factor(np.array([[1.0, 0.8], [0.8, 1.0]]), 0.75).round(2).tolist()
    [[1.0, 0.0], [0.6, 0.8]]
    """
    unit = np.eye(covariance.shape[-1])
    return np.linalg.cholesky(covariance * np.where(unit, 1.0, weight) + _LEAST_VARIANCE * unit)


def ridge(
    regressors: np.ndarray, response: np.ndarray, mean: np.ndarray, sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (coefficient,) and a lower factor of the covariance of coefficients ``Normal(mean, sd)`` a priori.

    The sd of the residuals is estimated, in two rounds from 1.

    Examples
    --------
    >>> centre, scale = ridge(np.ones((50, 1)), np.linspace(1, 3, 50), np.zeros(1), np.ones(1))
    >>> centre.round(1), scale.round(1)
    (array([2.]), array([[0.1]]))
    """
    variance, prior = 1.0, np.diag(sd**-2.0)
    for _ in range(3):
        covariance = np.linalg.inv(prior + regressors.T @ regressors / variance)
        centre = covariance @ (mean / sd**2 + regressors.T @ response / variance)
        variance = float(np.mean((response - regressors @ centre) ** 2)) + 0.01 if len(response) else 1.0
    return centre, np.ascontiguousarray(np.linalg.cholesky(covariance))


def _empty(family: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    most = np.unique(family, return_counts=True)[1].max(initial=1)
    return np.zeros((len(family), most)), np.zeros((len(family), most), dtype=np.int64)
