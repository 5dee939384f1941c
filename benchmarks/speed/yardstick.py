"""The yardstick: density and gradient of the default spec by hand, in one Numba function, without PyTensor.

It is the density that the sampler sees, with whitened capabilities, loadings of fixed rotation and their Jacobians. The
ratio of package to yardstick is the cost of the package's graph of operations relative to plain loops over the observed
cells. The special functions and the algebra of a cell are the package's own (`kernels.score_density`,
`kernels.working_response`); the rest, and the reverse mode, is by hand. Cells are visited twice: the difficulty of a
benchmark depends on the working responses of all its cells, so these come first, and their reverse mode last.

It does not check the model: `PlainCoordinates` is the reference implementation, and `tests/model/test_model.py`
compares both with the equations. This third density stays because only code by hand shows what the graph of operations
costs.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from bayescale.model.kernels.whiten import _solve_lower, _solve_upper, _upper_factor

from bayescale.model.kernels.score_density import _curve, log_gamma_and_digamma
from bayescale.model.kernels.working_response import _benchmark, _cell
from benchmarks.speed.arrays import Arrays

# The sampler's variables in PyMC's order; those of latent compute and testlets are missing without them.
ORDER = (
    "latent_covariate", "family_sd_log__", "own_loading_sd_log__", "common_loading_sd_log__", "loading_z_rotation__",
    "slope_z", "family_offset_z", "testlet_sd_log__", "testlet_effect_z", "family_benchmark_sd_log__",
    "family_benchmark_z", "floor_logodds__", "curve_shape_log__", "log_precision", "difficulty_z",
    "capability_whitened__",
)  # fmt: skip
# The flags of PyTensor's own functions (`pytensor.link.numba`).
_FAST = {"arcp", "contract", "afn", "reassoc", "nsz"}
_jit = numba.njit(fastmath=_FAST, error_model="numpy")
_LOG_TWO_PI = np.log(2 * np.pi)


@_jit
def _normal(x: Any, gradient: Any, mean: float, sd: float) -> float:
    """Return the log density of independent normals, and add its gradient."""
    total = -len(x) * (0.5 * _LOG_TWO_PI + np.log(sd))
    for i in range(len(x)):
        z = (x[i] - mean) / sd
        total -= 0.5 * z * z
        gradient[i] -= z / sd
    return total


@_jit
def _sd(x: float, gradient: Any, at: int, scale: float) -> tuple[float, float]:
    """Return a standard deviation from its log, and the log density of the log under a half-normal."""
    sd = np.exp(x)
    z = sd / scale
    gradient[at] += 1 - z * z
    return sd, 0.5 * np.log(2 / np.pi) - np.log(scale) - 0.5 * z * z + x


@_jit
def _loading_prior(scaled: Any, by_scaled: Any, own: float, common: float) -> tuple[float, float, float]:
    """Return the log density of loadings around a common one, and derivatives by the variances `own` and `common`."""
    benchmarks, factors = scaled.shape
    total = own + benchmarks * common
    squares = sums = 0.0
    for k in range(factors):
        column = 0.0
        for b in range(benchmarks):
            column += scaled[b, k]
            squares += scaled[b, k] ** 2
        sums += column * column
        for b in range(benchmarks):
            by_scaled[b, k] -= (scaled[b, k] - common / total * column) / own
    log_det = (benchmarks - 1) * np.log(own) + np.log(total)
    density = -0.5 * ((squares - common / total * sums) / own + factors * (log_det + benchmarks * _LOG_TWO_PI))
    by_own = -squares / own**2 + common * sums * (1 / (total * own**2) + 1 / (total**2 * own))
    by_own += factors * ((benchmarks - 1) / own + 1 / total)
    by_common = -sums / (total * own) + common * sums * benchmarks / (total**2 * own) + factors * benchmarks / total
    return density, -0.5 * by_own, -0.5 * by_common


@_jit
def _whiten_back(
    k: int, upper: Any, inverse: Any, left: Any, z: Any, theta: Any, by_theta: Any, by_z: Any, by_linear: Any,
    by_precision: Any,
) -> None:  # fmt: skip
    """Compute the reverse mode of one row of `bayescale.model.kernels.whiten`, with its Jacobian once.

    `theta` becomes P^-1 h.
    """
    for i in range(k):
        for j in range(k):
            left[i, j] = 0.0
            inverse[i, j] = 1.0 if i == j else 0.0
    for i in range(k):  # L^-1, row by row
        for l in range(i):  # noqa: E741
            for j in range(l + 1):
                inverse[i, j] -= upper[l, i] * inverse[l, j]
        for j in range(i + 1):
            inverse[i, j] /= upper[i, i]
    for i in range(k):
        by_z[i] = by_theta[i]
    _solve_lower(upper, by_z, k)
    for i in range(k):
        by_linear[i] = by_z[i]
    _solve_upper(upper, by_linear, k)
    centre = theta
    for i in range(k):
        for j in range(i, k):
            centre[i] -= inverse[j, i] * z[j]
    # -(c h' + L^-T (Phi(z a') + I/2) L^-1), made symmetric, with a the adjoint of z.
    for i in range(k):
        for l in range(i + 1):  # noqa: E741
            middle = z[i] * by_z[l] if l < i else 0.5 * (z[i] * by_z[i] + 1)
            for j in range(l + 1):
                left[i, j] += middle * inverse[l, j]
    for i in range(k):
        for j in range(k):
            by_precision[i, j] = -centre[i] * by_linear[j]
    for l in range(k):  # noqa: E741
        for i in range(l + 1):
            for j in range(l + 1):
                by_precision[i, j] -= inverse[l, i] * left[l, j]


@_jit
def log_density(point: np.ndarray, arrays: Arrays, gradient: np.ndarray) -> float:
    """Return the log density at the sampler's coordinates, and fill `gradient`."""
    factors, models, benchmarks = len(arrays.factors), len(arrays.x), len(arrays.items)
    families, testlets, rank, latents = arrays.families, arrays.testlets, arrays.basis.shape[1], len(arrays.latent)
    gradient[:] = 0.0
    total = arrays.constant

    # Where each variable starts.
    at_sd = latents
    at_lower = at_sd + 3
    at_free = at_lower + rank * (rank + 1) // 2
    at_slope = at_free + (benchmarks - rank) * factors
    at_offset = at_slope + factors
    at_testlet_sd = at_offset + families * factors
    at_testlet = at_testlet_sd + (testlets > 0)
    at_effect_sd = at_testlet + models * testlets
    at_effect = at_effect_sd + 1
    at_floor = at_effect + families * benchmarks
    at_shape = at_floor + benchmarks
    at_precision = at_shape + benchmarks
    at_difficulty = at_precision + benchmarks
    at_capability = at_difficulty + benchmarks

    x = arrays.x.copy()
    by_x = np.zeros(models)
    for i in range(latents):
        x[arrays.latent[i]] = point[i]
        z = (point[i] - arrays.latent_mean[i]) / arrays.latent_sd[i]
        total -= 0.5 * z * z + 0.5 * _LOG_TWO_PI + np.log(arrays.latent_sd[i])
        gradient[i] -= z / arrays.latent_sd[i]

    # Standard deviations, loadings and slopes, the latter two in units of the scatter of capabilities.
    family_sd, density = _sd(point[at_sd], gradient, at_sd, arrays.sds[1])
    own_sd, more = _sd(point[at_sd + 1], gradient, at_sd + 1, arrays.sds[2])
    common_sd, again = _sd(point[at_sd + 2], gradient, at_sd + 2, arrays.sds[3])
    total += density + more + again
    unit = np.sqrt(1 + family_sd**2)
    by_unit = 0.0
    lower = np.zeros((rank, factors))
    at = at_lower
    for i in range(rank):
        for j in range(i + 1):
            lower[i, j] = np.exp(point[at]) if i == j else point[at]
            if i == j:
                total += point[at] * (factors - i)
                gradient[at] += factors - i
            at += 1
    free = point[at_free:at_slope].reshape((benchmarks - rank, factors))
    scaled = np.dot(arrays.basis, lower) + np.dot(arrays.complement, free)
    by_scaled = np.zeros((benchmarks, factors))
    own, common = (unit * own_sd) ** 2, (unit * common_sd) ** 2
    density, by_own, by_common = _loading_prior(scaled, by_scaled, own, common)
    total += density
    gradient[at_sd + 1] += 2 * own * by_own
    gradient[at_sd + 2] += 2 * common * by_common
    by_unit += 2 * (own * by_own + common * by_common) / unit
    loading = scaled / unit
    by_loading = np.zeros((benchmarks, factors))
    scaled_slope = point[at_slope:at_offset]
    slope = unit * scaled_slope
    by_slope = np.zeros(factors)
    slope_sd = arrays.sds[0] / unit
    total += _normal(scaled_slope, gradient[at_slope:at_offset], 0.0, slope_sd)
    for k in range(factors):
        by_unit += 1 / unit - scaled_slope[k] ** 2 / slope_sd**2 / unit

    # Standard normals: offsets, testlet effects, family-by-benchmark effects.
    total += _normal(point[at_offset:at_testlet_sd], gradient[at_offset:at_testlet_sd], 0.0, 1.0)
    total += _normal(point[at_testlet:at_effect_sd], gradient[at_testlet:at_effect_sd], 0.0, 1.0)
    total += _normal(point[at_effect:at_floor], gradient[at_effect:at_floor], 0.0, 1.0)
    effect_sd, density = _sd(point[at_effect_sd], gradient, at_effect_sd, arrays.sds[6])
    total += density
    testlet_sd = 0.0
    if testlets > 0:
        testlet_sd, density = _sd(point[at_testlet_sd], gradient, at_testlet_sd, arrays.sds[5])
        total += density

    offset = point[at_offset:at_testlet_sd].reshape((families, factors))
    location, by_location = np.empty((models, factors)), np.zeros((models, factors))
    for m in range(models):
        for k in range(factors):
            location[m, k] = x[m] * slope[k] + family_sd * offset[arrays.family[m], k]

    # Benchmarks: curve and noise, working responses of their cells, where they put the difficulty.
    logs = point[at_precision:at_difficulty]
    total += _normal(logs, gradient[at_precision:at_difficulty], arrays.precision_mean, arrays.precision_sd)
    floor, precision, shape = np.empty(benchmarks), np.exp(logs), np.exp(point[at_shape:at_precision])
    by_floor, by_precision, by_shape = np.zeros(benchmarks), np.zeros(benchmarks), np.zeros(benchmarks)
    weight_of, by_sum = np.empty(benchmarks), np.empty(benchmarks)
    for b in range(benchmarks):
        y = point[at_floor + b]
        floor[b] = 1 / (1 + np.exp(-y))
        total += arrays.floor_alpha[b] * np.log(floor[b]) + arrays.floor_beta[b] * np.log1p(-floor[b])
        gradient[at_floor + b] += arrays.floor_alpha[b] * (1 - floor[b]) - arrays.floor_beta[b] * floor[b]
        total += point[at_shape + b] - arrays.shape_rate * shape[b]
        gradient[at_shape + b] += 1 - arrays.shape_rate * shape[b]
        weight_of[b], by_sum[b] = log_gamma_and_digamma(precision[b])
        value, slope_of = log_gamma_and_digamma(arrays.items[b] + precision[b])
        weight_of[b] -= value
        by_sum[b] -= slope_of
    cells = len(arrays.score)
    working = np.empty((cells, 8))
    about, mean_location = np.zeros(benchmarks), np.zeros((benchmarks, factors))
    middle, stretch, down = np.empty(benchmarks), np.empty(benchmarks), np.empty(benchmarks)
    for b in range(benchmarks):
        shared = _benchmark(floor[b], arrays.ceiling[b], shape[b], precision[b], arrays.items[b])
        middle[b], stretch[b] = shared[0]
        down[b] = shared[1]
        for place in range(arrays.first_by_benchmark[b], arrays.first_by_benchmark[b + 1]):
            c = arrays.by_benchmark[place]
            m = arrays.model[c]
            cell = _cell(arrays.score[c], floor[b], arrays.ceiling[b], shape[b], shared)
            working[c, 0], working[c, 1], working[c, 2], working[c, 3] = cell[0], cell[1], cell[2], cell[3]
            working[c, 4], working[c, 5], working[c, 6], working[c, 7] = cell[4], cell[5], cell[6], cell[7]
            about[b] -= arrays.informative[c] * cell[1]
            for k in range(factors):
                mean_location[b, k] += arrays.informative[c] * location[m, k]
    difficulty, by_difficulty = np.empty(benchmarks), np.empty(benchmarks)
    for b in range(benchmarks):
        for k in range(factors):
            about[b] += loading[b, k] * mean_location[b, k]
        difficulty[b] = point[at_difficulty + b] + about[b]
        by_difficulty[b] = 0.0
    total += _normal(difficulty, by_difficulty, 0.0, arrays.sds[4])

    # Models: whiten, score, and back.
    inverse, left = np.empty((factors, factors)), np.empty((factors, factors))
    upper, by_p = np.zeros((factors, factors)), np.empty((factors, factors))
    theta, by_theta, by_linear = np.empty(factors), np.empty(factors), np.empty(factors)
    turned = np.empty(factors)
    by_weight, by_response = np.zeros(cells), np.zeros(cells)
    by_testlet_sd = by_effect_sd = 0.0
    for m in range(models):
        f, start, stop = arrays.family[m], arrays.first[m], arrays.first[m + 1]
        for i in range(factors):
            theta[i] = location[m, i]
            for j in range(i, factors):
                upper[i, j] = 1.0 if i == j else 0.0
        for c in range(start, stop):
            b, g = arrays.benchmark[c], arrays.testlet[arrays.benchmark[c]]
            working[c, 1] += difficulty[b] - effect_sd * point[at_effect + f * benchmarks + b]
            if g >= 0:
                working[c, 1] -= testlet_sd * point[at_testlet + m * testlets + g]
            weight, linear = working[c, 0], working[c, 0] * working[c, 1]
            for i in range(factors):
                theta[i] += linear * loading[b, i]
                for j in range(i, factors):
                    upper[i, j] += weight * loading[b, i] * loading[b, j]
        _upper_factor(upper, upper, factors)
        z = point[at_capability + m * factors : at_capability + (m + 1) * factors]
        _solve_lower(upper, theta, factors)
        volume = 1.0
        for i in range(factors):
            volume *= upper[i, i]
            theta[i] += z[i]
        _solve_upper(upper, theta, factors)
        total -= np.log(volume) + 0.5 * factors * _LOG_TWO_PI
        for k in range(factors):
            residual = theta[k] - location[m, k]
            total -= 0.5 * residual**2
            by_location[m, k] += residual
            by_theta[k] = -residual
        for c in range(start, stop):
            b, g = arrays.benchmark[c], arrays.testlet[arrays.benchmark[c]]
            eta = effect_sd * point[at_effect + f * benchmarks + b] - difficulty[b]
            if g >= 0:
                eta += testlet_sd * point[at_testlet + m * testlets + g]
            for k in range(factors):
                eta += loading[b, k] * theta[k]
            phi, width, n, score = precision[b], arrays.ceiling[b] - floor[b], arrays.items[b], arrays.score[c]
            share, steep, by_form = _curve(eta, shape[b], ((middle[b], stretch[b]), down[b]))
            mean = floor[b] + width * share
            alpha, beta = mean * phi + 1e-300, (1 - mean) * phi + 1e-300
            below_a, by_a = log_gamma_and_digamma(alpha)
            below_b, by_b = log_gamma_and_digamma(beta)
            total += weight_of[b] - below_a - below_b
            hits = np.rint(score * n)
            above_a, by_above_a = log_gamma_and_digamma(hits + alpha)
            above_b, by_above_b = log_gamma_and_digamma(n - hits + beta)
            total += above_a + above_b
            by_a, by_b = by_above_a - by_a, by_above_b - by_b
            by_mean = phi * (by_a - by_b)
            by_eta = by_mean * width * steep
            by_floor[b] += by_mean * (1 - share)
            by_shape[b] += by_mean * width * by_form
            by_precision[b] += mean * by_a + (1 - mean) * by_b + by_sum[b]
            # Effects take the same from the logit here and, below, from the working logit.
            by_response[c] = by_eta
            for k in range(factors):
                by_theta[k] += by_eta * loading[b, k]
                by_loading[b, k] += by_eta * theta[k]
        by_z = gradient[at_capability + m * factors : at_capability + (m + 1) * factors]
        _whiten_back(factors, upper, inverse, left, z, theta, by_theta, by_z, by_linear, by_p)
        for i in range(factors):
            by_location[m, i] += by_linear[i]
            for j in range(i):
                by_p[i, j] = by_p[j, i] = 0.5 * (by_p[i, j] + by_p[j, i])
        for c in range(start, stop):
            b, g = arrays.benchmark[c], arrays.testlet[arrays.benchmark[c]]
            weight, response, along, across = working[c, 0], working[c, 1], 0.0, 0.0
            for i in range(factors):
                turned[i] = 0.0
                for j in range(factors):
                    turned[i] += by_p[i, j] * loading[b, j]
                along += by_linear[i] * loading[b, i]
                across += turned[i] * loading[b, i]
            for i in range(factors):
                by_loading[b, i] += weight * (2 * turned[i] + response * by_linear[i])
            by_weight[c] = across + along * response
            by_effect = by_response[c] - weight * along
            by_response[c] = weight * along
            by_difficulty[b] -= by_effect
            at = at_effect + f * benchmarks + b
            gradient[at] += effect_sd * by_effect
            by_effect_sd += point[at] * by_effect
            if g >= 0:
                at = at_testlet + m * testlets + g
                gradient[at] += testlet_sd * by_effect
                by_testlet_sd += point[at] * by_effect
    if testlets > 0:
        gradient[at_testlet_sd] += testlet_sd * by_testlet_sd
    gradient[at_effect_sd] += effect_sd * by_effect_sd

    # Reverse mode of the difficulties and the working responses.
    for b in range(benchmarks):
        gradient[at_difficulty + b] = by_difficulty[b]
        for k in range(factors):
            by_loading[b, k] += by_difficulty[b] * mean_location[b, k]
    by_family_sd = 0.0
    for m in range(models):
        f = arrays.family[m]
        for c in range(arrays.first[m], arrays.first[m + 1]):
            b = arrays.benchmark[c]
            pull = by_difficulty[b] * arrays.informative[c]
            for k in range(factors):
                by_location[m, k] += pull * loading[b, k]
            by_w, by_r = by_weight[c], by_response[c] - pull
            by_floor[b] += by_w * working[c, 2] + by_r * working[c, 5]
            by_shape[b] += by_w * working[c, 3] + by_r * working[c, 6]
            by_precision[b] += by_w * working[c, 4] + by_r * working[c, 7]
        for k in range(factors):
            by_slope[k] += x[m] * by_location[m, k]
            by_x[m] += slope[k] * by_location[m, k]
            gradient[at_offset + f * factors + k] += family_sd * by_location[m, k]
            by_family_sd += offset[f, k] * by_location[m, k]
    for i in range(latents):
        gradient[i] += by_x[arrays.latent[i]]
    for b in range(benchmarks):
        gradient[at_floor + b] += by_floor[b] * floor[b] * (1 - floor[b])
        gradient[at_precision + b] += by_precision[b] * precision[b]
        gradient[at_shape + b] += by_shape[b] * shape[b]
        for k in range(factors):
            by_scaled[b, k] += by_loading[b, k] / unit
            by_unit -= by_loading[b, k] * loading[b, k] / unit
    for k in range(factors):
        gradient[at_slope + k] += unit * by_slope[k]
        by_unit += scaled_slope[k] * by_slope[k]
    gradient[at_sd] += family_sd * (by_family_sd + by_unit * family_sd / unit)
    by_lower = np.dot(arrays.basis.T, by_scaled)
    at = at_lower
    for i in range(rank):
        for j in range(i + 1):
            gradient[at] += by_lower[i, j] * (lower[i, j] if i == j else 1.0)
            at += 1
    gradient[at_free:at_slope] += np.dot(arrays.complement.T, by_scaled).ravel()
    return total
