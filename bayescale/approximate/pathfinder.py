"""Multi-path Pathfinder (Zhang, Carpenter, Gelman & Vehtari 2022, JMLR 23:306), as pymc-extras computes it.

pymc-extras takes a PyMC model and compiles it. Here it gets a model of one flat vector whose density is the program
that is compiled already: given the model itself it compiled for minutes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bayescale.approximate.laplace import Proposal
from bayescale.approximate.program import Program
from bayescale.errors import FitError, MissingDependencyError

PATHS = 4
_ITERATIONS = 300
# Scatter of the starting points; loadings start at rough estimates and are known to about that.
_JITTER = 0.1


def pathfinder(program: Program, draws: int, seed: int) -> Proposal:
    """Draw from the best normal approximations along four paths of L-BFGS.

    Parameters
    ----------
    program : Program
    draws : int
        In all; shared between the paths.
    seed : int

    Raises
    ------
    MissingDependencyError
        When pymc-extras is not installed.
    FitError
        When all paths fail.
    """
    try:
        from pymc_extras import fit_pathfinder
    except ImportError:
        raise MissingDependencyError(
            "Pathfinder needs pymc-extras: pip install 'bayescale[approximate]', or use method='laplace'."
        ) from None
    each = -(-draws // PATHS)
    try:
        found = fit_pathfinder(
            model=_vector_model(program, seed), num_paths=PATHS, num_draws=draws, num_draws_per_path=each,
            maxiter=_ITERATIONS, jitter=_JITTER, importance_sampling=None, store_diagnostics=True, concurrent=None,
            pathfinder_kwargs={"vectorize": True}, random_seed=seed, progressbar=False, display_summary=False,
        )  # fmt: skip
    except ValueError as error:
        raise FitError(f"Pathfinder failed: {error} Use method='laplace', or fit(...) without method.") from error
    points = found["posterior"]["point"].to_numpy().reshape((-1, program.size))
    diagnosed = found["sample_stats"]
    log_density, log_proposal = (diagnosed[f"diagnostics_{name}_full"].to_numpy().ravel() for name in ("logP", "logQ"))
    kept = slice(None, None) if len(points) == draws else np.linspace(0, len(points) - 1, draws).astype(int)
    return Proposal(points[kept], log_density[kept], log_proposal[kept])


def _vector_model(program: Program, seed: int) -> Any:
    """A PyMC model of the sampler's coordinates as one flat vector."""
    import pymc as pm

    start = np.asarray(program.compiled.initial_point_func(seed))
    with pm.Model() as model:
        point = pm.Flat("point", shape=program.size, initval=start)
        pm.Potential("density", _density_op(program)(point)[0])
    return model


def _density_op(program: Program) -> Any:
    import pytensor.tensor as pt
    from pytensor.graph.basic import Apply
    from pytensor.graph.op import Op

    class Density(Op):
        """Log density and gradient at a point; only the first may be differentiated."""

        gufunc_signature = "(n)->(),(n)"
        __props__ = ()

        def make_node(self, point: Any) -> Apply:
            point = pt.as_tensor(point)
            return Apply(self, [point], [pt.dscalar(), pt.dvector()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            value, gradient = program.density(inputs[0])
            outputs[0][0], outputs[1][0] = np.asarray(value), gradient

        def L_op(self, inputs: Any, outputs: Any, grads: Any) -> list[Any]:  # noqa: N802
            return [grads[0] * outputs[1]]

    return Density()
