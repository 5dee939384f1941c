"""Training compute from parameters and tokens."""

from __future__ import annotations

from typing import Any


def training_flops(params_b: Any, tokens_t: Any) -> Any:
    """Compute of a dense transformer's training: six times parameters times tokens.

    Parameters
    ----------
    params_b : float, array or Series
        10^9 parameters.
    tokens_t : float, array or Series
        10^12 tokens.

    Returns
    -------
    float, array or Series
        FLOP (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).

    Examples
    --------
    >>> f"{training_flops(70.0, 2.0):.1e}"
    '8.4e+23'
    """
    return 6 * (params_b * 1e9) * (tokens_t * 1e12)
