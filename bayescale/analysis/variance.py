"""Shares of variance by principal component: how many dimensions the models differ in, in any rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from bayescale.analysis.factor_rotation import scaled_loadings
from bayescale.errors import require_name

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.inference.posterior import PosteriorData

Scale = Literal["logit", "score"]


def variance_shares(posterior: PosteriorData, scale: Scale = "logit") -> xr.DataArray:
    """Return the share of variance over models by principal component, as in the paper's analysis.

    Per draw, ``share_j = lambda_j / sum_i lambda_i`` with ``lambda`` the eigenvalues, largest first, of the covariance
    over models (none standardised) of

    - ``"logit"``: the abilities ``theta W'`` (model, benchmark): what capabilities contribute to the logits, with
      nothing cut off at floor and ceiling;
    - ``"score"``: the expected scores, with family-by-benchmark and testlet effects: what Ruan, Maddison & Hashimoto
      (2024, arXiv:2405.10938, section 3.2) decompose, but for noise and missing scores; there PC-1 explains about 80%.

    No rotation of the factors changes these shares. They are those of the observed models: others, with more or less
    compute, have others.

    Parameters
    ----------
    posterior : PosteriorData
    scale : {"logit", "score"}

    Returns
    -------
    xarray.DataArray
        Dims ``(chain, draw, component)``, components ``PC-1, PC-2, ...``; sums to 1 over components. As many as factors
        or benchmarks, whichever are fewer (``"score"``: as benchmarks).

    Raises
    ------
    ForecastError
        For an unknown `scale`.

    Examples
    --------
    >>> variance_shares(posterior).sel(component="PC-1").quantile([0.05, 0.5, 0.95]).shape
    (3,)
    """
    draws = posterior.draws
    require_name(scale, ("logit", "score"), "scale of variance shares")
    if scale == "logit":
        variance = np.linalg.svd(scaled_loadings(draws.loading, draws.capability), compute_uv=False) ** 2
    else:
        scores = draws.fitted_scores()
        scores = scores - scores.mean(axis=1, keepdims=True)
        variance = np.maximum(np.linalg.eigvalsh(np.swapaxes(scores, 1, 2) @ scores)[:, ::-1], 0.0)
    names = [f"PC-{j + 1}" for j in range(variance.shape[1])]
    return posterior.labelled("variance_share", variance / variance.sum(axis=1, keepdims=True), component=names)
