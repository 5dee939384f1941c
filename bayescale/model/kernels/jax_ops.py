"""JAX versions of the Ops, registered when the NumPyro sampler is used."""

from __future__ import annotations

from typing import Any


def register() -> None:
    """Register the Ops with PyTensor's JAX backend; JAX then differentiates them itself."""
    import jax.numpy as jnp
    import pytensor.tensor as pt
    from jax.scipy.special import gammaln
    from pytensor.graph import FunctionGraph
    from pytensor.link.jax.dispatch import jax_funcify

    from bayescale.model.coordinates.hierarchy import levels as plain_levels
    from bayescale.model.curve import Curve, beta_shapes, expected_score, score_precision
    from bayescale.model.kernels.levels import KEPT, Levels
    from bayescale.model.kernels.rising_factorial import LARGE, rising_of_large
    from bayescale.model.kernels.score_density import ScoreDensity
    from bayescale.model.kernels.working_response import WorkingResponse, working_response

    @jax_funcify.register(Levels)
    def _(op: Any, node: Any, **kwargs: Any) -> Any:
        inputs = [v.type() for v in node.inputs]
        outputs = plain_levels(*inputs, families=node.inputs[1].type.shape[0])
        run = jax_funcify(FunctionGraph(inputs, list(outputs), clone=False))
        # JAX takes the derivatives itself, and needs nothing kept for them.
        return lambda *values: (*run(*values), *[jnp.zeros(())] * len(KEPT))

    @jax_funcify.register(WorkingResponse)
    def _(op: Any, **kwargs: Any) -> Any:
        floor, ceiling, shape, precision = (pt.vector() for _ in range(4))
        items, score, share = pt.vector(), pt.matrix(), pt.matrix()
        response = working_response(score, share, Curve(floor, ceiling, shape), precision, items)
        inputs = [floor, ceiling, shape, precision, items, score, share]
        response_of = jax_funcify(FunctionGraph(inputs, list(response), clone=False))

        def run(*inputs: Any) -> Any:
            *given, observed = inputs
            weight, logit = (jnp.where(observed > 0, value, 0.0) for value in response_of(*given))
            return weight, logit, *[jnp.full_like(weight, jnp.nan)] * 7

        return run

    x, n = pt.matrix(), pt.matrix()
    rising = jax_funcify(FunctionGraph([x, n], [rising_of_large(x, n)[0]], clone=False))

    def log_rising(x: Any, n: Any) -> Any:
        # Where one of two formulas is taken JAX differentiates both: the other one is given a number that it takes.
        small, large = jnp.minimum(x, LARGE), jnp.maximum(x, LARGE)
        return jnp.where(x < LARGE, gammaln(small + n) - gammaln(small), rising(large, n)[0])

    @jax_funcify.register(ScoreDensity)
    def _(op: Any, **kwargs: Any) -> Any:
        # JAX does not trace NumPy's functions, in which the curve is written; PyTensor translates.
        logit, (floor, ceiling, shape, precision, specific_sd) = pt.matrix(), (pt.vector() for _ in range(5))
        mean = expected_score(logit, floor, ceiling, shape)
        phi = score_precision(precision, specific_sd, mean, floor, ceiling, shape)
        inputs = [logit, floor, ceiling, shape, precision, specific_sd]
        mean_and_precision = jax_funcify(FunctionGraph(inputs, [mean, phi], clone=False))

        def run(*inputs: Any) -> Any:
            *given, items, score, observed = inputs
            mean, phi = mean_and_precision(*given)
            a, b = beta_shapes(mean, phi)
            hits = jnp.rint(score * items)
            density = log_rising(a, hits) + log_rising(b, items - hits) - log_rising(a + b, items)
            density = jnp.where(observed > 0, density, 0.0)
            # JAX takes the derivatives itself.
            return density, *[jnp.full_like(density, jnp.nan)] * 6

        return run
