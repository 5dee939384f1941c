"""Our operations for JAX, registered when the NumPyro sampler is asked for."""

from __future__ import annotations

from typing import Any


def register() -> None:
    """Tell PyTensor how to run `Whiten` and `ScoreDensity` under JAX, which then differentiates them by itself."""
    import jax.numpy as jnp
    from jax.scipy.linalg import solve_triangular
    from jax.scipy.special import betaln
    from pytensor.link.jax.dispatch import jax_funcify

    from bayescale.model.score_density_op import ScoreDensity
    from bayescale.model.whiten_op import Whiten
    from bayescale.response import beta_shapes

    @jax_funcify.register(Whiten)
    def _(op: Any, **kwargs: Any) -> Any:
        def run(z: Any, precision: Any, linear: Any) -> Any:
            lower = jnp.linalg.cholesky(precision)
            centre = solve_triangular(lower, linear[..., None], lower=True)
            theta = solve_triangular(lower, centre + z[..., None], lower=True, trans=1)[..., 0]
            return theta, -jnp.log(jnp.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)

        return run

    @jax_funcify.register(ScoreDensity)
    def _(op: Any, **kwargs: Any) -> Any:
        def run(mean: Any, precision: Any, items: Any, score: Any, observed: Any) -> Any:
            a, b = beta_shapes(mean, precision)
            counted, hits = items > 0, jnp.rint(score * items)
            inside = jnp.where(counted, 0.5, score)
            counts = betaln(hits + a, items - hits + b)
            shares = (a - 1) * jnp.log(inside) + (b - 1) * jnp.log1p(-inside)
            density = jnp.where(observed > 0, jnp.where(counted, counts, shares) - betaln(a, b), 0.0)
            # JAX takes the derivatives itself.
            return density, jnp.full_like(density, jnp.nan), jnp.full_like(density, jnp.nan)

        return run
