"""The `Whiten` operation for JAX, registered when the NumPyro sampler is asked for."""

from __future__ import annotations

from typing import Any


def register() -> None:
    """Tell PyTensor how to run `Whiten` under JAX, which then differentiates it by itself."""
    import jax.numpy as jnp
    from jax.scipy.linalg import solve_triangular
    from pytensor.link.jax.dispatch import jax_funcify

    from bayescale.model.whiten_op import Whiten

    @jax_funcify.register(Whiten)
    def _(op: Any, **kwargs: Any) -> Any:
        def run(z: Any, precision: Any, linear: Any) -> Any:
            lower = jnp.linalg.cholesky(precision)
            centre = solve_triangular(lower, linear[..., None], lower=True)
            theta = solve_triangular(lower, centre + z[..., None], lower=True, trans=1)[..., 0]
            return theta, -jnp.log(jnp.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)

        return run
