"""Coordinates of response curves: floor and shape of a benchmark are whitened together, and its loadings follow them.

A lower floor, a larger shape and smaller loadings of one benchmark draw nearly the same curve through its scores: with
many models the three are correlated at 0.9. So logit floor and log shape are whitened by their covariance in a short
run, and loadings are sampled in the unit that they were found to have at such a floor and shape.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayescale.model.coordinates.unknown import lower_factor, shrinkage


class CurveWhitening(NamedTuple):
    """Affine maps ``value_b = centre_b + scale_b z_b``, and the log of the unit of loadings, ``steepness_b' z_b``.

    Shapes: `centre` and `steepness` (benchmark, part), `scale` (benchmark, part, part), lower triangular. The parts are
    logit floor and log shape, or one of them. `log_volume` is the log of the Jacobian of the maps, a number.
    """

    centre: np.ndarray
    scale: np.ndarray
    steepness: np.ndarray
    log_volume: np.ndarray


def around(centre: np.ndarray) -> CurveWhitening:
    """Return the maps that only move by `centre` (benchmark, part)."""
    benchmarks, parts = centre.shape
    scale = np.broadcast_to(np.eye(parts), (benchmarks, parts, parts)).copy()
    return CurveWhitening(centre, scale, np.zeros_like(centre), np.asarray(0.0))


def whitened_curves(values: np.ndarray, loading: np.ndarray) -> CurveWhitening:
    """Return the maps from draws (S, benchmark, part) and (S, benchmark, factor) of a short run.

    The steepness is the regression, on z, of the log length of a benchmark's loadings, less that of the average
    benchmark's.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> values = rng.normal(size=(2000, 2, 2)) @ [[1, 1], [0, 1]]
    >>> loading = np.exp(0.1 * values[..., :1] * [[1], [-1]])
    >>> found = whitened_curves(values, loading)
    >>> found.scale[0].round().astype(int).tolist(), (20 * found.steepness).round().astype(int).tolist()
    ([[1, 0], [1, 1]], [[1, 0], [-1, 0]])
    """
    draws, _, parts = values.shape
    centre = values.mean(axis=0)
    away = values - centre
    covariance = np.einsum("sbi,sbj->bij", away, away) / (draws - 1)
    weight = shrinkage(draws, parts)
    scale = lower_factor(covariance, weight)
    z = np.linalg.solve(scale, away[..., None])[..., 0]
    length = np.log(np.linalg.norm(loading, axis=-1))
    length -= length.mean(axis=1, keepdims=True)
    steepness = weight * np.einsum("sb,sbi->bi", length - length.mean(axis=0), z) / (draws - 1)
    log_volume = np.log(np.diagonal(scale, axis1=1, axis2=2)).sum()
    return CurveWhitening(centre, scale, steepness, np.asarray(log_volume))
