"""Loadings between centred and non-centred: none follows the sd of own loadings into the neck of a funnel.

Where scores determine loadings, centred coordinates are best: the loadings themselves. Where they say little, the sd of
the benchmarks' own loadings may be near zero, all loadings are then equal, and centred chains stand still. Loadings of
a wider sd, which the scores' own error sets, are good for both (Papaspiliopoulos, Roberts & Sköld 2007, Statist. Sci.
22:59).
"""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt


def widened(own_sd: Any, error: Any) -> Any:
    """Return the own sd of the loadings that are sampled, for loadings that scores determine with sd `error`.

    Given such scores, a sampled loading has posterior sd `error` whatever `own_sd` is.

    Examples
    --------
    >>> float(widened(0.3, 0.4).eval().round(6))
    0.5
    """
    return pt.sqrt(own_sd**2 + error**2)


def narrowed(loading: Any, own_sd: Any, wider_sd: Any, common_sd: Any) -> Any:
    """Map loadings (benchmark, factor) of own sd `wider_sd` to loadings of `own_sd`, both with `common_sd` in common.

    The mean over benchmarks of ``c_k + w_bk``, ``c ~ Normal(0, common_sd)`` and ``w ~ Normal(0, wider_sd)``, and the
    deviations from it are independent normals: each is multiplied by the ratio of its two sds.
    """
    mean = loading.mean(axis=0, keepdims=True)
    common = loading.type.shape[0] * common_sd**2
    of_mean = pt.sqrt((own_sd**2 + common) / (wider_sd**2 + common))
    return own_sd / wider_sd * (loading - mean) + of_mean * mean
