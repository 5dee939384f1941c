"""Laplace's approximation, given the pooled sds.

The joint mode of a hierarchical model is no place to approximate it from. With pooled effects in units of their sd the
density rises as the sd does: on `base-llms` to a sd of families' bents of 1.9, where the posterior has 0.09; with
effects as they are it rises to infinity as the sd falls to zero. So the pooled sds are held where they belong, and the
Gaussian is laid around the mode of all else given them (Tierney & Kadane 1986, JASA 81:82; Rue, Martino & Chopin 2009,
JRSS B 71:319, integrate over the sds too). Where they belong, a short warm-up of the sampler tells. It also finds the
hill: climbing from rough estimates ended on one where TruthfulQA falls with ability, 31 nats lighter than that of the
posterior, and forecasts a decade ahead were wrong by 9 points (rms).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.approximate.program import Program
from bayescale.errors import FitError

# Warm-up steps, of which the later half tells of the pooled sds. A hundred did not always reach them (one seed of three
# had the sd between families at 3.4 instead of 2.3).
WARM_UP = 200
_DEPTH = 4
_ITERATIONS = 1000
# Rotations of the weak factors have no curvature, and kinks a negative one; no direction gets a wider normal than this
# many times the prior's unit.
_LEAST_CURVATURE = 0.3


@dataclass(frozen=True)
class Proposal:
    """Draws of an approximation, and what the two densities say of them.

    Shapes: ``points`` (draw, coordinate) in the sampler's coordinates; ``log_density`` (draw,) of the posterior, up to
    a constant; ``log_proposal`` (draw,) of the approximation.
    """

    points: np.ndarray
    log_density: np.ndarray
    log_proposal: np.ndarray


def laplace(program: Program, draws: int, seed: int) -> Proposal:
    """Draw from a Gaussian at the mode given the pooled sds, these from a Gaussian of their own.

    Parameters
    ----------
    program : Program
    draws : int
    seed : int

    Raises
    ------
    FitError
        When no point of positive density is found.
    """
    pooled = program.scalar
    start, late = _region(program, seed)
    start[pooled] = late[:, pooled].mean(axis=0)
    spread = np.atleast_2d(np.cov(late[:, pooled].T)) if pooled.any() else np.zeros((0, 0))
    mode = _mode(program, start, ~pooled)

    steps = 1 / np.sqrt(np.clip(program.curvatures(mode, 1e-3), 1.0, None))
    # Differences over a standard deviation, not over nothing: floors and working responses have kinks.
    curvature = program.curvature(mode, steps)
    return _drawn(program, _Hill(mode, curvature, pooled, spread), draws, seed)


def _region(program: Program, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Last point of the better of two short warm-ups, and the later half of both (point, coordinate)."""
    import nutpie

    found = nutpie.sample(
        program.compiled, draws=2, tune=WARM_UP, chains=2, cores=min(program.cores, 2), seed=seed, progress_bar=False,
        save_warmup=True, store_unconstrained=True, low_rank_modified_mass_matrix=True, maxdepth=_DEPTH,
    )  # fmt: skip
    stats = found["warmup_sample_stats"].isel(draw=slice(WARM_UP // 2, None))
    points = stats["unconstrained_draw"].to_numpy()
    better = int(stats["logp"].mean("draw").to_numpy().argmax())
    return points[better, -1].copy(), points.reshape((-1, program.size))


def _mode(program: Program, start: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The mode over the `free` coordinates, by SciPy's L-BFGS."""
    from scipy.optimize import minimize

    point = start.copy()

    def falling(values: np.ndarray) -> tuple[float, np.ndarray]:
        point[free] = values
        value, gradient = program.density(point)
        return (-value if np.isfinite(value) else 1e100), -gradient[free]

    options = {"maxcor": 30, "maxiter": _ITERATIONS, "maxfun": 2 * _ITERATIONS, "ftol": 1e-10}
    found = minimize(falling, start[free], jac=True, method="L-BFGS-B", options=options)
    point[free] = found.x
    if not np.isfinite(program.density(point)[0]):
        raise FitError(
            "No mode was found: the density is zero or undefined along the way. Use fit(...) without method."
        )
    return point


@dataclass(frozen=True)
class _Hill:
    """Where the density is highest given the pooled sds, its curvature there, and how far these sds scatter."""

    mode: np.ndarray
    curvature: np.ndarray
    pooled: np.ndarray
    spread: np.ndarray


def _drawn(program: Program, hill: _Hill, draws: int, seed: int) -> Proposal:
    from scipy import linalg
    from scipy.stats import multivariate_normal, norm

    pooled, curvature = hill.pooled, hill.curvature
    free = ~pooled
    values, directions = linalg.eigh(curvature[np.ix_(free, free)])
    values = np.clip(values, _LEAST_CURVATURE, None)
    random = np.random.default_rng(seed)
    normal = random.standard_normal((draws, len(values)))
    points = np.tile(hill.mode, (draws, 1))
    points[:, free] += (normal / np.sqrt(values)) @ directions.T
    log_proposal = norm.logpdf(normal).sum(axis=1) + np.log(values).sum() / 2
    if pooled.any():
        law = multivariate_normal(np.zeros(len(hill.spread)), hill.spread, allow_singular=True)
        moved = law.rvs(draws, random_state=random).reshape((draws, -1))
        # The mode of all else moves with the sds, in a straight line.
        follows = -(directions / values) @ (directions.T @ curvature[np.ix_(free, pooled)])
        points[:, pooled] += moved
        points[:, free] += moved @ follows.T
        log_proposal += law.logpdf(moved)
    return Proposal(points, program.densities(points), log_proposal)
