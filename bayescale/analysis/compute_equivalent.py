"""Compute equivalents of positions in capability space, in log10 FLOP, on the draws of a posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from bayescale._intervals import PROB, tails
from bayescale.errors import ForecastError, require_name

if TYPE_CHECKING:
    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.spec import Spec

Of = Literal["typical", "single"]
Along = Literal["capabilities", "benchmarks"]
# Half of the length of beta lies in directions on which hardly any benchmark loads, so projecting on all of beta
# estimates efficiency less well: on `base-llms` (six factors) typical models at equivalent compute differ by 8.7 points
# of score (rms) instead of 6.5, and intervals are 1.21 wide in log10 FLOP instead of 1.01.
ALONG: Along = "benchmarks"
"""Default projection of efficiency."""


def require_compute(spec: Spec, what: str) -> None:
    """Raise `ForecastError` unless compute is the one measure of size in a spec; `what` names the quantity."""
    if not spec.compute_alone:
        raise ForecastError(
            f"The spec {spec.name!r} predicts from {' and '.join(spec.covariates)}: {what} needs a spec whose one "
            "measure of size is log10_flops, without interactions, such as 'default'."
        )


def family_number(posterior: PosteriorData, family: str | None) -> int:
    """Return the number of a family of the data; default the one with the most models."""
    families = posterior.draws.data.coords["family"]
    family = posterior.evals.largest_families[0] if family is None else family
    require_name(family, families, "family in the fitted data")
    return families.index(family)


def to_compute_equivalent(draws: Draws, positions: np.ndarray, along: Along = ALONG) -> np.ndarray:
    """Return the compute equivalent (S, ...) of capabilities or family offsets (S, ..., factor), in log10 FLOP.

    ``(p . beta) / (beta . beta)`` of positions p, with beta the slope, the direction in which compute moves each model:
    `along` capabilities, whose unit is the sd of models of one family and compute, or in the space of the benchmarks'
    logits, ``(W p . W beta) / (W beta . W beta)``. No rotation of the factors changes the result. Compute
    must be the spec's one measure of size; what other covariates there are stays as it is.
    """
    weights, effect = compute_direction(draws, along)
    return _dot(positions, weights) / _dot(effect, effect).reshape(-1, *[1] * (positions.ndim - 2))


def compute_direction(draws: Draws, along: Along) -> tuple[np.ndarray, np.ndarray]:
    """Return the projection weights (S, factor) and the effect of ten times the compute, ``beta`` or ``W beta``."""
    beta = draws.slope[:, draws.data.place("log10_flops")]
    require_name(along, ("capabilities", "benchmarks"), "measure of efficiency along")
    if along == "capabilities":
        return beta, beta
    logits = np.einsum("sbk,sk->sb", draws.loading, beta)
    return np.einsum("sbk,sb->sk", draws.loading, logits), logits


def _dot(positions: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return np.einsum("s...k,sk->s...", positions, direction)


def compute_slopes(draws: Draws) -> np.ndarray:
    """Return the effect of ten times the compute on each benchmark, in logits (S, benchmark): ``W_b . beta + d_b``."""
    place = draws.data.place("log10_flops")
    return np.einsum("sbk,sk->sb", draws.loading, draws.slope[:, place]) + draws.benchmark_slope[..., place]


def rising(slopes: np.ndarray) -> np.ndarray:
    """Test whether slopes over compute (S, benchmark) are above zero with 95% probability, to divide by."""
    return np.asarray(np.quantile(slopes, tails(PROB)[0], axis=0) > 0)


def capability_by_compute(draws: Draws) -> np.ndarray:
    """Return capabilities (S, model, factor) of the models, had covariates other than compute been at their centre."""
    if draws.slope.shape[1] == 1:
        return draws.capability
    others = draws.covariate.copy()
    others[..., draws.data.place("log10_flops")] = 0.0
    return draws.capability - others @ draws.slope


def equivalent_log10_flops(draws: Draws, reference: int | None, of: Of, along: Along) -> np.ndarray:
    """Return log10 of the FLOP (S, model) with which the family number `reference` reaches each model's capability.

    See `Efficiency.equivalent_flops`. None is the mean of the population of families, whose offset is zero.
    """
    require_name(of, ("typical", "single"), "equivalent FLOPs of")
    families = to_compute_equivalent(draws, draws.family_offset, along)
    typical = draws.covariate[..., draws.data.place("log10_flops")] + families[:, draws.data.family_index]
    own = to_compute_equivalent(draws, capability_by_compute(draws), along) if of == "single" else typical
    return draws.data.compute.centre + own - (0.0 if reference is None else families[:, [reference]])
