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


class Levels(Op):
    """Map standard coordinates to difficulties and slopes, family offsets, and capabilities.

    Inputs are the standard coordinates of the three levels, ``(n,)`` with n = benchmarks + covariates * factors,
    ``(family, factor)`` and ``(model, factor)``; ``weight`` and ``residual`` (model, benchmark), ``loading``
    (benchmark, factor), ``covariates`` (model, covariate) and the sd of families, a scalar; ``family`` (model,), the
    index of each model's; ``mean`` and ``precision`` (n,) of the normal priors of the first level. Outputs are the
    three levels, offsets in units of their sd, and the log density of the levels with the Jacobian of the map.
    """

    __props__ = ()
    differentiable = 8

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        outputs = [variables[0].type(), variables[1].type(), variables[2].type(), pt.scalar(dtype="float64")]
        return Apply(self, variables, outputs)

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        return [*arguments[-1][:3], ()]

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _plain(inputs, [])(*inputs), strict=True):
            output[0] = np.asarray(value)

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[i < self.differentiable] * 4 for i in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        adjoints = [
            pt.zeros_like(output) if isinstance(g.type, DisconnectedType) else g
            for output, g in zip(outputs, output_grads, strict=True)
        ]
        gradients = levels_gradient(*inputs, *adjoints)
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
        given, adjoints = inputs[:-4], inputs[-4:]
        for output, value in zip(outputs, _plain(given, adjoints)(*given, *adjoints), strict=True):
            output[0] = np.asarray(value)


levels = Levels()
levels_gradient = LevelsGradient()


# Inner loops run along rows and add a multiple of one row to another, which the compiler turns into vector
# instructions: a gradient of the whole model (63 models, 20 benchmarks) takes 0.42 ms at 12 factors and 0.85 ms at 20,
# where loops over inner products took 0.69 and 2.06.


@kernel
def _upper_factor(p, upper, k):  # type: ignore[no-untyped-def]
    """Fill the upper triangle of `upper` with the factor R of ``p = R' R``; R' is the Cholesky factor L."""
    for i in range(k):
        for j in range(i, k):
            upper[i, j] = p[i, j]
    for i in range(k):
        scale = 1.0 / np.sqrt(upper[i, i])
        for j in range(i, k):
            upper[i, j] *= scale
        for l in range(i + 1, k):  # noqa: E741
            weight = upper[i, l]
            for j in range(l, k):
                upper[l, j] -= weight * upper[i, j]


@kernel
def _solve_lower(upper, x, k):  # type: ignore[no-untyped-def]
    """Solve ``R' y = x`` in place."""
    for i in range(k):
        x[i] /= upper[i, i]
        for j in range(i + 1, k):
            x[j] -= upper[i, j] * x[i]


@kernel
def _solve_upper(upper, x, k):  # type: ignore[no-untyped-def]
    """Solve ``R y = x`` in place."""
    for i in range(k - 1, -1, -1):
        s = x[i]
        for j in range(i + 1, k):
            s -= upper[i, j] * x[j]
        x[i] = s / upper[i, i]


def _kernels(k: int) -> Any:
    """Compile the map and its reverse mode for this number of factors, so that the compiler unrolls the inner loops."""

    @kernel
    def _inverse(matrix, result):  # type: ignore[no-untyped-def]
        """Invert a positive definite matrix by Gauss and Jordan's elimination, which then needs no pivots."""
        for i in range(k):
            for j in range(k):
                result[i, j] = matrix[i, j]
        for p in range(k):
            scale = 1.0 / result[p, p]
            result[p, p] = 1.0
            for j in range(k):
                result[p, j] *= scale
            for i in range(k):
                if i != p:
                    factor = result[i, p]
                    result[i, p] = 0.0
                    for j in range(k):
                        result[i, j] -= factor * result[p, j]

    @kernel
    def _by_model(weight, residual, loading, seen, precision, spread, linear, projected):  # type: ignore[no-untyped-def]
        """Fill P, S = P^-1, l = N'r and U = W S of one model, with N = w W and P = I + W'N."""
        for i in range(k):
            linear[i] = 0.0
            for j in range(k):
                precision[i, j] = 1.0 if i == j else 0.0
        for b in seen:
            for i in range(k):
                part = weight[b] * loading[b, i]
                linear[i] += part * residual[b]
                for j in range(k):
                    precision[i, j] += part * loading[b, j]
        _inverse(precision, spread)
        for b in seen:
            for i in range(k):
                total = 0.0
                for j in range(k):
                    total += spread[i, j] * loading[b, j]
                projected[b, i] = total

    @kernel
    def _observed(weight):  # type: ignore[no-untyped-def]
        """Return the benchmarks of each model's scores, and how many they are."""
        models, benchmarks = weight.shape
        seen, counts = np.empty((models, benchmarks), np.int64), np.zeros(models, np.int64)
        for m in range(models):
            for b in range(benchmarks):
                if weight[m, b] > 0.0:
                    seen[m, counts[m]] = b
                    counts[m] += 1
        return seen, counts

    @kernel
    def _eliminate(weight, residual, loading, x, sd, family, mean, prior, families):  # type: ignore[no-untyped-def]
        """Integrate out capabilities and offsets; return all that the levels need of it, from the bottom up."""
        models, benchmarks = weight.shape
        n = len(mean)
        precision, spread = np.empty((models, k, k)), np.empty((models, k, k))
        linear, projected = np.empty((models, k)), np.zeros((models, benchmarks, k))
        informed, pulled = np.zeros((families, k, k)), np.zeros((families, k))
        by_family = np.zeros((families, n, k))  # T_f, the sums of W'M A over the models of a family
        seen, counts = _observed(weight)
        top, term = np.zeros((n, n)), prior * mean
        for i in range(n):
            top[i, i] = prior[i]
        for m in range(models):
            f = family[m]
            mine = seen[m, : counts[m]]
            _by_model(weight[m], residual[m], loading, mine, precision[m], spread[m], linear[m], projected[m])
            for i in range(k):
                pull = 0.0
                for j in range(k):
                    pull += spread[m, i, j] * linear[m, j]
                    informed[f, i, j] += (1.0 if i == j else 0.0) - spread[m, i, j]
                pulled[f, i] += pull
                for c in range(x.shape[1]):
                    term[benchmarks + c * k + i] += x[m, c] * pull
            for b in mine:
                w = weight[m, b]
                top[b, b] += w
                inner = 0.0
                for i in range(k):
                    inner += projected[m, b, i] * linear[m, i]
                    by_family[f, b, i] -= w * projected[m, b, i]
                    for c in range(x.shape[1]):
                        top[benchmarks + c * k + i, b] -= x[m, c] * w * projected[m, b, i]
                term[b] -= w * (residual[m, b] - inner)
                for a in mine:
                    if a > b:
                        break
                    dot = 0.0
                    for i in range(k):
                        dot += loading[b, i] * projected[m, a, i]
                    top[b, a] -= w * weight[m, a] * dot
            for c in range(x.shape[1]):
                for i in range(k):
                    for j in range(k):
                        by_family[f, benchmarks + c * k + i, j] += x[m, c] * (
                            (1.0 if i == j else 0.0) - spread[m, i, j]
                        )
            for c in range(x.shape[1]):
                for d in range(c + 1):
                    for i in range(k):
                        for j in range(k):
                            value = (1.0 if i == j else 0.0) - spread[m, i, j]
                            top[benchmarks + c * k + i, benchmarks + d * k + j] += x[m, c] * x[m, d] * value
        offset = np.empty((families, k, k))  # precision of offsets in units of their sd
        covariance = np.empty((families, k, k))
        for f in range(families):
            for i in range(k):
                for j in range(k):
                    offset[f, i, j] = (1.0 if i == j else 0.0) + sd * sd * informed[f, i, j]
            _inverse(offset[f], covariance[f])
            carried = by_family[f] @ covariance[f]
            for i in range(n):
                for j in range(k):
                    term[i] -= sd * sd * carried[i, j] * pulled[f, j]
                for a in range(i + 1):
                    total = 0.0
                    for j in range(k):
                        total += carried[i, j] * by_family[f, a, j]
                    top[i, a] -= sd * sd * total
        for i in range(n):
            for a in range(i):
                top[a, i] = top[i, a]
        told = precision, spread, linear, projected, informed, pulled
        return told, by_family, offset, covariance, top, term, seen, counts

    @kernel
    def _whitened(z, precision, linear, upper, k):  # type: ignore[no-untyped-def]
        """Return the values, the centre in standard units and the log-Jacobian; fill the factor ``upper``."""
        _upper_factor(precision, upper, k)
        centre, values, jacobian = np.empty(k), np.empty(k), 0.0
        for i in range(k):
            centre[i] = linear[i]
        _solve_lower(upper, centre, k)
        for i in range(k):
            values[i] = centre[i] + z[i]
            jacobian -= np.log(upper[i, i])
        _solve_upper(upper, values, k)
        return values, centre, jacobian

    @kernel
    def _run(z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior):  # type: ignore[no-untyped-def]
        """Run the map forwards; return its outputs, then what the reverse mode reads."""
        models, benchmarks = weight.shape
        families, n = len(z_offset), len(z_top)
        parts = _eliminate(weight, residual, loading, x, sd, family, mean, prior, families)
        (precision, spread, linear, _, _, _), _, offset, _, top_precision, term, seen, counts = parts
        upper_top = np.zeros((n, n))
        top, centre_top, density = _whitened(z_top, top_precision, term, upper_top, n)
        for i in range(n):
            density -= 0.5 * (prior[i] * (top[i] - mean[i]) ** 2 - np.log(prior[i]))
        expected, shifted, pull = np.zeros((models, k)), np.empty((models, k)), np.zeros((families, k))
        for m in range(models):
            for i in range(k):
                shifted[m, i] = linear[m, i]
                for c in range(x.shape[1]):
                    expected[m, i] += x[m, c] * top[benchmarks + c * k + i]
            for b in seen[m, : counts[m]]:
                for i in range(k):
                    shifted[m, i] += weight[m, b] * top[b] * loading[b, i]
            for i in range(k):
                total = -expected[m, i]
                for j in range(k):
                    total += spread[m, i, j] * (shifted[m, j] + expected[m, j])
                pull[family[m], i] += total
        scaled, upper_offset, centre_offset = (
            np.empty((families, k)),
            np.zeros((families, k, k)),
            np.empty((families, k)),
        )
        for f in range(families):
            scaled[f], centre_offset[f], jacobian = _whitened(z_offset[f], offset[f], sd * pull[f], upper_offset[f], k)
            density += jacobian
            for i in range(k):
                density -= 0.5 * scaled[f, i] ** 2
        theta, upper, centre = np.empty((models, k)), np.zeros((models, k, k)), np.empty((models, k))
        for m in range(models):
            at = expected[m] + sd * scaled[family[m]]
            theta[m], centre[m], jacobian = _whitened(z_residual[m], precision[m], at + shifted[m], upper[m], k)
            density += jacobian
            for i in range(k):
                density -= 0.5 * (theta[m, i] - at[i]) ** 2
        memory = (upper_top, centre_top, expected, shifted, pull, upper_offset, centre_offset, upper, centre)
        return (top, scaled, theta, density), parts, memory

    @kernel
    def _whitened_reverse(z, centre, upper, adjoint, jacobian, inverse, by_precision, by_linear, size):  # type: ignore[no-untyped-def]
        """Fill the adjoints of precision and linear term; return that of z."""
        by_z = adjoint
        _solve_lower(upper, by_z, size)
        for i in range(size):
            by_linear[i] = by_z[i]
            for j in range(size):
                inverse[i, j] = 0.0
        _solve_upper(upper, by_linear, size)
        full = centre
        _solve_upper(upper, full, size)  # precision^-1 linear
        for i in range(size):  # L^-1, row by row
            inverse[i, i] = 1.0
            for l in range(i):  # noqa: E741
                weight = upper[l, i]
                for j in range(l + 1):
                    inverse[i, j] -= weight * inverse[l, j]
            for j in range(i + 1):
                inverse[i, j] /= upper[i, i]
        for i in range(size):
            for j in range(size):
                by_precision[i, j] = -0.5 * (full[i] * by_linear[j] + full[j] * by_linear[i])
        behind = np.zeros(size)
        for i in range(size - 1, -1, -1):
            half = 0.5 * z[i]
            for j in range(i + 1):
                behind[j] += half * inverse[i, j]
            for j in range(size):
                row = -by_z[i] * behind[j] - (0.5 * jacobian * inverse[i, j] if j <= i else 0.0)
                for l in range(i + 1):  # noqa: E741
                    value = 0.5 * inverse[i, l] * row
                    by_precision[l, j] += value
                    by_precision[j, l] += value
            for j in range(i + 1):
                behind[j] += half * inverse[i, j]
        return by_z

    @kernel
    def _run_reverse(  # type: ignore[no-untyped-def]
        z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior, g_top, g_scaled, g_theta, g
    ):
        """Run the map backwards, level by level, from the capabilities up and down again through the elimination."""
        models, benchmarks = weight.shape
        families = len(z_offset)
        n, count = len(z_top), x.shape[1]
        (top, scaled, theta, _), parts, memory = _run(
            z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior
        )
        (_, spread, linear, projected, informed, pulled), by_family, _, covariance, _, _, seen, counts = parts
        upper_top, centre_top, expected, shifted, pull, upper_offset, centre_offset, upper, centre = memory

        by_top, by_scaled = g_top.copy(), g_scaled.copy()
        by_weight, by_residual = np.zeros((models, benchmarks)), np.zeros((models, benchmarks))
        by_loading, by_x, by_sd = np.zeros((benchmarks, k)), np.zeros((models, count)), 0.0
        by_precision, by_spread = np.zeros((models, k, k)), np.zeros((models, k, k))
        by_linear, by_expected = np.zeros((models, k)), np.zeros((models, k))
        by_shifted, by_z = np.zeros((models, k)), np.empty((models, k))

        work, by, by_offset = np.empty((k, k)), np.empty(k), np.empty((k, k))
        # Capabilities.
        for m in range(models):
            f = family[m]
            away = theta[m] - expected[m] - sd * scaled[f]
            by_z[m] = _whitened_reverse(
                z_residual[m], centre[m], upper[m], g_theta[m] - g * away, g, work, by_precision[m], by, k
            )
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
            adjoint = by_scaled[f] - g * scaled[f]
            by_z_offset[f] = _whitened_reverse(
                z_offset[f], centre_offset[f], upper_offset[f], adjoint, g, work, by_offset, by, k
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
        by_z_top = _whitened_reverse(z_top, centre_top, upper_top, by_top, g, np.empty((n, n)), by_matrix, by_term, n)
        # The elimination of offsets: matrix - sd^2 T R T', term - sd^2 T R p.
        by_toward, by_pulled = np.zeros((families, n, k)), np.zeros((families, k))
        for f in range(families):
            carried = by_family[f] @ covariance[f]
            moved = by_matrix @ carried  # (n, k)
            solved = np.zeros(k)  # R p
            for i in range(k):
                for j in range(k):
                    solved[i] += covariance[f, i, j] * pulled[f, j]
            by_covariance = np.zeros((k, k))
            through = by_matrix @ by_family[f]
            for i in range(n):
                for j in range(k):
                    by_toward[f, i, j] -= sd * sd * (2 * moved[i, j] + by_term[i] * solved[j])
                    by_pulled[f, j] -= sd * sd * carried[i, j] * by_term[i]
                    for l in range(k):  # noqa: E741
                        value = by_family[f, i, j] * (through[i, l] + by_term[i] * pulled[f, l])
                        by_covariance[j, l] -= sd * sd * value
                    by_sd -= 2 * sd * carried[i, j] * (through[i, j] + by_term[i] * pulled[f, j])
            # R = (I + sd^2 informed)^-1
            for i in range(k):
                for j in range(k):
                    total = 0.0
                    for a in range(k):
                        for b in range(k):
                            total -= covariance[f, a, i] * by_covariance[a, b] * covariance[f, j, b]
                    by_informed[f, i, j] += sd * sd * total
                    by_sd += 2 * sd * informed[f, i, j] * total
        # Models.
        slopes = by_matrix[benchmarks:, benchmarks:]
        row = np.empty((benchmarks, k))
        by_projected = np.empty((benchmarks, k))
        for m in range(models):
            f = family[m]
            by_q = np.zeros(k)  # of S l
            for i in range(k):
                by_q[i] += by_pulled[f, i]
                for j in range(k):
                    by_spread[m, i, j] -= by_informed[f, i, j]
            for c in range(count):
                for i in range(k):
                    place = benchmarks + c * k + i
                    by_q[i] += x[m, c] * by_term[place]
                    total = 0.0
                    for j in range(k):
                        total += spread[m, i, j] * linear[m, j]
                        value = (1.0 if i == j else 0.0) - spread[m, i, j]
                        by_x[m, c] += value * by_toward[f, place, j]
                        by_spread[m, i, j] -= x[m, c] * by_toward[f, place, j]
                        for d in range(count):
                            both = slopes[c * k + i, d * k + j]
                            by_x[m, c] += 2 * x[m, d] * value * both
                            by_spread[m, i, j] -= x[m, c] * x[m, d] * both
                    by_x[m, c] += total * by_term[place]
            for i in range(k):
                for j in range(k):
                    by_spread[m, i, j] += by_q[i] * linear[m, j]
                    by_linear[m, j] += by_q[i] * spread[m, i, j]
            # Rows of benchmarks: w on the diagonal, -w w' W S W', -x w U, and their part of `toward`.
            for b in seen[m, : counts[m]]:
                if weight[m, b] > 0.0:
                    for i in range(k):
                        row[b, i] = 0.0
                    for a in seen[m, : counts[m]]:
                        if weight[m, a] > 0.0:
                            scale = by_matrix[b, a] * weight[m, a]
                            for i in range(k):
                                row[b, i] += scale * loading[a, i]
            for b in seen[m, : counts[m]]:
                w = weight[m, b]
                if w > 0.0:
                    inner, by_w = 0.0, by_matrix[b, b]
                    for i in range(k):
                        inner += projected[m, b, i] * linear[m, i]
                        by_w -= 2 * projected[m, b, i] * row[b, i]
                        part = -by_toward[f, b, i]  # adjoint of w U
                        for c in range(count):
                            part -= 2 * x[m, c] * by_matrix[benchmarks + c * k + i, b]
                            by_x[m, c] -= 2 * w * projected[m, b, i] * by_matrix[benchmarks + c * k + i, b]
                        part += by_term[b] * linear[m, i]
                        by_linear[m, i] += by_term[b] * w * projected[m, b, i]
                        by_projected[b, i] = w * part
                        by_w += part * projected[m, b, i]
                    by_w -= by_term[b] * residual[m, b]
                    by_residual[m, b] -= by_term[b] * w
                    by_weight[m, b] += by_w
                    for i in range(k):
                        for j in range(k):
                            by_spread[m, i, j] -= w * loading[b, i] * row[b, j]
                            by_loading[b, i] -= 2 * w * spread[m, i, j] * row[b, j]
                            # U = W S
                            by_spread[m, i, j] += by_projected[b, i] * loading[b, j]
                            by_loading[b, j] += by_projected[b, i] * spread[m, i, j]
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
            for b in seen[m, : counts[m]]:
                w = weight[m, b]
                if w > 0.0:
                    for i in range(k):
                        by_weight[m, b] += by_linear[m, i] * residual[m, b] * loading[b, i]
                        by_residual[m, b] += by_linear[m, i] * w * loading[b, i]
                        by_loading[b, i] += by_linear[m, i] * w * residual[m, b]
                        for j in range(k):
                            both = by_precision[m, i, j]
                            by_weight[m, b] += both * loading[b, i] * loading[b, j]
                            by_loading[b, i] += w * both * loading[b, j]
                            by_loading[b, j] += w * both * loading[b, i]
        return by_z_top, by_z_offset, by_z, by_weight, by_residual, by_loading, by_x, by_sd

    return _run, _run_reverse


_compiled: dict[Any, Any] = {}


def _plain(inputs: Any, adjoints: Any) -> Any:
    """Compile the plain form for inputs of these shapes: the levels, or with adjoints the gradient."""
    import pytensor

    from bayescale.model.coordinates.hierarchy import levels as plain

    key = (bool(len(adjoints)), *(np.shape(value) for value in inputs))
    if key not in _compiled:
        given = [pt.as_tensor(np.asarray(value)).type() for value in inputs]
        outputs = plain(*given, families=len(inputs[1]))
        weights = [pt.as_tensor(np.asarray(value)).type() for value in adjoints]
        if weights:
            total = sum((weight * value).sum() for weight, value in zip(weights, outputs, strict=True))
            outputs = pytensor.grad(total, given[: Levels.differentiable])
        _compiled[key] = pytensor.function([*given, *weights], outputs, mode="FAST_COMPILE", on_unused_input="ignore")
    return _compiled[key]


@register_kernel(Levels, __file__)
def _numba_levels(op: Any, node: Any) -> Any:
    k = node.inputs[1].type.shape[1]
    _run, _ = _kernels(k)

    @kernel
    def run(z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior):  # type: ignore[no-untyped-def]
        outputs, _, _ = _run(z_top, z_offset, z_residual, weight, residual, loading, x, sd.item(), family, mean, prior)
        top, scaled, theta, density = outputs
        return top, scaled, theta, np.asarray(density)

    return run, k


@register_kernel(LevelsGradient, __file__)
def _numba_levels_gradient(op: Any, node: Any) -> Any:
    k = node.inputs[1].type.shape[1]
    _, _run_reverse = _kernels(k)

    @kernel
    def run(  # type: ignore[no-untyped-def]
        z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior, g_top, g_scaled, g_theta, g
    ):
        one, two, three, four, five, six, seven, by_sd = _run_reverse(
            z_top, z_offset, z_residual, weight, residual, loading, x, sd.item(), family, mean, prior,
            g_top, g_scaled, g_theta, g.item(),
        )  # fmt: skip
        return one, two, three, four, five, six, seven, np.asarray(by_sd)

    return run, k
