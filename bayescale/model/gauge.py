"""One representative per rotation: loadings sampled without the directions in which the posterior says nothing.

With rotation-invariant priors (see `Spec.rotation_invariant`) turning all factors together changes neither prior nor
likelihood, so a sampler of plain loadings wanders along that orbit: wide in K (K - 1) / 2 directions, narrow in the
others (a ratio of 15 in sd on `base-llms`), which costs small steps and long trajectories.

`ProcrustesGauge` samples from each orbit the one matrix ``W`` that lies closest to a reference subspace: with ``Q`` an
orthonormal basis of it and ``N`` of its complement, ``W = Q S + N C`` with ``S`` symmetric positive definite. Every
full-rank ``W`` reaches this form by exactly one rotation (polar decomposition of ``Q'W``). The volume of the orbit,
``prod_{i<j} (s_i + s_j)`` over the eigenvalues of S, is the Jacobian, so all rotation-invariant quantities (expected
scores, forecasts, efficiency) keep the very posterior they had; the choice of ``Q`` matters to speed only. Measured on
`base-llms`, K = 4: leapfrog steps a draw fall from 105 to 31, and R-hat of the loadings becomes readable too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform


class TriangularGauge(Transform):
    """Transform of loadings (benchmark, factor) to gauge coordinates: L row by row, its diagonal as logs, then C.

    The last two inputs of the variable that it transforms are orthonormal bases of the reference subspace (benchmark,
    factor) and of its complement (benchmark, benchmark - factor).

    Parameters
    ----------
    factors : int
    """

    name = "gauge"
    ndim_supp = 2

    def __init__(self, factors: int) -> None:
        k = factors
        self.factors = k
        self.rows, self.columns = np.tril_indices(k)
        self.diagonal = self.rows == self.columns

    def _lower(self, value: Any) -> Any:
        k = self.factors
        inside = value[: len(self.rows)]
        entries = pt.switch(self.diagonal, pt.exp(inside), inside)
        place = np.zeros((len(self.rows), k * k))
        place[np.arange(len(self.rows)), self.rows * k + self.columns] = 1.0
        return (entries @ place).reshape((k, k))

    def backward(self, value: Any, *inputs: Any) -> Any:
        basis, complement = inputs[-2:]
        rest = value[len(self.rows) :].reshape((-1, self.factors))
        return basis @ self._lower(value) + complement @ rest

    def forward(self, value: Any, *inputs: Any) -> Any:
        basis, complement = inputs[-2:]
        # Loadings of zero, PyMC's default start, have no direction: half a unit in each takes their place.
        value = value + pt.switch(pt.eq(pt.max(pt.abs(value)), 0.0), 0.5, 0.0) * basis
        within = basis.T @ value
        # B'W = L R with R a rotation: L is the Cholesky factor of B'W W'B.
        lower = pt.linalg.cholesky(within @ within.T + 1e-12 * pt.eye(self.factors))
        rotation = pt.linalg.solve(lower, within)
        rest = (complement.T @ value @ rotation.T).ravel()
        entries = lower[self.rows, self.columns]
        return pt.concatenate([pt.switch(self.diagonal, pt.log(pt.abs(entries) + 1e-300), entries), rest])

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        # The volume of the orbit of L under rotations is prod L_ii^(K - i), i = 1..K; the logs add one power each.
        logs = value[: len(self.rows)][np.flatnonzero(self.diagonal)]
        return pt.sum(logs * np.arange(self.factors, 0, -1.0))


def loadings(name: str, own_sd: Any, common_sd: Any, *, frame: list[Any], gauge_of: int, dims: Any) -> Any:
    """Make ``W_bk = c_k + w_bk`` with ``c ~ Normal(0, common_sd)`` and ``w ~ Normal(0, own_sd)``, c integrated out.

    What all benchmarks share of a factor's loading makes their loadings on it correlate: a new benchmark is expected to
    rise with compute as the others do. Over factors the prior is independent and alike, so rotations leave it as it is.

    Parameters
    ----------
    own_sd, common_sd : float or scalar tensor
    frame : list of tensors
        With a gauge, basis and complement of `split_space`, else one array of the shape (benchmark, factor). They do
        not enter the density.
    gauge_of : int
        Number of factors to sample one representative per rotation of; 0 for plain loadings.
    """
    return pm.CustomDist(
        name,
        pt.as_tensor(own_sd),
        pt.as_tensor(common_sd),
        *frame,
        logp=_log_prior,
        random=_draw_prior,
        signature=f"(),(),(b,k){',(b,c)' * (len(frame) - 1)}->(b,k)",
        transform=TriangularGauge(gauge_of) if gauge_of else None,
        dims=dims,
    )


def _log_prior(value: Any, own_sd: Any, common_sd: Any, *_: Any) -> Any:
    # Each column is normal with covariance own^2 I + common^2 J, whose inverse and determinant have closed forms.
    benchmarks, factors = value.shape[0], value.shape[1]
    own, common = own_sd**2, common_sd**2
    total = own + benchmarks * common
    squares = pt.sum(value**2) - common / total * pt.sum(pt.sum(value, axis=0) ** 2)
    log_det = (benchmarks - 1) * pt.log(own) + pt.log(total)
    return -0.5 * (squares / own + factors * (log_det + benchmarks * np.log(2 * np.pi)))


def _draw_prior(own_sd: Any, common_sd: Any, *frame: Any, rng: np.random.Generator, size: Any = None) -> Any:
    benchmarks, factors = frame[0].shape
    own, common = rng.standard_normal((benchmarks, factors)), rng.standard_normal((1, factors))
    return common_sd * common + own_sd * own


def split_space(reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal bases of what the columns of `reference` (benchmark, factor) span, and of what they do not."""
    left = np.linalg.svd(reference, full_matrices=True)[0]
    return left[:, : reference.shape[1]], left[:, reference.shape[1] :]


def _additive_compound(k: int) -> np.ndarray:
    """Linear map from vec(S) to its second additive compound, whose eigenvalues are the sums s_i + s_j, i < j."""
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    out = np.zeros((len(pairs), len(pairs), k, k))
    for p, (i, j) in enumerate(pairs):
        for q, (r, s) in enumerate(pairs):
            for hit, a, b, sign in ((j == s, i, r, 1), (i == r, j, s, 1), (i == s, j, r, -1), (j == r, i, s, -1)):
                if hit:
                    out[p, q, a, b] += sign
    return out.reshape(len(pairs) ** 2, k * k)
