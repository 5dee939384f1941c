"""The groups of an `InferenceData` on the observed scores alone, for ArviZ's checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale._arviz import InferenceData, with_groups
from bayescale.analysis.sensitivity import log_priors
from bayescale.inference.posterior import of_cells
from bayescale.model.curve import predict_score

if TYPE_CHECKING:
    from bayescale.inference.posterior import PosteriorData


def observed_groups(posterior: PosteriorData, random_seed: int) -> InferenceData:
    """Return `idata` with groups of the observed scores; `Posterior.to_arviz` documents them."""
    import xarray as xr

    draws = posterior.draws
    seen = draws.data.cells["observed_score"][draws.data.cells["observed"] > 0]
    cell = np.arange(len(seen))

    def block(row: np.ndarray, column: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> list[np.ndarray]:
        # A stream of its own for each block: they are made in any order.
        rng = np.random.default_rng([random_seed, *row[:1].tolist()])
        scores = predict_score(mean, precision, draws.data.items[column], rng)
        return [scores, draws.log_density(row, column, mean, precision)]

    replicated, likelihood = (np.concatenate(parts, axis=1) for parts in zip(*draws.at_observed(block), strict=True))
    priors = {name: posterior.labelled(name, values.ravel()) for name, values in log_priors(posterior).items()}
    groups = {
        "observed_data": of_cells(posterior, xr.DataArray(seen, dims="cell", coords={"cell": cell}, name="score")),
        "posterior_predictive": of_cells(posterior, posterior.labelled("score", replicated, cell=cell)),
        "log_likelihood": of_cells(posterior, posterior.labelled("score", likelihood, cell=cell)),
    }
    datasets = {name: values.to_dataset() for name, values in groups.items()}
    return with_groups(posterior.idata, {**datasets, "log_prior": xr.Dataset(priors)})
