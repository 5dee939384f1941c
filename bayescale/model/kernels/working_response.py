"""PyTensor Op for weight and working logit of all observed scores and their derivatives, as one Numba kernel.

They are inputs of `bayescale.model.kernels.levels.Levels` and depend on floor, ceiling, shape and precision, so the
gradient goes through them. The plain version is `working_response`; the tests compare the two, and the derivatives with
finite differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba.extending import register_jitable
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayescale._fast_compile import kernel, register_kernel
from bayescale.model import curve as response
from bayescale.model.curve import (
    Curve,
    effective_items,
    half_way,
    half_way_slope,
    logit_information,
    logit_of_share,
    score_slope,
)


def margins(floor: Any, ceiling: Any, effective: Any) -> tuple[Any, Any]:
    """Return the least distances from floor and ceiling at which scores count, as shares of the way between them.

    The distance is one standard error of a score there, given its effective number of items; where nothing is ever
    guessed right (or wrong), one item. Both leave a tenth of the way, also where one item is all, or floor and ceiling
    are near.
    """
    width = ceiling - floor
    return np.minimum(_end(floor, effective) / width, 0.45), np.minimum(_end(ceiling, effective) / width, 0.45)


def _end(end: Any, effective: Any) -> Any:
    return np.sqrt((end * (1 - end) + 1 / effective) / effective)


def working_response(score: Any, share: Any, curve: Curve, precision: Any, items: np.ndarray) -> tuple[Any, Any]:
    """Return weight and working logit of each score, as in iteratively reweighted least squares (Fisher scoring).

    Both are taken where the expected score is this share of the way from floor to ceiling. Arrays or tensors.

    Parameters
    ----------
    score, share : (model, benchmark)
    curve : Curve of (benchmark,)
    precision : (benchmark,)
    items : ndarray (benchmark,)

    Returns
    -------
    weight, logit : (model, benchmark)
    """
    floor, ceiling, shape = curve
    mean = floor + (ceiling - floor) * share
    slope = score_slope(mean, floor, ceiling, shape)
    weight = logit_information(mean, slope, effective_items(items, precision))
    return weight, logit_of_share(share, shape) + (score - mean) / slope


class WorkingResponse(Op):
    """Compute `working_response` where a score was observed, and zeros elsewhere.

    Inputs are ``floor``, ``ceiling``, ``shape``, ``precision`` and ``items`` (benchmark,), then ``score``, ``share``
    and ``observed`` (model, benchmark). Outputs are weight and logit; the derivatives of the weight with respect to
    floor, ceiling, shape and precision; and those of the logit with respect to floor, ceiling and shape, each (model,
    benchmark).
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, variables, [variables[-1].type() for _ in range(9)])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        return [arguments[-1][-1]] * 9

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[moving, moving, *[False] * 7] for moving in (*[True] * 4, *[False] * 4)]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        weight, logit = (
            pt.zeros_like(outputs[0]) if isinstance(g.type, DisconnectedType) else g for g in output_grads[:2]
        )
        ends_and_shape = [
            (weight * by_weight + logit * by_logit).sum(axis=0)
            for by_weight, by_logit in zip(outputs[2:5], outputs[6:9], strict=True)
        ]
        return [*ends_and_shape, (weight * outputs[5]).sum(axis=0), *(DisconnectedType()() for _ in range(4))]

    L_op = pullback  # its name before PyTensor 3

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        floor, ceiling, shape, precision, items, score, share, observed = inputs
        shared = _benchmark(shape, precision, items)
        values = _cell(score, share, floor, ceiling, shape, shared)
        for output, value in zip(outputs, values, strict=True):
            output[0] = np.where(observed > 0, value, 0.0)


_working_response = WorkingResponse()


def observed_response(
    score: Any, share: Any, observed: Any, curve: Curve, precision: Any, items: np.ndarray
) -> tuple[Any, Any]:
    """Return `working_response` of tensors where `observed` is 1, and zeros elsewhere."""
    floor, ceiling, shape = (pt.as_tensor(part) for part in curve)
    return tuple(_working_response(floor, ceiling, shape, precision, items, score, share, observed)[:2])


def _benchmark(shape: Any, precision: Any, items: Any) -> Any:
    """Return what the cells of a benchmark share: curve and effective items, with their derivatives."""
    half = half_way(shape)
    more = (1 - 1 / items) / (1 + precision / items) ** 2  # d effective / d precision
    return half, half_way_slope(shape, half), effective_items(items, precision), more


def _cell(score: Any, share: Any, floor: Any, ceiling: Any, shape: Any, benchmark: Any) -> Any:
    """Return weight and logit, and the derivatives of both (see `WorkingResponse`)."""
    half, down, effective, more = benchmark
    stretch, width = half[1], ceiling - floor

    log_root = shape * np.log(share)
    rest = -np.expm1(log_root)
    at = (log_root - np.log(rest) - half[0]) / stretch
    at_by_shape = (log_root / (shape * rest) + np.log(2) + down) / stretch - at * (1 / shape - down)

    mean = floor + width * share
    slope = stretch / shape * width * share * rest
    slope_by_shape = -down - (1 - rest) * log_root / (shape * rest)  # of its log
    weight = effective * slope**2 / (mean * (1 - mean))
    noise = 1 / mean - 1 / (1 - mean)
    error = (score - mean) / slope
    return (
        weight,
        at + error,
        weight * (-2 / width - (1 - share) * noise),
        weight * (2 / width - share * noise),
        weight * 2 * slope_by_shape,
        weight / effective * more,
        error / width - (1 - share) / slope,
        -error / width - share / slope,
        at_by_shape - error * slope_by_shape,
    )


# Numba compiles the very functions that NumPy runs; registered, one may call another.
for _function in (effective_items, half_way, half_way_slope, _benchmark, _cell):
    register_jitable(_function)


@register_kernel(WorkingResponse, __file__, response.__file__)
def _numba_working_response(op: Any, node: Any) -> Any:
    @kernel
    def run(floor, ceiling, shape, precision, items, score, share, observed):  # type: ignore[no-untyped-def]
        models, benchmarks = score.shape
        found = np.zeros((9, models, benchmarks))
        shared = [_benchmark(shape[j], precision[j], items[j]) for j in range(benchmarks)]
        for i in range(models):  # along the rows, as the matrices lie in memory
            for j in range(benchmarks):
                if observed[i, j] > 0:
                    cell = _cell(score[i, j], share[i, j], floor[j], ceiling[j], shape[j], shared[j])
                    for k, value in enumerate(cell):
                        found[k, i, j] = value
        return found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7], found[8]

    return run, 0
