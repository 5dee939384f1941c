"""Integrate out the Gaussian levels from the bottom up, and map standard coordinates from the top down, in Numba.

The equations are those of `bayescale.model.coordinates.hierarchy.Hierarchy`, model by model over observed scores only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bayescale._fast_compile import kernel
from bayescale.model.kernels.whitening import whitened

# Share of scores observed from which on BLAS multiplies all benchmarks in less time than loops visit the observed ones.
_FULL = 1 / 3


@kernel
def _full(counts, benchmarks):  # type: ignore[no-untyped-def]
    return counts.sum() > _FULL * len(counts) * benchmarks


@kernel
def subtract_products(top, projected, scaled, seen, counts):  # type: ignore[no-untyped-def]
    """Subtract the sum of N S N' over models from the lower triangle of `top`; N S and N are (benchmark, model, k)."""
    benchmarks, models, k = scaled.shape
    if _full(counts, benchmarks):
        product = projected.reshape((benchmarks, models * k)) @ scaled.reshape((benchmarks, models * k)).T
        for b in range(benchmarks):
            for a in range(b + 1):
                top[b, a] -= product[b, a]
    else:
        for m in range(models):
            mine = seen[m, : counts[m]]
            for b in mine:
                for a in mine:
                    if a > b:
                        break
                    for i in range(k):
                        top[b, a] -= projected[b, m, i] * scaled[a, m, i]


@kernel
def times_scaled(matrix, scaled, seen, counts):  # type: ignore[no-untyped-def]
    """Return G N of each model, (benchmark, model, k), where it has scores; the reverse mode of `subtract_products`."""
    benchmarks, models, k = scaled.shape
    if _full(counts, benchmarks):
        return (matrix @ scaled.reshape((benchmarks, models * k))).reshape((benchmarks, models, k))
    found = np.zeros((benchmarks, models, k))
    for m in range(models):
        mine = seen[m, : counts[m]]
        for b in mine:
            for a in mine:
                for i in range(k):
                    found[b, m, i] += matrix[b, a] * scaled[a, m, i]
    return found


def forward(k: int) -> Any:
    """Compile the map for this number of factors, so that the compiler unrolls the inner loops."""

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
    def _by_model(weight, residual, loading, seen, precision, spread, linear):  # type: ignore[no-untyped-def]
        """Fill P, S = P^-1 and l = N'r of one model, with N = w W and P = I + W'N."""
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
        linear = np.empty((models, k))
        scaled, projected = np.zeros((benchmarks, models, k)), np.zeros((benchmarks, models, k))
        informed, pulled = np.zeros((families, k, k)), np.zeros((families, k))
        by_family = np.zeros((n, families, k))  # T_f, the sums of W'M A over the models of a family
        seen, counts = _observed(weight)
        top, term = np.zeros((n, n)), prior * mean
        for m in range(models):
            f = family[m]
            mine = seen[m, : counts[m]]
            _by_model(weight[m], residual[m], loading, mine, precision[m], spread[m], linear[m])
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
                    scaled[b, m, i] = w * loading[b, i]
                    total = 0.0
                    for j in range(k):
                        total += spread[m, i, j] * loading[b, j]
                    projected[b, m, i] = w * total
                    inner += projected[b, m, i] * linear[m, i]
                    by_family[b, f, i] -= projected[b, m, i]
                    for c in range(x.shape[1]):
                        top[benchmarks + c * k + i, b] -= x[m, c] * projected[b, m, i]
                term[b] -= w * residual[m, b] - inner
            for c in range(x.shape[1]):
                for i in range(k):
                    for j in range(k):
                        by_family[benchmarks + c * k + i, f, j] += x[m, c] * (
                            (1.0 if i == j else 0.0) - spread[m, i, j]
                        )
            for c in range(x.shape[1]):
                for d in range(c + 1):
                    for i in range(k):
                        for j in range(k):
                            value = (1.0 if i == j else 0.0) - spread[m, i, j]
                            top[benchmarks + c * k + i, benchmarks + d * k + j] += x[m, c] * x[m, d] * value
        subtract_products(top, projected, scaled, seen, counts)
        offset = np.empty((families, k, k))  # precision of offsets in units of their sd
        covariance, carried = np.empty((families, k, k)), np.empty((n, families, k))
        for f in range(families):
            for i in range(k):
                for j in range(k):
                    offset[f, i, j] = (1.0 if i == j else 0.0) + sd * sd * informed[f, i, j]
            _inverse(offset[f], covariance[f])
            for i in range(n):
                for j in range(k):
                    total = 0.0
                    for l in range(k):  # noqa: E741
                        total += by_family[i, f, l] * covariance[f, l, j]
                    carried[i, f, j] = total
                    term[i] -= sd * sd * total * pulled[f, j]
        # All families at once: BLAS takes longer to be called than to multiply matrices as small as one family's.
        taken = carried.reshape((n, families * k)) @ by_family.reshape((n, families * k)).T
        for i in range(n):
            top[i, i] += prior[i]
            for a in range(i + 1):
                top[i, a] -= sd * sd * taken[i, a]
                top[a, i] = top[i, a]
        parts = spread, linear, scaled, projected, informed, pulled, by_family, carried, covariance, seen, counts
        return parts, (precision, offset, top, term)

    @kernel
    def _run(z_top, z_offset, z_residual, weight, residual, loading, x, sd, family, mean, prior):  # type: ignore[no-untyped-def]
        """Run the map forwards; return its outputs, then what the reverse mode reads."""
        models, benchmarks = weight.shape
        families, n = len(z_offset), len(z_top)
        parts, (precision, offset, top_precision, term) = _eliminate(
            weight, residual, loading, x, sd, family, mean, prior, families
        )
        spread, linear = parts[:2]
        seen, counts = parts[-2:]
        upper_top, top, centre_top = np.zeros((n, n)), np.empty(n), np.empty(n)
        density = whitened(z_top, top_precision, term, upper_top, top, centre_top, n)
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
        linear_term = np.empty(k)
        for f in range(families):
            for i in range(k):
                linear_term[i] = sd * pull[f, i]
            density += whitened(z_offset[f], offset[f], linear_term, upper_offset[f], scaled[f], centre_offset[f], k)
            for i in range(k):
                density -= 0.5 * scaled[f, i] ** 2
        theta, upper, centre = np.empty((models, k)), np.zeros((models, k, k)), np.empty((models, k))
        for m in range(models):
            f = family[m]
            for i in range(k):
                linear_term[i] = expected[m, i] + sd * scaled[f, i] + shifted[m, i]
            density += whitened(z_residual[m], precision[m], linear_term, upper[m], theta[m], centre[m], k)
            for i in range(k):
                density -= 0.5 * (theta[m, i] - expected[m, i] - sd * scaled[f, i]) ** 2
        by_level = upper_top, centre_top, expected, shifted, pull, upper_offset, centre_offset, upper, centre
        return (top, scaled, theta, density), parts + by_level

    return _run
