"""One representative per rotation: loadings sampled without the directions in which the posterior says nothing.

With rotation-invariant priors (see `Spec.rotation_invariant`) turning all factors together changes neither prior nor
likelihood. Along this orbit, K (K - 1) / 2 directions wide, the posterior says nothing: a sampler of plain loadings
wanders there at length while all other directions are narrow, which costs small steps and long trajectories.

`TriangularGauge` samples from each orbit one matrix ``W = Q L + N C``: ``Q`` is an orthonormal basis of a reference
subspace and ``N`` of its complement, ``L`` is lower triangular with a positive diagonal, ``C`` is free. Every ``W``
whose part in the subspace has full rank takes this form by exactly one rotation or reflection R (the LQ decomposition
``Q'W = L R``). The volume of the orbit, ``prod_i L_ii^(K - i)``, is the Jacobian; the logs in which the diagonal is
sampled add one power each. So all that no rotation changes (expected scores, forecasts, efficiency) keeps the very
posterior it had, and the choice of ``Q`` matters to speed only.

Triangular, because the volume is then a product of powers. The symmetric form, ``Q'W = S`` positive definite, needs the
determinant of a matrix of K (K - 1) / 2 rows, which dominated the gradient at K = 12. At K = 6 on `base-llms` both take
about 31 leapfrog steps a draw, plain loadings about 100. The triangle stands in a basis rotated to the reference
subspace (`bayescale.model.reference`): anchored on particular benchmarks, chains stuck in different modes.
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
        powers = np.where(self.diagonal, self.factors - self.rows, 0.0)
        return pt.sum(value[: len(self.rows)] * powers)


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
        dims=dims,
        **({"transform": TriangularGauge(gauge_of)} if gauge_of else {}),
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
