"""PyTensor Op for the log density of all observed scores and its gradient, as one Numba kernel.

From PyTensor's own Ops (gather the cells, four log-gammas each, scatter the gradient) the same density takes a hundred
nodes, each a Numba function to compile; and digamma is one of SciPy's behind a pointer, which cannot be cached on disk
(timings in docs/model-notes.md). `perform` is the plain NumPy version; the tests compare the two, and the derivatives
with finite differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba.extending import register_jitable
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy.special import digamma

from bayescale._fast_compile import kernel, register_kernel
from bayescale.model import curve as response
from bayescale.model.curve import (
    beta_shapes,
    half_way,
    half_way_slope,
    log_likelihood_share,
    log_share,
    log_sigmoid,
)


class ScoreDensity(Op):
    """Compute the log density of the observed scores given their logits, up to a constant of the data.

    Inputs are ``logit`` (model, benchmark); ``floor``, ``ceiling``, ``shape``, ``precision`` and ``items``
    (benchmark,); ``score`` and ``observed`` (model, benchmark). Outputs are the log density and its derivatives with
    respect to logit, floor, shape and precision, each (model, benchmark), 0 where no score was observed.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, variables, [variables[0].type() for _ in range(5)])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # PyTensor 3: node, shapes; before: fgraph, node, shapes
        return [arguments[-1][0]] * 5

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        # Nobody differentiates twice: the derivatives count as constants, as do the ceiling and what was observed.
        return [[differentiable, *[False] * 4] for differentiable in (True, True, False, True, True, *[False] * 3)]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        gradient, (by_logit, *by_benchmark) = output_grads[0], outputs[1:]
        floor, shape, precision = ((gradient * by).sum(axis=0) for by in by_benchmark)
        constant = DisconnectedType()
        return [gradient * by_logit, floor, constant(), shape, precision, *(constant() for _ in range(3))]

    L_op = pullback  # its name before PyTensor 3

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        logit, floor, ceiling, shape, precision, items, score, observed = inputs
        share, by_logit, by_shape = _curve(logit, shape, _benchmark(shape))
        mean = floor + (ceiling - floor) * share
        hits = np.rint(score * items)
        a, b = beta_shapes(mean, precision)
        by_a, by_b = digamma(hits + a) - digamma(a), digamma(items - hits + b) - digamma(b)
        by_sum = digamma(precision) - digamma(items + precision)
        by_mean = precision * (by_a - by_b)
        values = (
            log_likelihood_share(score, items, mean, precision),
            by_mean * (ceiling - floor) * by_logit,
            by_mean * (1 - share),
            by_mean * (ceiling - floor) * by_shape,
            mean * by_a + (1 - mean) * by_b + by_sum,
        )
        for output, value in zip(outputs, values, strict=True):
            output[0] = np.where(observed > 0, value, 0.0)


score_density = ScoreDensity()


def _benchmark(shape: Any) -> tuple[tuple[Any, Any], Any]:
    """Return what the curves of a benchmark's cells share: `half_way` of the shape, and its derivative."""
    half = half_way(shape)
    return half, half_way_slope(shape, half)


def _curve(logit: Any, shape: Any, benchmark: tuple[tuple[Any, Any], Any]) -> tuple[Any, Any, Any]:
    """Return the share of the way from floor to ceiling and its derivatives with respect to logit and shape."""
    half, down = benchmark
    log, stretch = log_share(logit, shape, half), half[1]
    share, rest = np.exp(log), -np.expm1(shape * log)
    steep = share * rest / shape
    by_z = -np.log(2) - down + stretch * (1 / shape - down) * logit
    return share, steep * stretch, steep * by_z - share * log / shape


# Numba compiles the very functions that NumPy runs; registered, one may call another.
for _function in (beta_shapes, half_way, half_way_slope, log_sigmoid, log_share, _benchmark, _curve):
    register_jitable(_function)
# From here on the series in 1/x (Abramowitz & Stegun 1964, 6.1.40 and 6.3.18) is exact to rounding with seven terms.
_LARGE = 10.0
_HALF_LOG_TWO_PI = 0.5 * np.log(2 * np.pi)


@kernel
def log_gamma_and_digamma(x):  # type: ignore[no-untyped-def]
    """Return ``log Gamma(x)`` and its derivative, for a positive number."""
    # Gamma(x) = Gamma(x + n) / (x (x + 1) ... (x + n - 1)); `steep` over `product` is the sum of the 1 / (x + j).
    product, steep = 1.0, 0.0
    while x < _LARGE:
        steep = steep * x + product
        product *= x
        x += 1.0
    log, r = np.log(x), 1.0 / x
    s = r * r
    tail = 1 / 1680 - s * (1 / 1188 - s * (691 / 360360 - s / 156))
    value = (x - 0.5) * log - x + _HALF_LOG_TWO_PI + r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * tail)))
    tail = 1 / 240 - s * (1 / 132 - s * (691 / 32760 - s / 12))
    derivative = log - 0.5 * r - s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * tail)))
    if steep > 0.0:
        value -= np.log(product)
        derivative -= steep / product
    return value, derivative


@register_kernel(ScoreDensity, __file__, response.__file__)
def _numba_score_density(op: Any, node: Any) -> Any:
    @kernel
    def run(logit, floor, ceiling, shape, precision, items, score, observed):  # type: ignore[no-untyped-def]
        models, benchmarks = logit.shape
        density, by_logit, by_floor = np.zeros(logit.shape), np.zeros(logit.shape), np.zeros(logit.shape)
        by_shape, by_precision = np.zeros(logit.shape), np.zeros(logit.shape)
        middle, stretch, down = np.empty(benchmarks), np.empty(benchmarks), np.empty(benchmarks)
        constant, by_sum = np.empty(benchmarks), np.empty(benchmarks)
        for j in range(benchmarks):
            half, down[j] = _benchmark(shape[j])
            middle[j], stretch[j] = half
            of_precision, by = log_gamma_and_digamma(precision[j])
            of_both, by_both = log_gamma_and_digamma(items[j] + precision[j])
            constant[j], by_sum[j] = of_precision - of_both, by - by_both
        # Along the rows, as the matrices lie in memory: down the columns of 1,000 models and 100 benchmarks every cell
        # was a miss of the cache.
        for i in range(models):
            for j in range(benchmarks):
                if observed[i, j] > 0:
                    n, phi, width = items[j], precision[j], ceiling[j] - floor[j]
                    share, steep, by_form = _curve(logit[i, j], shape[j], ((middle[j], stretch[j]), down[j]))
                    mean = floor[j] + width * share
                    a, b = beta_shapes(mean, phi)
                    below_a, by_a = log_gamma_and_digamma(a)
                    below_b, by_b = log_gamma_and_digamma(b)
                    hits = np.rint(score[i, j] * n)
                    above_a, by_above_a = log_gamma_and_digamma(hits + a)
                    above_b, by_above_b = log_gamma_and_digamma(n - hits + b)
                    by_a, by_b = by_above_a - by_a, by_above_b - by_b
                    by_mean = phi * (by_a - by_b)
                    density[i, j] = constant[j] + above_a + above_b - below_a - below_b
                    by_logit[i, j] = by_mean * width * steep
                    by_floor[i, j] = by_mean * (1 - share)
                    by_shape[i, j] = by_mean * width * by_form
                    by_precision[i, j] = mean * by_a + (1 - mean) * by_b + by_sum[j]
        return density, by_logit, by_floor, by_shape, by_precision

    return run, 0
