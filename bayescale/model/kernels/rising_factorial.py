"""Log of the rising factorial, ``log Gamma(x + n) - log Gamma(x)``: what beta-binomial densities are sums of.

Log-gammas of large numbers differ by rounding alone: at a precision of e^38 chains stood still (docs/model-notes.md).
So large x have a series of the difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from bayescale._fast_compile import kernel

# From here on the series in 1/x (Abramowitz & Stegun 1964, 6.1.40 and 6.3.18) is exact to rounding with seven terms.
LARGE = 10.0
_HALF_LOG_TWO_PI = 0.5 * np.log(2 * np.pi)


@register_jitable
def series(x: Any) -> tuple[Any, Any]:
    """Return what Stirling's formulas of log-gamma and digamma leave out, for large x."""
    r = 1.0 / x
    s = r * r
    tail = 1 / 1680 - s * (1 / 1188 - s * (691 / 360360 - s / 156))
    value = r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * tail)))
    tail = 1 / 240 - s * (1 / 132 - s * (691 / 32760 - s / 12))
    return value, -0.5 * r - s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * tail)))


@register_jitable
def rising_of_large(x: Any, n: Any) -> tuple[Any, Any]:
    """Return `log_rising_factorial` for large x."""
    (above, by_above), (below, by_below) = series(x + n), series(x)
    log_ratio = np.log1p(n / x)
    return (x - 0.5) * log_ratio + n * np.log(x + n) - n + above - below, log_ratio + by_above - by_below


@kernel
def log_gamma_and_digamma(x):  # type: ignore[no-untyped-def]
    """Return ``log Gamma(x)`` and its derivative, for a positive number."""
    # Gamma(x) = Gamma(x + n) / (x (x + 1) ... (x + n - 1)); `steep` over `product` is the sum of the 1 / (x + j).
    product, steep = 1.0, 0.0
    while x < LARGE:
        steep = steep * x + product
        product *= x
        x += 1.0
    log, (value, derivative) = np.log(x), series(x)
    value += (x - 0.5) * log - x + _HALF_LOG_TWO_PI
    derivative += log
    if steep > 0.0:
        value -= np.log(product)
        derivative -= steep / product
    return value, derivative


@kernel
def log_rising_factorial(x, n):  # type: ignore[no-untyped-def]
    """Return ``log Gamma(x + n) - log Gamma(x)`` and its derivative with respect to x > 0, for n >= 0."""
    if x < LARGE:
        below, by_below = log_gamma_and_digamma(x)
        above, by_above = log_gamma_and_digamma(x + n)
        return above - below, by_above - by_below
    return rising_of_large(x, n)
