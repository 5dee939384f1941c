"""PyTensor Op for the whitening of many small Gaussians at once, as one Numba kernel.

For each row ``m`` with precision matrix ``P = L L'`` and linear term ``h``::

    theta = P^-1 h + L^-T z          log |d theta / d z| = -sum log diag L

From PyTensor's batched Cholesky factors and triangular solves, each a call into LAPACK per row, the gradient takes ten
times as long. `perform` is the plain NumPy version; the tests compare the two, and the gradient with finite
differences.

The reverse mode of a Cholesky factor follows Murray (2016, arXiv:1602.07527), section 3.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayescale._fast_compile import kernel, register_kernel


class Whiten(Op):
    """Map standard coordinates ``z`` to ``theta``; see the module's text.

    Inputs are ``z`` (rows, k), ``precision`` (rows, k, k) and ``linear`` (rows, k); outputs are ``theta`` (rows, k) and
    the log-Jacobian per row (rows,).
    """

    __props__ = ()

    def make_node(self, z: Any, precision: Any, linear: Any) -> Apply:
        z, precision, linear = (pt.as_tensor_variable(v) for v in (z, precision, linear))
        log_jacobian = pt.tensor(dtype="float64", shape=z.type.shape[:1])
        return Apply(self, [z, precision, linear], [z.type(), log_jacobian])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        shapes = arguments[-1]
        return [shapes[0], (shapes[0][0],)]

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        z, precision, linear = inputs
        lower = np.linalg.cholesky(precision)
        centre = np.linalg.solve(lower, linear[..., None])
        outputs[0][0] = np.linalg.solve(np.swapaxes(lower, -1, -2), centre + z[..., None])[..., 0]
        outputs[1][0] = -np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        theta, _ = outputs
        g_theta, g_log_jacobian = output_grads
        if isinstance(g_theta.type, DisconnectedType):
            g_theta = pt.zeros_like(theta)
        if isinstance(g_log_jacobian.type, DisconnectedType):
            g_log_jacobian = pt.zeros(theta.shape[0])
        return list(whiten_gradient(*inputs, g_theta, g_log_jacobian))

    L_op = pullback  # its name before PyTensor 3


class WhitenGradient(Op):
    """Compute the reverse mode of `Whiten`: adjoints of ``z``, ``precision`` and ``linear``."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, variables, [v.type() for v in variables[:3]])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        return list(arguments[-1][:3])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        z, precision, linear, g_theta, g_log_jacobian = inputs
        lower = np.linalg.cholesky(precision)
        upper = np.swapaxes(lower, -1, -2)
        centre = np.linalg.solve(lower, linear[..., None])
        theta = np.linalg.solve(upper, centre + z[..., None])
        g_z = np.linalg.solve(lower, g_theta[..., None])
        g_linear = np.linalg.solve(upper, g_z)
        g_lower = -theta @ np.swapaxes(g_z, -1, -2) - g_linear @ np.swapaxes(centre, -1, -2)
        diagonal = np.arange(z.shape[1])
        g_lower[:, diagonal, diagonal] -= g_log_jacobian[:, None] / lower[:, diagonal, diagonal]
        phi = np.tril(upper @ np.tril(g_lower))
        phi -= 0.5 * phi * np.eye(z.shape[1])
        s = np.linalg.solve(upper, np.swapaxes(np.linalg.solve(upper, np.swapaxes(phi, -1, -2)), -1, -2))
        outputs[0][0] = g_z[..., 0]
        outputs[1][0] = 0.5 * (s + np.swapaxes(s, -1, -2))
        outputs[2][0] = g_linear[..., 0]


whiten = Whiten()
whiten_gradient = WhitenGradient()


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


def _factors(node: Any) -> int:
    """Return the number of factors where it is known before the run, else 0.

    Compiled for one k the loops are unrolled, which halves the time of both kernels: at k = 6, 85 and 237 ns a row
    where loops up to a variable took 206 and 432; at k = 12, 403 and 1,205 for 547 and 1,360.
    """
    return node.inputs[0].type.shape[1] or 0


@register_kernel(Whiten, __file__)
def _numba_whiten(op: Any, node: Any) -> Any:
    known = _factors(node)

    @kernel
    def run(z, precision, linear):  # type: ignore[no-untyped-def]
        rows, k = len(z), known or z.shape[1]
        theta = np.empty((rows, k))
        log_jacobian = np.zeros(rows)
        upper = np.zeros((k, k))
        for m in range(rows):
            _upper_factor(precision[m], upper, k)
            row, volume = theta[m], 1.0
            for i in range(k):
                row[i] = linear[m, i]
            _solve_lower(upper, row, k)
            for i in range(k):
                row[i] += z[m, i]
                volume *= upper[i, i]
            _solve_upper(upper, row, k)
            log_jacobian[m] = -np.log(volume)
        return theta, log_jacobian

    return run, known


@register_kernel(WhitenGradient, __file__)
def _numba_whiten_gradient(op: Any, node: Any) -> Any:
    known = _factors(node)

    @kernel
    def run(z, precision, linear, g_theta, g_log_jacobian):  # type: ignore[no-untyped-def]
        rows, k = len(z), known or z.shape[1]
        g_z, g_linear = np.empty((rows, k)), np.empty((rows, k))
        g_precision = np.empty((rows, k, k))
        upper, inverse, g = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
        centre, behind, row = np.zeros(k), np.zeros(k), np.zeros(k)
        for m in range(rows):
            _upper_factor(precision[m], upper, k)
            inverse[:] = 0.0  # L^-1, row by row
            for i in range(k):
                inverse[i, i] = 1.0
                for l in range(i):  # noqa: E741
                    weight = upper[l, i]
                    for j in range(l + 1):
                        inverse[i, j] -= weight * inverse[l, j]
                for j in range(i + 1):
                    inverse[i, j] /= upper[i, i]
            for i in range(k):
                g_z[m, i] = g_theta[m, i]
                centre[i] = linear[m, i]
            _solve_lower(upper, g_z[m], k)
            for i in range(k):
                g_linear[m, i] = g_z[m, i]
            _solve_upper(upper, g_linear[m], k)
            _solve_lower(upper, centre, k)
            _solve_upper(upper, centre, k)
            # dL = L Phi(L^-1 dP L^-T), Phi the lower triangle with half the diagonal. With a = L^-1 g_theta the adjoint
            # of the matrix inside is -Phi(z a'), so that of P is -L^-T Phi(z a') L^-1: one outer product a row of L^-1,
            # of that row and z times the rows from there on (`behind`). The Jacobian's is -P^-1 / 2.
            for i in range(k):
                for j in range(k):
                    g[i, j] = -centre[i] * g_linear[m, j]
            behind[:] = 0.0
            for i in range(k - 1, -1, -1):
                half = 0.5 * z[m, i]
                for j in range(k):
                    behind[j] += half * inverse[i, j]
                    row[j] = -g_z[m, i] * behind[j] - 0.5 * g_log_jacobian[m] * inverse[i, j]
                    behind[j] += half * inverse[i, j]
                for l in range(i + 1):  # noqa: E741
                    weight = inverse[i, l]
                    for j in range(k):
                        g[l, j] += weight * row[j]
            for i in range(k):
                for j in range(k):
                    g_precision[m, i, j] = 0.5 * (g[i, j] + g[j, i])
        return g_z, g_precision, g_linear

    return run, known
