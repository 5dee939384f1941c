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
from bayescale.model.kernels import rising_factorial
from bayescale.model.kernels.rising_factorial import log_rising_factorial


class ScoreDensity(Op):
    """Compute the log density of the observed scores given their logits, up to a constant of the data.

    Inputs are ``logit`` (model, benchmark); ``floor``, ``ceiling``, ``shape``, ``precision``, ``specific_sd`` and
    ``items`` (benchmark,); ``score`` and ``observed`` (model, benchmark). Outputs are the log density and its
    derivatives with respect to logit, floor, ceiling, shape, precision and specific sd, each (model, benchmark), 0
    where no score was observed.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, variables, [variables[0].type() for _ in range(7)])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # PyTensor 3: node, shapes; before: fgraph, node, shapes
        return [arguments[-1][0]] * 7

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        # Nobody differentiates twice: the derivatives count as constants, as does what was observed.
        return [[differentiable, *[False] * 6] for differentiable in (*[True] * 6, *[False] * 3)]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        gradient, (by_logit, *by_benchmark) = output_grads[0], outputs[1:]
        sums = [(gradient * by).sum(axis=0) for by in by_benchmark]
        return [gradient * by_logit, *sums, *(DisconnectedType()() for _ in range(3))]

    L_op = pullback  # its name before PyTensor 3

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        logit, floor, ceiling, shape, precision, specific_sd, items, score, observed = inputs
        ends = floor, ceiling
        curve = _curve(logit, shape, _benchmark(shape))
        mean = floor + (ceiling - floor) * curve[0]
        phi, phi_by = _cell_precision(curve, ends, precision, specific_sd)
        hits = np.rint(score * items)
        a, b = beta_shapes(mean, phi)
        by_a, by_b = digamma(hits + a) - digamma(a), digamma(items - hits + b) - digamma(b)
        by_phi = mean * by_a + (1 - mean) * by_b + digamma(phi) - digamma(items + phi)
        density = log_likelihood_share(score, items, mean, phi)
        values = density, *_derivatives(curve, ends, phi * (by_a - by_b), by_phi, phi_by)
        for output, value in zip(outputs, values, strict=True):
            output[0] = np.where(observed > 0, value, 0.0)


score_density = ScoreDensity()


def _benchmark(shape: Any) -> tuple[tuple[Any, Any], Any]:
    """Return what the curves of a benchmark's cells share: `half_way` of the shape, and its derivative."""
    half = half_way(shape)
    return half, half_way_slope(shape, half)


def _curve(logit: Any, shape: Any, benchmark: tuple[tuple[Any, Any], Any]) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return the share of the way from floor to ceiling, the share left, and derivatives.

    They are those of the share, and of the log of its slope, each with respect to logit and shape.
    """
    half, down = benchmark
    log, stretch = log_share(logit, shape, half), half[1]
    share, rest = np.exp(log), -np.expm1(shape * log)
    by_z = -np.log(2) - down + stretch * (1 / shape - down) * logit
    log_by_shape = (rest * by_z - log) / shape
    slope_by_logit = stretch * (rest / shape - (1 - rest))
    slope_by_shape = log_by_shape - down - (1 - rest) * by_z
    return share, -np.expm1(log), share * rest * stretch / shape, share * log_by_shape, slope_by_logit, slope_by_shape


def _cell_precision(curve: Any, ends: Any, precision: Any, specific_sd: Any) -> tuple[Any, Any]:
    """Return `bayescale.model.curve.score_precision` at one logit, and its derivatives.

    They are with respect to logit, floor, ceiling, shape, precision and specific sd. The share that is left is exact
    where one less the share would not be.
    """
    share, left, by_logit, by_shape, slope_by_logit, slope_by_shape = curve
    floor, ceiling = ends
    width = ceiling - floor
    mean, rest = floor + width * share, 1 - ceiling + width * left
    noise = mean * rest + _TINY
    information = (width * by_logit) ** 2 / noise
    by_mean = (rest - mean) / noise
    wide = specific_sd**2 * (precision + 1) * information
    phi = precision / (1 + wide)
    by_log = -phi * wide / (1 + wide)  # with respect to the log of the information
    by = (
        by_log * (2 * slope_by_logit - by_mean * width * by_logit),
        by_log * (-2 / width - by_mean * left),
        by_log * (2 / width - by_mean * share),
        by_log * (2 * slope_by_shape - by_mean * width * by_shape),
        (1 + specific_sd**2 * information) / (1 + wide) ** 2,
        -2 * phi * specific_sd * (precision + 1) * information / (1 + wide),
    )
    return phi, by


def _derivatives(curve: Any, ends: Any, by_mean: Any, by_phi: Any, phi_by: Any) -> Any:
    """Return the derivatives of the density: through the mean, and through the precision of the cell."""
    share, left, by_logit, by_shape = curve[:4]
    width = ends[1] - ends[0]
    return (
        by_mean * width * by_logit + by_phi * phi_by[0],
        by_mean * left + by_phi * phi_by[1],
        by_mean * share + by_phi * phi_by[2],
        by_mean * width * by_shape + by_phi * phi_by[3],
        by_phi * phi_by[4],
        by_phi * phi_by[5],
    )


_TINY = 1e-300


# Numba compiles the very functions that NumPy runs; registered, one may call another.
for _function in (
    beta_shapes, half_way, half_way_slope, log_sigmoid, log_share, _benchmark, _curve, _cell_precision, _derivatives,
):  # fmt: skip
    register_jitable(_function)


@register_kernel(ScoreDensity, __file__, rising_factorial.__file__, response.__file__)
def _numba_score_density(op: Any, node: Any) -> Any:
    @kernel
    def run(logit, floor, ceiling, shape, precision, specific_sd, items, score, observed):  # type: ignore[no-untyped-def]
        models, benchmarks = logit.shape
        out = np.zeros((7, models, benchmarks))
        constant, by_constant = np.empty(benchmarks), np.empty(benchmarks)
        shared = [_benchmark(shape[j]) for j in range(benchmarks)]
        for j in range(benchmarks):
            constant[j], by_constant[j] = log_rising_factorial(precision[j], items[j])
        # Along the rows, as the matrices lie in memory: down the columns of 1,000 models and 100 benchmarks every cell
        # was a miss of the cache.
        for i in range(models):
            for j in range(benchmarks):
                if observed[i, j] > 0:
                    n, ends = items[j], (floor[j], ceiling[j])
                    curve = _curve(logit[i, j], shape[j], shared[j])
                    phi, phi_by = _cell_precision(curve, ends, precision[j], specific_sd[j])
                    fixed, by_fixed = constant[j], by_constant[j]
                    if specific_sd[j] > 0:  # otherwise all cells of the benchmark have one precision
                        fixed, by_fixed = log_rising_factorial(phi, n)
                    mean = ends[0] + (ends[1] - ends[0]) * curve[0]
                    a, b = beta_shapes(mean, phi)
                    hits = np.rint(score[i, j] * n)
                    of_hits, by_a = log_rising_factorial(a, hits)
                    of_misses, by_b = log_rising_factorial(b, n - hits)
                    by_phi = mean * by_a + (1 - mean) * by_b - by_fixed
                    out[0, i, j] = of_hits + of_misses - fixed
                    derivatives = _derivatives(curve, ends, phi * (by_a - by_b), by_phi, phi_by)
                    for k, value in enumerate(derivatives):
                        out[k + 1, i, j] = value
        return out[0], out[1], out[2], out[3], out[4], out[5], out[6]

    return run, 0
