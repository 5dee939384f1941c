"""PyTensor Op for weight and working logit of all observed scores and their derivatives, as one Numba kernel.

They are inputs of `ConditionalWhitening` and depend on floor, shape and precision, so the gradient goes through them.
The plain version is `working_response`; the tests compare the two, and the derivatives with finite differences.
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
    guessed right (or wrong), one item. At this distance the weight of a cell is about one, that of the prior of a
    capability. A fixed distance overstates the information of a score of 0 (docs/model-notes.md).
    """
    width = ceiling - floor
    return _end(floor, effective) / width, _end(ceiling, effective) / width


def _end(end: Any, effective: Any) -> Any:
    return np.sqrt((end * (1 - end) + 1 / effective) / effective)


def working_response(score: Any, curve: Curve, precision: Any, items: np.ndarray) -> tuple[Any, Any]:
    """Return weight and working logit of each score, as in iteratively reweighted least squares (Fisher scoring).

    A score nearer to floor or ceiling than `margins` counts as one at that distance. Arrays or tensors.

    Parameters
    ----------
    score : (model, benchmark)
    curve : Curve of (benchmark,)
    precision : (benchmark,)
    items : ndarray (benchmark,)

    Returns
    -------
    weight, logit : (model, benchmark)
    """
    floor, ceiling, shape = curve
    effective = effective_items(items, precision)
    low, high = margins(floor, ceiling, effective)
    share = ((score - floor) / (ceiling - floor)).clip(low, 1 - high)
    mean = floor + (ceiling - floor) * share
    weight = logit_information(mean, score_slope(mean, floor, ceiling, shape), effective)
    return weight, logit_of_share(share, shape)


class WorkingResponse(Op):
    """Compute `working_response` where a score was observed, and zeros elsewhere.

    Inputs are ``floor``, ``ceiling``, ``shape``, ``precision`` and ``items`` (benchmark,), then ``score`` and
    ``observed`` (model, benchmark). Outputs are weight and logit, and the derivatives of both with respect to floor,
    shape and precision, each (model, benchmark).
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, variables, [variables[-1].type() for _ in range(8)])

    def infer_shape(self, *arguments: Any) -> list[Any]:  # see `ScoreDensity.infer_shape`
        return [arguments[-1][-1]] * 8

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[moving, moving, *[False] * 6] for moving in (True, False, True, True, False, False, False)]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:
        weight, logit = (
            pt.zeros_like(outputs[0]) if isinstance(g.type, DisconnectedType) else g for g in output_grads[:2]
        )
        floor, shape, precision = (
            (weight * by_weight + logit * by_logit).sum(axis=0)
            for by_weight, by_logit in zip(outputs[2:5], outputs[5:8], strict=True)
        )
        constant = DisconnectedType()
        return [floor, constant(), shape, precision, *(constant() for _ in range(3))]

    L_op = pullback  # its name before PyTensor 3

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        floor, ceiling, shape, precision, items, score, observed = inputs
        values = _cell(score, floor, ceiling, shape, _benchmark(floor, ceiling, shape, precision, items))
        for output, value in zip(outputs, values, strict=True):
            output[0] = np.where(observed > 0, value, 0.0)


_working_response = WorkingResponse()


def observed_response(score: Any, observed: Any, curve: Curve, precision: Any, items: np.ndarray) -> tuple[Any, Any]:
    """Return `working_response` of tensors where `observed` is 1, and zeros elsewhere."""
    floor, ceiling, shape = curve
    return tuple(_working_response(floor, ceiling, shape, precision, items, score, observed)[:2])


def _benchmark(floor: Any, ceiling: Any, shape: Any, precision: Any, items: Any) -> Any:
    """Return what the cells of a benchmark share: margins, information and curve, with their derivatives."""
    half, width = half_way(shape), ceiling - floor
    effective = effective_items(items, precision)
    more = (1 - 1 / items) / (1 + precision / items) ** 2  # d effective / d precision
    at_floor, at_ceiling = _end(floor, effective), _end(ceiling, effective)
    low, high = at_floor / width, at_ceiling / width
    low_by_floor = 0.5 * (1 - 2 * floor) / (effective * at_floor * width) + low / width
    low_by_more = -0.5 * (floor * (1 - floor) + 2 / effective) / (effective**2 * at_floor * width)
    high_by_more = -0.5 * (ceiling * (1 - ceiling) + 2 / effective) / (effective**2 * at_ceiling * width)
    ends = (low, low_by_floor, low_by_more, high, high / width, high_by_more)
    return half, half_way_slope(shape, half), effective, more, ends


def _cell(score: Any, floor: Any, ceiling: Any, shape: Any, benchmark: Any) -> Any:
    """Return weight and logit, and the derivatives of both with respect to floor, shape and precision."""
    half, down, effective, more, ends = benchmark
    stretch, width = half[1], ceiling - floor
    low, low_by_floor, low_by_more, high, high_by_floor, high_by_more = ends

    # Share of the way between the ends, and what moves it.
    free = (score - floor) / width
    below, above = 1.0 * (free < low), 1.0 * (free > 1 - high)
    share = np.minimum(np.maximum(free, low), 1 - high)
    share_by_floor = below * low_by_floor - above * high_by_floor - (1 - below - above) * (1 - free) / width
    share_by_more = below * low_by_more - above * high_by_more

    log_root = shape * np.log(share)
    rest = -np.expm1(log_root)
    logit = (log_root - np.log(rest) - half[0]) / stretch
    logit_by_share = shape / (share * rest * stretch)
    logit_by_shape = (log_root / (shape * rest) + np.log(2) + down) / stretch - logit * (1 / shape - down)

    mean = floor + width * share
    slope = stretch / shape * width * share * rest
    weight = effective * slope**2 / (mean * (1 - mean))
    # Derivatives of log weight.
    noise = 1 / mean - 1 / (1 - mean)
    by_share = 2 / share - 2 * shape * (1 - rest) / (share * rest) - width * noise
    by_floor = by_share * share_by_floor - 2 / width - (1 - share) * noise
    by_shape = -2 * down - 2 * (1 - rest) * log_root / (shape * rest)
    by_more = 1 / effective + by_share * share_by_more
    return (
        weight,
        logit,
        weight * by_floor,
        weight * by_shape,
        weight * by_more * more,
        logit_by_share * share_by_floor,
        logit_by_shape,
        logit_by_share * share_by_more * more,
    )


# Numba compiles the very functions that NumPy runs; registered, one may call another.
for _function in (effective_items, half_way, half_way_slope, _end, _benchmark, _cell):
    register_jitable(_function)


@register_kernel(WorkingResponse, __file__, response.__file__)
def _numba_working_response(op: Any, node: Any) -> Any:
    @kernel
    def run(floor, ceiling, shape, precision, items, score, observed):  # type: ignore[no-untyped-def]
        models, benchmarks = score.shape
        found = np.zeros((8, models, benchmarks))
        shared = [_benchmark(floor[j], ceiling[j], shape[j], precision[j], items[j]) for j in range(benchmarks)]
        for i in range(models):  # along the rows, as the matrices lie in memory
            for j in range(benchmarks):
                if observed[i, j] > 0:
                    cell = _cell(score[i, j], floor[j], ceiling[j], shape[j], shared[j])
                    for k, value in enumerate(cell):
                        found[k, i, j] = value
        return found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7]

    return run, 0
