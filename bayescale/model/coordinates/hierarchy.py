"""Conditional distributions of the Gaussian levels of the model, from the top down, given its scores.

Near the fitted logits a score is one normal observation of a model's logit (`kernels.working_response`), with weight
``w_mb`` and residual ``r_mb``: the working logit less testlet and family-by-benchmark effects. Then difficulties,
slopes, family offsets and capabilities are jointly normal given loadings and scales::

    r_mb = W_b theta_m - difficulty_b + noise / sqrt(w_mb)    theta_m = x_m beta + alpha_f + e_m    e_m ~ Normal(0, I)

The levels below are integrated out in closed form: capabilities (``S_m``, factor x factor), then offsets (``R_f``). So
each level is whitened by all that the scores tell of it, and none of the variables follows another along a ridge. The
approximation concerns the sampler's coordinates alone, never the density.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt


class Hierarchy:
    """What scores tell of difficulties and slopes, of family offsets given those, and of capabilities given all.

    Parameters
    ----------
    weight, residual : tensor (model, benchmark)
        Weight of each score, zero where none was observed, and its residual logit.
    loading : tensor (benchmark, factor)
    covariates : tensor (model, covariate)
    family : ndarray (model,)
        Index of the family of each model.
    families : int
    family_sd : scalar tensor or float
    """

    def __init__(
        self, weight: Any, residual: Any, *, loading: Any, covariates: Any, family: np.ndarray, families: int, sd: Any
    ) -> None:
        self.factors, self.benchmarks = loading.type.shape[1], loading.type.shape[0]
        self.weight, self.loading, self.covariates = weight, loading, covariates
        self.family, self.families, self.family_sd = family, families, sd
        outer = (loading[:, :, None] * loading[:, None, :]).reshape((self.benchmarks, -1))
        self.precision = pt.eye(self.factors)[None] + (weight @ outer).reshape((-1, self.factors, self.factors))
        self.spread = pt.linalg.inv(self.precision)  # S_m
        self.informed = (
            np.eye(self.factors) - self.spread
        )  # what the scores tell of x_m beta + alpha_f, e_m integrated out
        self.weighted = weight * residual
        self.linear = self.weighted @ loading
        self.pull = _times(self.spread, self.linear)

    def _by_family(self, values: Any) -> Any:
        """Sum over the models of each family."""
        return pt.zeros((self.families, *values.type.shape[1:]))[self.family].inc(values)

    def _offset_spread(self, informed: Any) -> Any:
        """Return ``R_f / family_sd^2`` for the sums of `informed` over families."""
        return pt.linalg.inv(np.eye(self.factors) + self.family_sd**2 * informed)

    def top(self, mean: Any, prior: Any) -> tuple[Any, Any]:
        """Return precision matrix and linear term of difficulties and slopes, stacked: (n, n) and (n,).

        `mean` and `prior` (n,) are the means and precisions of their normal priors.
        """
        k, b = self.factors, self.benchmarks
        # M_m = w - N S N' with N = w W is the precision of a model's logits around W (x_m beta + alpha_f).
        scaled = self.weight[:, :, None] * self.loading[None]  # N_m
        spread = (scaled[:, :, :, None] * self.spread[:, None]).sum(axis=2)  # N_m S_m = M_m W
        flat = [part.transpose((0, 2, 1)).reshape((-1, b)) for part in (spread, scaled)]
        logits = pt.diag(self.weight.sum(axis=0)) - flat[0].T @ flat[1]
        pulled = (self.weighted - (spread * self.linear[:, None]).sum(axis=2)).sum(axis=0)

        # Regressors of r_m behind M_m: -1 for each difficulty, W x_mc for the slopes of a covariate. By model: (k, n).
        x = self.covariates
        count = x.type.shape[1]
        toward = pt.concatenate(
            [-spread.transpose((0, 2, 1)), *(x[:, c, None, None] * self.informed for c in range(count))], axis=2
        )  # W' M_m A_m, (model, k, n)
        cross = [-(x[:, c, None, None] * spread).sum(axis=0) for c in range(count)]
        inner = [
            [(x[:, c, None, None] * x[:, d, None, None] * self.informed).sum(axis=0) for d in range(count)]
            for c in range(count)
        ]
        top = pt.concatenate([logits, *cross], axis=1)
        rows = [pt.concatenate([cross[c].T, *inner[c]], axis=1) for c in range(count)]
        precision = pt.concatenate([top, *rows], axis=0)
        linear = pt.concatenate([-pulled, *((x[:, c, None] * self.pull).sum(axis=0) for c in range(count))])
        # Less what family offsets, integrated out, can explain.
        n = b + count * k
        by_family = self._by_family(toward)  # (family, k, n)
        offset = self.family_sd**2 * self._offset_spread(self._by_family(self.informed))
        explained = (offset[:, :, :, None] * by_family[:, None]).sum(axis=2).reshape((-1, n))
        by_family = by_family.reshape((-1, n))
        precision = precision - by_family.T @ explained
        linear = linear - explained.T @ self._by_family(self.pull).ravel()
        return precision + pt.diag(prior), linear + prior * mean

    def offsets(self, mean: Any, difficulty: Any) -> tuple[Any, Any]:
        """Return precision and linear term of family offsets in units of their sd: (family, k, k) and (family, k)."""
        pull = _times(self.spread, self.linear + (self.weight * difficulty) @ self.loading) - _times(
            self.informed, mean
        )
        precision = np.eye(self.factors) + self.family_sd**2 * self._by_family(self.informed)
        return precision, self.family_sd * self._by_family(pull)

    def capabilities(self, mean: Any, difficulty: Any) -> tuple[Any, Any]:
        """Return precision and linear term of capabilities: (model, k, k) and (model, k)."""
        return self.precision, mean + self.linear + (self.weight * difficulty) @ self.loading


def _times(matrix: Any, vector: Any) -> Any:
    """Multiply matrices (row, k, k) by vectors (row, k)."""
    return (matrix * vector[:, None]).sum(axis=-1)


def levels(top: Any, scaled: Any, residual: Any, *inputs: Any, families: int) -> Any:
    """Map standard coordinates to the levels: the plain form of `bayescale.model.kernels.levels.Levels`."""
    weight, logits, loading, x, sd, family, mean, prior = inputs
    told = Hierarchy(weight, logits, loading=loading, covariates=x, family=family, families=families, sd=sd)
    values, jacobian = _whitened(top[None], *(part[None] for part in told.top(mean, prior)))
    values = values[0]
    difficulty, slope = values[: told.benchmarks], values[told.benchmarks :].reshape((-1, told.factors))
    expected = x @ slope
    offset, offset_jacobian = _whitened(scaled, *told.offsets(expected, difficulty))
    expected = expected + sd * offset[family]
    theta, theta_jacobian = _whitened(residual, *told.capabilities(expected, difficulty))
    squares = (prior * (values - mean) ** 2 - pt.log(prior)).sum() + (offset**2).sum() + ((theta - expected) ** 2).sum()
    return values, offset, theta, jacobian + offset_jacobian + theta_jacobian - 0.5 * squares


def _whitened(z: Any, precision: Any, linear: Any) -> tuple[Any, Any]:
    """Return ``P^-1 h + L^-T z`` with ``P = L L'`` for each row, and the log-Jacobian of them all."""
    lower = pt.linalg.cholesky(precision)
    centre = pt.linalg.solve_triangular(lower, linear[..., None], lower=True)
    values = pt.linalg.solve_triangular(lower, centre + z[..., None], lower=True, trans=1)[..., 0]
    return values, -pt.log(pt.diagonal(lower, axis1=-2, axis2=-1)).sum()
