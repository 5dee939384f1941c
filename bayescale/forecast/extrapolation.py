"""How far beyond the data a forecast reaches: decades of compute or size, and years of release."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from bayescale.errors import ExtrapolationWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bayescale.model.data import ModelData

# Decades, or years, from which on a forecast warns: there it rests on the form of the curve.
FAR = 1.0
# The names of the distances by the kind of the covariate, and their units.
DISTANCES = {"size": ("decades_beyond", "decades of size"), "date": ("years_beyond", "years")}


def distances_beyond(data: ModelData, covariates: np.ndarray) -> dict[str, np.ndarray]:
    """Return how far each new model lies beyond the largest known value of the fitted models, zero within.

    Parameters
    ----------
    data : ModelData
    covariates : ndarray (model, covariate), or (S, model, covariate)
        Of the new models, centred and scaled, interactions included.

    Returns
    -------
    dict of str to ndarray (model,)
        ``decades_beyond``, the largest distance in compute, parameters or tokens, and ``years_beyond``, in release
        date; those that the spec has covariates of.
    """
    values = covariates if covariates.ndim == 2 else covariates.mean(axis=0)
    found: dict[str, np.ndarray] = {}
    for place, column in enumerate(data.columns):
        if column.kind in DISTANCES:
            name = DISTANCES[column.kind][0]
            largest = np.nanmax(data.covariates[:, place])
            distance = (values[:, data.place(column.name)] - largest).clip(0) * column.scale
            found[name] = np.maximum(found.get(name, 0.0), distance)
    return found


def warn_if_far(labels: Sequence[str], distances: dict[str, np.ndarray], stacklevel: int) -> None:
    """Issue an `ExtrapolationWarning` for models more than `FAR` beyond the data."""
    units = dict(DISTANCES.values())
    lines = [
        f"{label} lies {distance:.1f} {units[name]} beyond the largest in the data"
        for name, values in distances.items()
        for label, distance in zip(labels, values, strict=True)
        if distance > FAR
    ]
    if lines:
        more = f", and {len(lines) - 3} more" if len(lines) > 3 else ""
        warnings.warn(
            ExtrapolationWarning(
                f"{'; '.join(lines[:3])}{more}: there the forecast rests on the form of the curve and of the law, and "
                "its intervals do not cover an error of that form."
            ),
            stacklevel=stacklevel + 1,
        )
