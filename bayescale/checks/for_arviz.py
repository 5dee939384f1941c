"""The groups of an `InferenceData` on the observed scores alone, for ArviZ's checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayescale._arviz import InferenceData, with_groups
from bayescale.analysis.sensitivity import log_priors
from bayescale.inference.draws import BLOCK
from bayescale.inference.posterior import of_cells

if TYPE_CHECKING:
    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData


def observed_groups(posterior: PosteriorData, random_seed: int) -> InferenceData:
    """Return `idata` with groups of the observed scores; `Posterior.to_arviz` documents them."""
    import xarray as xr

    observed = posterior.draws.data.cells["observed"] > 0
    seen = posterior.draws.data.cells["observed_score"][observed]
    cell = np.arange(len(seen))
    replicated = _replicated(posterior.draws, observed, np.random.default_rng(random_seed))
    likelihood = posterior.draws.log_likelihood()
    priors = {name: posterior.labelled(name, values.ravel()) for name, values in log_priors(posterior).items()}
    groups = {
        "observed_data": of_cells(posterior, xr.DataArray(seen, dims="cell", coords={"cell": cell}, name="score")),
        "posterior_predictive": of_cells(posterior, posterior.labelled("score", replicated, cell=cell)),
        "log_likelihood": of_cells(posterior, posterior.labelled("score", likelihood, cell=cell)),
    }
    datasets = {name: values.to_dataset() for name, values in groups.items()}
    return with_groups(posterior.idata, {**datasets, "log_prior": xr.Dataset(priors)})


def _replicated(draws: Draws, observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw scores (S, cell) of the same models with observation noise at the observed cells, row by row."""
    parts = []
    for start in range(0, len(observed), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(observed)))
        row, column = np.nonzero(observed[rows])
        parts.append(draws.measured(draws.fitted_scores(rows, as_measured=True)[:, row, column], rng, column))
    return np.concatenate(parts, axis=1)
