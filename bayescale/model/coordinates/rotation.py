"""Fix the rotation of the factors: sample one loading matrix of those that a rotation turns into each other.

With rotation-invariant priors (`Spec.rotation_invariant`) a rotation of all factors together changes neither prior nor
likelihood. The posterior is constant along these orbits of K (K - 1) / 2 dimensions, and a sampler of plain loadings
moves along them in small steps and long trajectories.

`LowerTriangularRotation` samples ``W = Q [L 0] + N C``: ``Q`` is an orthonormal basis of the subspace of the r
strongest directions and ``N`` of its complement, ``L`` (r x r) is lower triangular with a positive diagonal,
``C`` is free. Every ``W`` whose part in the subspace has full rank takes this form (the LQ decomposition
``Q'W = [L 0] R``), by exactly one rotation or reflection where r = K, and otherwise up to rotations of the other K - r
factors among themselves. The volume of the orbit, ``prod_i L_ii^(K - i)``, is the Jacobian; the logs in which the
diagonal is sampled add one power each. So the posterior of all that no rotation changes (expected scores, forecasts,
efficiency) is exactly the same, and the choices of ``Q`` and r matter to speed only.

Only the r strongest factors are constrained. For weak factors the positive diagonal is a boundary at which chains got
stuck: from loadings ``(l, c)`` with a small l > 0 the next ones on the other side have the representative ``(l, -c)``,
far away. Left free, they rotate at little cost because their loadings are small.

The form is triangular because the volume is then a product of powers; the symmetric form, ``Q'W = S`` positive
definite, needs the determinant of a matrix of K (K - 1) / 2 rows. The basis is that of the principal axes of a
short run (`bayescale.model.coordinates.short_run`), in that run itself of pilot estimates, because chains stuck in
different modes where the triangle was in a basis of chosen benchmarks. So the diagonal of L is the scale of each strong
factor. Measurements are in docs/model-notes.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

# Factors beyond this many rotate freely among themselves; see above.
FIXED_FACTORS = 3


class LowerTriangularRotation(Transform):
    """Transform loadings (benchmark, factor) to one vector: L row by row, its diagonal as logs, then C.

    The last two inputs of the variable that it transforms are orthonormal bases of the subspace (benchmark,
    rank) and of its complement (benchmark, benchmark - rank).

    Parameters
    ----------
    rank : int
        Dimensions of the subspace, as many as factors or fewer.
    factors : int
    """

    name = "rotation"
    ndim_supp = 2

    def __init__(self, rank: int, factors: int) -> None:
        self.rank, self.factors = rank, factors
        self.rows, self.columns = np.tril_indices(rank)
        self.diagonal = self.rows == self.columns

    def _lower(self, value: Any) -> Any:
        inside = value[: len(self.rows)]
        entries = pt.switch(self.diagonal, pt.exp(inside), inside)
        place = np.zeros((len(self.rows), self.rank * self.factors))
        place[np.arange(len(self.rows)), self.rows * self.factors + self.columns] = 1.0
        return (entries @ place).reshape((self.rank, self.factors))

    def backward(self, value: Any, *inputs: Any) -> Any:
        basis, complement = inputs[-2:]
        rest = value[len(self.rows) :].reshape((-1, self.factors))
        return basis @ self._lower(value) + complement @ rest

    def forward(self, value: Any, *inputs: Any) -> Any:
        basis, complement = inputs[-2:]
        # Loadings of zero, PyMC's default start, have no direction: half a unit in each takes their place.
        missing = pt.switch(pt.eq(pt.max(pt.abs(value)), 0.0), 0.5, 0.0)
        value = value + missing * (basis @ np.eye(self.rank, self.factors))
        # (Q'W)' = R' [L 0]', a QR decomposition but for the signs of the diagonal.
        rotation, upper = pt.linalg.qr((basis.T @ value).T, mode="complete")
        lower = upper.T[:, : self.rank]
        sign = pt.switch(pt.diagonal(lower) < 0, -1.0, 1.0)
        entries = (lower * sign)[self.rows, self.columns]
        signs = pt.concatenate([sign, np.ones(self.factors - self.rank)])
        rest = (complement.T @ value @ rotation) * signs
        logs = pt.log(pt.abs(entries) + 1e-300)
        return pt.concatenate([pt.switch(self.diagonal, logs, entries), rest.ravel()])

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        # The volume of the orbit of L under rotations is prod L_ii^(K - i), i = 1..r; the logs add one power each.
        powers = np.where(self.diagonal, self.factors - self.rows, 0.0)
        return pt.sum(value[: len(self.rows)] * powers)


def loadings(
    name: str, own_sd: Any, common_sd: Any, *, size: tuple[int, int], frame: tuple[Any, Any] | None, dims: Any,
    unit: Any = None,
) -> Any:  # fmt: skip
    """Make ``unit_b W_bk = c_k + w_bk``, ``c ~ Normal(0, common_sd)``, ``w ~ Normal(0, own_sd)``, c integrated out.

    The common loading makes the loadings of all benchmarks on a factor correlate: a new benchmark is expected to rise
    with compute as the others do. The prior is independent and alike over factors, so that no rotation changes it.

    Parameters
    ----------
    own_sd, common_sd : float or scalar tensor
    size : (benchmarks, factors)
    frame : (tensor, tensor), optional
        Basis and complement of `split_space`, to fix the rotation; they do not enter the density. None for plain
        loadings.
    unit : tensor (benchmark,), optional
        Default: 1.
    """
    transform = None if frame is None else LowerTriangularRotation(frame[0].type.shape[1], size[1])
    fixed = {} if transform is None else {"transform": transform}
    return pm.CustomDist(
        name,
        pt.as_tensor(own_sd),
        pt.as_tensor(common_sd),
        np.zeros(size),
        np.ones(size[0]) if unit is None else unit,
        *(frame or ()),
        logp=_log_prior,
        random=_draw_prior,
        signature=f"(),(),(b,k),(b){'' if frame is None else ',(b,r),(b,c)'}->(b,k)",
        dims=dims,
        **fixed,
    )


def _log_prior(value: Any, own_sd: Any, common_sd: Any, zeros: Any, unit: Any, *_: Any) -> Any:
    # Each column is normal with covariance own^2 I + common^2 J, whose inverse and determinant have closed forms.
    benchmarks, factors = value.shape[0], value.shape[1]
    value = unit[:, None] * value
    own, common = own_sd**2, common_sd**2
    total = own + benchmarks * common
    squares = pt.sum(value**2) - common / total * pt.sum(pt.sum(value, axis=0) ** 2)
    log_det = (benchmarks - 1) * pt.log(own) + pt.log(total)
    log_det = log_det - 2 * pt.sum(pt.log(unit))
    return -0.5 * (squares / own + factors * (log_det + benchmarks * np.log(2 * np.pi)))


def _draw_prior(
    own_sd: Any, common_sd: Any, zeros: Any, unit: Any, *frame: Any, rng: np.random.Generator, size: Any = None
) -> Any:
    benchmarks, factors = zeros.shape
    own, common = rng.standard_normal((benchmarks, factors)), rng.standard_normal((1, factors))
    return (common_sd * common + own_sd * own) / unit[:, None]


def split_space(loading: np.ndarray, rank: int = FIXED_FACTORS) -> tuple[np.ndarray, np.ndarray]:
    """Return orthonormal bases of the strongest `rank` directions of `loading` and of their complement.

    Both are canonical: another release of NumPy or LAPACK gives the same, to rounding. A singular vector is defined up
    to its sign, and the vectors beyond the rank are any basis of the rest, so neither is taken from LAPACK as it comes.

    Parameters
    ----------
    loading : ndarray (benchmark, factor)
    rank : int
        At most as many as factors are used.

    Returns
    -------
    basis : ndarray (benchmark, rank)
        Singular vectors, by falling singular value; the entry of largest size is positive in each.
    complement : ndarray (benchmark, benchmark - rank)
        The columns beyond the rank of the product of Householder reflections that takes the first unit vectors to the
        span of the basis (Golub & Van Loan 2013, Matrix Computations, section 5.2).
    """
    rank = min(rank, loading.shape[1])
    basis = positive_columns(np.linalg.svd(loading, full_matrices=False)[0][:, :rank])
    return basis, np.linalg.qr(basis, mode="complete")[0][:, rank:]


def positive_columns(columns: np.ndarray) -> np.ndarray:
    """Return the columns with signs such that the entry of largest size in each is positive."""
    largest = np.take_along_axis(columns, np.abs(columns).argmax(axis=0)[None], axis=0)
    return columns * np.where(largest < 0, -1.0, 1.0)


def representative(loading: np.ndarray) -> np.ndarray:
    """Return the rotation (factor, factor) of `loading` (benchmark, factor) into the one of its orbit that is sampled.

    The basis is that of `loading` itself.
    """
    basis, _ = split_space(loading)
    rotation, upper = np.linalg.qr((basis.T @ loading).T, mode="complete")
    signs = np.ones(loading.shape[1])
    signs[: basis.shape[1]] = np.where(np.diagonal(upper) < 0, -1.0, 1.0)
    return rotation * signs
