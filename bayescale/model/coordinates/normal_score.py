"""Coordinates of a Laplace prior: its normal scores, since its density has a corner.

A leapfrog step over the corner makes an error, and each benchmark has a corner: steps grew short, for a parameter of
which the scores say little (docs/model-notes.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt


def laplace(z: Any, mu: float, b: float) -> Any:
    """Return values of ``Laplace(mu, b)`` at the probabilities of the standard normal scores `z`.

    Examples
    --------
    >>> from scipy import stats
    >>> z = np.array([-6.0, -0.1, 0.0, 2.0])
    >>> bool(np.allclose(laplace(z, 6, 0.5).eval(), stats.laplace(6, 0.5).ppf(stats.norm.cdf(z))))
    True
    """
    # And not PyMC's icdf, which is infinite beyond 8 sds, where a probability rounds to 1.
    sign = pt.switch(pt.lt(z, 0), -1.0, 1.0)  # PyTensor takes the derivative of abs(z) at zero for NaN
    return mu - b * sign * pt.log(pt.erfc(sign * z / np.sqrt(2)))
