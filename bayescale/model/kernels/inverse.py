"""PyTensor Op for the inverses of many small positive definite matrices, as one Numba kernel.

PyTensor's batched inverse calls LAPACK once a row. The reverse mode is ``-S (G + G') S / 2`` with ``S`` the inverse
(Giles 2008, section 2.2.3). `perform` is the plain NumPy version; the tests compare the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayescale._fast_compile import kernel, register_kernel
from bayescale.model.kernels.whiten import _factors


class Inverse(Op):
    """Invert symmetric positive definite matrices (rows, k, k)."""

    __props__ = ()

    def make_node(self, matrix: Any) -> Apply:
        matrix = pt.as_tensor_variable(matrix)
        return Apply(self, [matrix], [matrix.type()])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        return list(arguments[-1])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = np.linalg.inv(inputs[0])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        return [inverse_gradient(outputs[0], output_grads[0])]

    L_op = pullback  # its name before PyTensor 3


class InverseGradient(Op):
    """Compute the reverse mode of `Inverse` from the inverse and its adjoint."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, variables, [variables[0].type()])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        return [arguments[-1][0]]

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        inverse, adjoint = inputs
        outputs[0][0] = -0.5 * inverse @ (adjoint + np.swapaxes(adjoint, -1, -2)) @ inverse


inverse = Inverse()
inverse_gradient = InverseGradient()


@register_kernel(Inverse, __file__)
def _numba_inverse(op: Any, node: Any) -> Any:
    known = _factors(node)

    @kernel
    def run(matrix):  # type: ignore[no-untyped-def]
        rows, k = len(matrix), known or matrix.shape[1]
        result = np.empty((rows, k, k))
        work = np.empty((k, k))
        for m in range(rows):
            for i in range(k):
                for j in range(k):
                    work[i, j] = matrix[m, i, j]
            # Gauss and Jordan in place: positive definite matrices need no pivots.
            for p in range(k):
                scale = 1.0 / work[p, p]
                work[p, p] = 1.0
                for j in range(k):
                    work[p, j] *= scale
                for i in range(k):
                    if i != p:
                        factor = work[i, p]
                        work[i, p] = 0.0
                        for j in range(k):
                            work[i, j] -= factor * work[p, j]
            for i in range(k):
                for j in range(k):
                    result[m, i, j] = 0.5 * (work[i, j] + work[j, i])
        return result

    return run, known


@register_kernel(InverseGradient, __file__)
def _numba_inverse_gradient(op: Any, node: Any) -> Any:
    known = _factors(node)

    @kernel
    def run(inverse, adjoint):  # type: ignore[no-untyped-def]
        rows, k = len(inverse), known or inverse.shape[1]
        result = np.empty((rows, k, k))
        half = np.empty((k, k))
        for m in range(rows):
            for i in range(k):
                for j in range(k):
                    half[i, j] = 0.0
                for l in range(k):  # noqa: E741
                    weight = inverse[m, i, l]
                    for j in range(k):
                        half[i, j] += weight * 0.5 * (adjoint[m, l, j] + adjoint[m, j, l])
            for i in range(k):
                for j in range(k):
                    result[m, i, j] = 0.0
                for l in range(k):  # noqa: E741
                    weight = half[i, l]
                    for j in range(k):
                        result[m, i, j] -= weight * inverse[m, l, j]
        return result

    return run, known
