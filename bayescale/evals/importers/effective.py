"""How many items a score is worth, from its standard error."""

from __future__ import annotations

from typing import Any

import numpy as np

# Item counts that differ by less are taken for the same: averages over subjects of unlike size shift them.
SAME_ITEMS = 0.05


def effective_count(score: Any, stderr: Any) -> np.ndarray:
    """Number of items of which a proportion would have this standard error.

    Tools estimate the standard error of a mean of n zeros and ones as sqrt(s (1 - s) / (n - 1)), s being the mean; this
    is that equation solved for n. For a mean over subjects, clustered questions or shares of a point, which have
    another standard error, it is the number of independent items that would tell as much.

    Parameters
    ----------
    score, stderr : array_like
        In [0, 1].

    Returns
    -------
    ndarray
        NaN where the standard error is unknown or says nothing: zero, or a score of 0 or 1.

    Examples
    --------
    >>> import math
    >>> effective_count([0.5, 0.0], [math.sqrt(0.25 / 39), 0.0]).round(6).tolist()
    [40.0, nan]
    """
    score, stderr = np.broadcast_arrays(np.asarray(score, dtype=float), np.asarray(stderr, dtype=float))
    count = np.full(score.shape, np.nan)
    tells = (stderr > 0) & (score > 0) & (score < 1)
    count[tells] = 1 + score[tells] * (1 - score[tells]) / stderr[tells] ** 2
    return count
