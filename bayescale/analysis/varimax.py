"""Varimax: the rotation in which each benchmark loads on few factors."""

from __future__ import annotations

import numpy as np

# The criterion has more than one local optimum; the best of this many starts is the same one every time.
STARTS = 12
STEPS = 500
SETTLED = 1e-12


def criterion(rows: np.ndarray) -> float:
    """Variance over benchmarks of squared loadings, summed over factors (Kaiser 1958, Psychometrika 23:187).

    Examples
    --------
    >>> criterion(np.eye(2)) > criterion(np.array([[0.8, 0.6], [-0.6, 0.8]]))
    True
    """
    return float(np.var(rows**2, axis=0).sum())


def varimax(rows: np.ndarray) -> np.ndarray:
    """Rotation (factor, factor) to the largest varimax criterion of `rows` (benchmark, factor).

    The iteration is Kaiser's in its form by singular values, ten lines; the library that has it, statsmodels, is no
    dependency of the package, and the tests hold one against the other. Give rows of length 1 for Kaiser's weights,
    under which every benchmark counts alike.
    """
    factors = rows.shape[1]
    if factors == 1:
        return np.eye(1)
    # From the principal axes on, so that the starts, and with them the optimum, do not depend on how `rows` is turned.
    axes = np.linalg.svd(rows)[2].T
    rng = np.random.default_rng(0)
    starts = [axes, *(axes @ np.linalg.qr(rng.standard_normal((factors, factors)))[0] for _ in range(STARTS - 1))]
    found = [_climb(rows, start) for start in starts]
    return max(found, key=lambda rotation: criterion(rows @ rotation))


def _climb(rows: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    for _ in range(STEPS):
        turned = rows @ rotation
        gradient = rows.T @ (turned**3 - turned * np.mean(turned**2, axis=0))
        left, _, right = np.linalg.svd(gradient)
        change = np.abs(left @ right - rotation).max()
        rotation = left @ right
        if change < SETTLED:
            break
    return rotation
