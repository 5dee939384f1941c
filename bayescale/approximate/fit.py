"""From a proposal to draws that pass for a posterior's, with the figure that says how far they may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale.approximate.laplace import Proposal, laplace
from bayescale.approximate.pathfinder import pathfinder
from bayescale.approximate.program import Program
from bayescale.diagnostics import MAX_PARETO_K, Approximation
from bayescale.errors import FitError
from bayescale.processors import one_thread_each
from bayescale.progress import working

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.spec import Spec

# Fewer draws have no tail to judge.
MIN_POSSIBLE = 50
METHODS: dict[str, Callable[[Program, int, int], Proposal]] = {"laplace": laplace, "pathfinder": pathfinder}


def approximate(
    spec: Spec, evals: Evals, method: str, *, draws: int, cores: int, seed: int, progressbar: bool = False
) -> tuple[Any, Approximation]:
    """Approximate the posterior of `spec` given `evals`.

    Returns
    -------
    dict of str to xarray.Dataset
        Groups ``posterior`` and ``sample_stats`` (``lp`` and ``log_proposal`` of each draw).
    Approximation
    """
    from bayescale.compiled import compiled_for

    with working("Compiling the model", progressbar):
        program = Program(compiled_for(spec, evals), cores)
    with working(f"Approximating ({method})", progressbar), one_thread_each():
        return weighed(program, METHODS[method](program, draws, seed), method, seed)


def weighed(program: Program, proposal: Proposal, method: str, seed: int) -> tuple[Any, Approximation]:
    """Judge a proposal by the tail of its importance weights; resample it by them where they can be trusted.

    Pareto smoothed importance sampling (Vehtari et al. 2024, JMLR 25:72): up to k = 0.7, draws are taken again, with
    replacement, by their smoothed weights, which corrects the approximation; above, a few draws would own all weight,
    and the draws stay as the approximation made them.
    """
    import arviz as az
    import xarray as xr

    possible = np.isfinite(proposal.log_density) & np.isfinite(proposal.log_proposal)
    if possible.sum() < MIN_POSSIBLE:
        raise FitError(
            f"The {method} approximation failed: only {possible.sum()} of its {len(possible)} draws have a density. "
            "Use fit(...) without method."
        )
    points, log_density, log_proposal = (
        array[possible] for array in (proposal.points, proposal.log_density, proposal.log_proposal)
    )
    smoothed, k = az.psislw(log_density - log_proposal)
    weights = np.exp(np.asarray(smoothed) - np.max(smoothed))
    weights /= weights.sum()
    trusted = bool(k <= MAX_PARETO_K)
    if trusted:
        rows = np.random.default_rng(seed).choice(len(weights), size=len(weights), p=weights)
        points, log_density, log_proposal = points[rows], log_density[rows], log_proposal[rows]
    found = Approximation(
        method=method, pareto_k=float(k), resampled=trusted, effective_draws=float(1 / np.sum(weights**2))
    )
    posterior = program.variables(points)
    stats = {"lp": log_density, "log_proposal": log_proposal}
    coords = {name: posterior[name] for name in ("chain", "draw")}
    sample_stats = xr.Dataset({name: (("chain", "draw"), values[None]) for name, values in stats.items()}, coords)
    return {"posterior": posterior, "sample_stats": sample_stats}, found
