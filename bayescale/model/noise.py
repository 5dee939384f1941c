"""Noise of scores: what the items of an evaluation have in common, and what is a benchmark's own on the logit.

Precision ``phi_b`` is that of the items: half-way up a curve from 0 to 1 it scatters logits with variance ``4 / phi_b``
(the Fisher information of `bayescale.model.curve.logit_information`, of many items). The benchmark's own noise adds
``psi_b^2``. Scores determine the sum, and often only the sum. So the priors may be of the total sd ``s_b`` and of the
items' share ``r_b`` of its variance::

    4 / phi_b = r_b s_b^2        psi_b^2 = (1 - r_b) s_b^2

Between two explanations of the scatter the total then hardly changes, and no prior stands in the way
(docs/adr/0029-shares-of-noise.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.model.curve import Noise

if TYPE_CHECKING:
    from bayescale.model.spec import Spec


def noise_parts(noise_sd: Any, item_share: Any, own_share: Any) -> Noise:
    """Return precision and sd of the own noise from the total sd and the two shares of its variance, which add up to 1.

    Examples
    --------
    >>> [round(float(part), 3) for part in noise_parts(0.2, 0.25, 0.75)]
    [400.0, 0.173]
    """
    return Noise(4 / (item_share * noise_sd**2), noise_sd * np.sqrt(own_share))


def noise(spec: Spec, item_share: Callable[[str], tuple[Any, Any]], benchmarks: int) -> Noise:
    """Make precision and sd of the own noise (benchmark,) inside the model context, by the form of the spec.

    Parameters
    ----------
    spec : Spec
    item_share : callable
        Makes the variable of this name, the items' shares (benchmark,), and returns it and the shares that are left.
    benchmarks : int
    """
    priors, dims = spec.priors, "benchmark"
    if spec.shares_noise:
        found = noise_parts(priors.noise_sd.variable("noise_sd", dims=dims), *item_share("item_share"))
        pm.Deterministic("log_precision", pt.log(found.precision), dims=dims)
        return Noise(found.precision, pm.Deterministic("specific_sd", found.specific_sd, dims=dims))
    precision = pt.exp(priors.log_precision.variable("log_precision", dims=dims))
    own = priors.specific_sd.variable("specific_sd", dims=dims) if spec.uniqueness else np.zeros(benchmarks)
    return Noise(precision, own)


def draw_noise(spec: Spec, size: int, random_seed: int) -> Noise:
    """Draw precision and sd of the own noise (size,) of benchmarks from the priors.

    Examples
    --------
    >>> from bayescale.model.spec import Spec
    >>> drawn = draw_noise(Spec(), 2000, random_seed=0)
    >>> total = np.sqrt(4 / drawn.precision + drawn.specific_sd**2)  # LogNormal(-1.6, 0.7)
    >>> float(np.median(total).round(1)), float(np.log(total).std().round(1))
    (0.2, 0.7)
    """
    names = ("noise_sd", "item_share") if spec.shares_noise else ("log_precision", "specific_sd")
    one, two = (getattr(spec.priors, n).draw(size, random_seed=random_seed + i) for i, n in enumerate(names))
    if spec.shares_noise:
        return noise_parts(one, two, 1 - two)
    return Noise(np.exp(one), two if spec.uniqueness else np.zeros(size))
