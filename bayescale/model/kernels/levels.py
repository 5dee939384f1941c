"""PyTensor Op that maps standard coordinates to the Gaussian levels of the model, as one Numba kernel.

`bayescale.model.coordinates.hierarchy.levels` states the map in PyTensor's own Ops; it is the reference of the tests
and what JAX runs. As a graph it takes seven hundred nodes and several times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayescale._fast_compile import kernel, register_kernel
from bayescale.model.kernels import elimination, whitening
from bayescale.model.kernels.elimination import forward, times_scaled
from bayescale.model.kernels.whitening import whitened_reverse

# What the map leaves for its reverse mode, with the dims of each: model, family, benchmark, factor, and n (`Levels`).
KEPT = {
    "spread": "mkk", "linear": "mk", "scaled": "bmk", "projected": "bmk", "informed": "fkk", "pulled": "fk",
    "by_family": "nfk", "carried": "nfk", "covariance": "fkk", "seen": "mb", "counts": "m", "upper_top": "nn",
    "centre_top": "n", "expected": "mk", "shifted": "mk", "pull": "fk", "upper_offset": "fkk", "centre_offset": "fk",
    "upper": "mkk", "centre": "mk",
}  # fmt: skip
_INDICES = ("seen", "counts")


def _shapes_kept(shapes: Any) -> list[tuple[Any, ...]]:
    """Return the shapes of `KEPT` from those of the inputs of `Levels`."""
    sizes = {"n": shapes[0][0], "f": shapes[1][0], "k": shapes[1][1], "m": shapes[3][0], "b": shapes[3][1]}
    return [tuple(sizes[dim] for dim in dims) for dims in KEPT.values()]


class Levels(Op):
    """Map standard coordinates to difficulties and slopes, family offsets, and capabilities.

    Inputs are the standard coordinates of the three levels, ``(n,)`` with n = benchmarks + covariates * factors,
    ``(family, factor)`` and ``(model, factor)``; ``weight`` and ``residual`` (model, benchmark), ``loading``
    (benchmark, factor), ``covariates`` (model, covariate) and the sd of families, a scalar; ``family`` (model,), the
    index of each model's; ``mean`` and ``precision`` (n,) of the normal priors of the first level. Outputs are the
    three levels, offsets in units of their sd, and the log density of the levels with the Jacobian of the map; then
    what the reverse mode reads (`KEPT`), which is zero unless Numba runs.
    """

    __props__ = ()
    differentiable = 8

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        outputs = [variables[0].type(), variables[1].type(), variables[2].type(), pt.scalar(dtype="float64")]
        kept = [
            pt.tensor(dtype="int64" if name in _INDICES else "float64", shape=(None,) * len(dims))
            for name, dims in KEPT.items()
        ]
        return Apply(self, variables, [*outputs, *kept])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        shapes = arguments[-1]
        return [*shapes[:3], (), *_shapes_kept(shapes)]

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        shapes = _shapes_kept([np.shape(value) for value in inputs])
        kept = [
            np.zeros(shape, "int64" if name in _INDICES else "float64")
            for name, shape in zip(KEPT, shapes, strict=True)
        ]
        for output, value in zip(outputs, [*_plain(inputs, [])(*inputs), *kept], strict=True):
            output[0] = np.asarray(value)

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[i < self.differentiable] * 4 + [False] * len(KEPT) for i in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        adjoints = [
            pt.zeros_like(output) if isinstance(g.type, DisconnectedType) else g
            for output, g in zip(outputs[:4], output_grads[:4], strict=True)
        ]
        gradients = levels_gradient(*inputs, *outputs[:3], *outputs[4:], *adjoints)
        return [*gradients, *(DisconnectedType()() for _ in inputs[self.differentiable :])]

    L_op = pullback  # its name before PyTensor 3


class LevelsGradient(Op):
    """Compute the reverse mode of `Levels` for its differentiable inputs."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, variables, [v.type() for v in variables[: Levels.differentiable]])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        return list(arguments[-1][: Levels.differentiable])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        given, adjoints = inputs[:11], inputs[-4:]
        for output, value in zip(outputs, _plain(given, adjoints)(*given, *adjoints), strict=True):
            output[0] = np.asarray(value)


_SOURCES = (__file__, elimination.__file__, whitening.__file__)

_levels = Levels()
levels_gradient = LevelsGradient()


def levels(*inputs: Any) -> Any:
    """Return the three levels and their density; see `Levels`."""
    return _levels(*inputs)[:4]


def reverse(k: int) -> Any:
    """Compile the reverse mode of the map for this number of factors."""

    @kernel
    def _run_reverse(inputs, levels, kept, adjoints):  # type: ignore[no-untyped-def]
        """Run the map backwards, level by level, from the capabilities up and down again through the elimination."""
        z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior = inputs
        g_top, g_scaled, g_theta, g = adjoints
        top, scaled, theta = levels
        spread, linear, scaled_loading, projected, informed, pulled, by_family, carried, covariance = kept[:9]
        seen, counts = kept[9:11]
        upper_top, centre_top, expected, shifted, pull, upper_offset, centre_offset, upper, centre = kept[11:]
        models, benchmarks = weight.shape
        families, n, count = len(z_offset), len(z_top), x.shape[1]

        by_top, by_scaled = g_top.copy(), g_scaled.copy()
        by_weight, by_residual = np.zeros((models, benchmarks)), np.zeros((models, benchmarks))
        by_loading, by_x, by_sd = np.zeros((benchmarks, k)), np.zeros((models, count)), 0.0
        by_precision, by_spread = np.zeros((models, k, k)), np.zeros((models, k, k))
        by_linear, by_expected = np.zeros((models, k)), np.zeros((models, k))
        by_shifted, by_z = np.zeros((models, k)), np.empty((models, k))

        work, by, by_offset = np.empty((k, k)), np.empty(k), np.empty((k, k))
        away, behind = np.empty(k), np.empty(k)
        # Capabilities.
        for m in range(models):
            f = family[m]
            for i in range(k):
                away[i] = theta[m, i] - expected[m, i] - sd * scaled[f, i]
                by_z[m, i] = g_theta[m, i] - g * away[i]
            whitened_reverse(z_residual[m], centre[m], upper[m], by_z[m], g, work, behind, by_precision[m], by, k)
            for i in range(k):
                by_shifted[m, i] += by[i]
                at = by[i] + g * away[i]
                by_expected[m, i] += at
                by_scaled[f, i] += sd * at
                by_sd += scaled[f, i] * at
        # Offsets.
        by_z_offset, by_informed = np.empty((families, k)), np.zeros((families, k, k))
        by_pull = np.empty((families, k))
        for f in range(families):
            for i in range(k):
                by_z_offset[f, i] = by_scaled[f, i] - g * scaled[f, i]
            whitened_reverse(
                z_offset[f], centre_offset[f], upper_offset[f], by_z_offset[f], g, work, behind, by_offset, by, k
            )
            for i in range(k):
                by_pull[f, i] = sd * by[i]
                by_sd += pull[f, i] * by[i]
                for j in range(k):
                    by_informed[f, i, j] += sd * sd * by_offset[i, j]
                    by_sd += 2 * sd * informed[f, i, j] * by_offset[i, j]
        for m in range(models):
            for i in range(k):
                at = by_pull[family[m], i]
                by_expected[m, i] -= at
                for j in range(k):
                    both = shifted[m, j] + expected[m, j]
                    by_spread[m, i, j] += at * both
                    by_shifted[m, j] += at * spread[m, i, j]
                    by_expected[m, j] += at * spread[m, i, j]
        # The shift by difficulties, and what covariates lead one to expect.
        for m in range(models):
            for b in seen[m, : counts[m]]:
                w = weight[m, b]
                if w > 0.0:
                    dot = 0.0
                    for i in range(k):
                        dot += by_shifted[m, i] * loading[b, i]
                        by_loading[b, i] += w * top[b] * by_shifted[m, i]
                    by_weight[m, b] += top[b] * dot
                    by_top[b] += w * dot
            for i in range(k):
                by_linear[m, i] += by_shifted[m, i]
                for c in range(count):
                    by_top[benchmarks + c * k + i] += x[m, c] * by_expected[m, i]
                    by_x[m, c] += top[benchmarks + c * k + i] * by_expected[m, i]
        # Difficulties and slopes.
        for i in range(n):
            by_top[i] -= g * prior[i] * (top[i] - mean[i])
        by_matrix, by_term = np.empty((n, n)), np.empty(n)
        whitened_reverse(z_top, centre_top, upper_top, by_top, g, np.empty((n, n)), np.empty(n), by_matrix, by_term, n)
        # The elimination of offsets: matrix - sd^2 T R T', term - sd^2 T R p.
        by_toward, by_pulled = np.empty((n, families, k)), np.zeros((families, k))
        through = (by_matrix @ by_family.reshape((n, families * k))).reshape((n, families, k))
        moved, solved, by_covariance = np.empty(k), np.empty(k), np.empty((k, k))
        for f in range(families):
            for i in range(k):
                solved[i] = 0.0  # R p
                for j in range(k):
                    solved[i] += covariance[f, i, j] * pulled[f, j]
                    by_covariance[i, j] = 0.0
            for i in range(n):
                for j in range(k):
                    moved[j] = 0.0
                for l in range(k):  # noqa: E741
                    for j in range(k):
                        moved[j] += through[i, f, l] * covariance[f, l, j]
                for j in range(k):
                    by_toward[i, f, j] = -sd * sd * (2 * moved[j] + by_term[i] * solved[j])
                    by_pulled[f, j] -= sd * sd * carried[i, f, j] * by_term[i]
                    outer = through[i, f, j] + by_term[i] * pulled[f, j]
                    by_sd -= 2 * sd * carried[i, f, j] * outer
                    for l in range(k):  # noqa: E741
                        by_covariance[l, j] -= sd * sd * by_family[i, f, l] * outer
            # R = (I + sd^2 informed)^-1
            for i in range(k):
                for j in range(k):
                    work[i, j] = 0.0
                    for l in range(k):  # noqa: E741
                        work[i, j] += covariance[f, i, l] * by_covariance[l, j]
            for i in range(k):
                for j in range(k):
                    total = 0.0
                    for l in range(k):  # noqa: E741
                        total -= work[i, l] * covariance[f, l, j]
                    by_informed[f, i, j] += sd * sd * total
                    by_sd += 2 * sd * informed[f, i, j] * total
        # Models.
        slopes = by_matrix[benchmarks:, benchmarks:]
        of_logits = np.ascontiguousarray(by_matrix[:benchmarks, :benchmarks])
        rows = times_scaled(of_logits, scaled_loading, seen, counts)
        by_q, part, twice = np.empty(k), np.empty(k), np.empty(k)
        for m in range(models):
            f = family[m]
            mine = seen[m, : counts[m]]
            for i in range(k):
                by_q[i] = by_pulled[f, i]  # of S l
                for j in range(k):
                    by_spread[m, i, j] -= by_informed[f, i, j]
            for c in range(count):
                by_c = 0.0
                for i in range(k):
                    place = benchmarks + c * k + i
                    by_q[i] += x[m, c] * by_term[place]
                    for j in range(k):
                        value = (1.0 if i == j else 0.0) - spread[m, i, j]
                        both = 0.0
                        for d in range(count):
                            both += x[m, d] * slopes[c * k + i, d * k + j]
                        by_c += spread[m, i, j] * linear[m, j] * by_term[place]
                        by_c += value * (by_toward[place, f, j] + 2 * both)
                        by_spread[m, i, j] -= x[m, c] * (by_toward[place, f, j] + both)
                by_x[m, c] += by_c
            for i in range(k):
                for j in range(k):
                    by_spread[m, i, j] += by_q[i] * linear[m, j]
                    by_linear[m, j] += by_q[i] * spread[m, i, j]
            # Rows of benchmarks: w on the diagonal, -N S N', -x N S, and their part of `toward`. Of the adjoint of S
            # only the symmetric part counts.
            for b in mine:
                w = weight[m, b]
                by_w = of_logits[b, b] - by_term[b] * residual[m, b]
                for i in range(k):
                    part[i] = by_term[b] * linear[m, i] - by_toward[b, f, i]  # adjoint of N S
                    for c in range(count):
                        of_slope = 2 * by_matrix[b, benchmarks + c * k + i]
                        part[i] -= x[m, c] * of_slope
                        by_x[m, c] -= projected[b, m, i] * of_slope
                    by_linear[m, i] += by_term[b] * projected[b, m, i]
                    twice[i] = part[i] - 2 * rows[b, m, i]
                    part[i] -= rows[b, m, i]
                for i in range(k):
                    by_scaled_loading = 0.0
                    for j in range(k):
                        by_spread[m, i, j] += part[i] * scaled_loading[b, m, j]
                        by_scaled_loading += twice[j] * spread[m, j, i]
                    by_w += by_scaled_loading * loading[b, i]
                    by_loading[b, i] += w * by_scaled_loading
                by_residual[m, b] -= by_term[b] * w
                by_weight[m, b] += by_w
            # S = P^-1, P = I + W'wW, l = W'wr
            for i in range(k):
                for j in range(k):
                    work[i, j] = 0.0
                    for l in range(k):  # noqa: E741
                        work[i, j] += spread[m, i, l] * by_spread[m, l, j]
            for i in range(k):
                for j in range(k):
                    for l in range(k):  # noqa: E741
                        by_precision[m, i, j] -= work[i, l] * spread[m, l, j]
            for b in mine:
                w, by_w, by_r = weight[m, b], 0.0, 0.0
                for i in range(k):
                    by_part = by_linear[m, i] * residual[m, b]
                    by_r += by_linear[m, i] * loading[b, i]
                    for j in range(k):
                        by_part += (by_precision[m, i, j] + by_precision[m, j, i]) * loading[b, j]
                    by_w += by_part * loading[b, i]
                    by_loading[b, i] += w * by_part
                    # A weight is there once in each product, a loading twice.
                    for j in range(k):
                        by_w -= by_precision[m, i, j] * loading[b, i] * loading[b, j]
                by_weight[m, b] += by_w
                by_residual[m, b] += w * by_r
        return by_top, by_z_offset, by_z, by_weight, by_residual, by_loading, by_x, by_sd

    return _run_reverse


_compiled: dict[Any, Any] = {}


def _plain(inputs: Any, adjoints: Any) -> Any:
    """Compile the plain form for inputs of these shapes: the levels, or with adjoints the gradient."""
    import pytensor

    from bayescale.model.coordinates.hierarchy import levels as plain

    key = (bool(len(adjoints)), *(np.shape(value) for value in inputs))
    if key not in _compiled:

        def like(value: Any) -> Any:
            whole = np.issubdtype(np.asarray(value).dtype, np.integer)
            return pt.tensor(dtype="int64" if whole else "float64", shape=np.shape(value))

        given = [like(value) for value in inputs]
        outputs = plain(*given, families=len(inputs[1]))
        weights = [like(value) for value in adjoints]
        if weights:
            total = sum((weight * value).sum() for weight, value in zip(weights, outputs, strict=True))
            outputs = pytensor.grad(total, given[: Levels.differentiable])
        _compiled[key] = pytensor.function([*given, *weights], outputs, mode="FAST_COMPILE", on_unused_input="ignore")
    return _compiled[key]


@register_kernel(Levels, *_SOURCES)
def _numba_levels(op: Any, node: Any) -> Any:
    k = node.inputs[1].type.shape[1]
    _run = forward(k)

    @kernel
    def run(z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior):  # type: ignore[no-untyped-def]
        outputs, kept = _run(z_top, z_offset, z_residual, weight, residual, loading, x, sd.item(), family, mean, prior)
        top, scaled, theta, density = outputs
        return (top, scaled, theta, np.asarray(density)) + kept  # noqa: RUF005 - Numba knows no other way

    return run, k


@register_kernel(LevelsGradient, *_SOURCES)
def _numba_levels_gradient(op: Any, node: Any) -> Any:
    k = node.inputs[1].type.shape[1]
    _run_reverse, last = reverse(k), 14 + len(KEPT)

    @kernel
    def run(*arguments):  # type: ignore[no-untyped-def]
        z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior = arguments[:11]
        inputs = z_top, z_offset, z_residual, weight, residual, loading, x, sd.item(), family, mean, prior
        g_top, g_scaled, g_theta, g = arguments[last:]
        one, two, three, four, five, six, seven, by_sd = _run_reverse(
            inputs, arguments[11:14], arguments[14:last], (g_top, g_scaled, g_theta, g.item())
        )
        return one, two, three, four, five, six, seven, np.asarray(by_sd)

    return run, k
