"""Power-scaling sensitivity of quantities to priors and likelihood, without refitting.

Each prior, or the likelihood, is raised to a power near one by importance weights; how fast the distribution of a
quantity then moves is its sensitivity (Kallioinen, Paananen, Burkner & Vehtari 2024, Statistics and Computing 34:57).
Only the priors that a spec names are scaled. Parameters pooled under them (loadings, offsets) are part of the model:
scaling their distributions too would say little about the choice of the priors.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale import _arviz
from bayescale.errors import ForecastError, MissingDependencyError

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.inference.posterior import PosteriorData

# Above it a prior is informative about a quantity, below it the likelihood is weak (Kallioinen et al. 2024, section 3).
THRESHOLD = 0.05


def prior_sensitivity(posterior: PosteriorData, quantities: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Compute the sensitivity of named quantities to each prior and to the data.

    Parameters
    ----------
    posterior : PosteriorData
    quantities : mapping of str to xarray.DataArray
        Scalars per draw, dims ``(chain, draw)``, or with further dims, which become rows of their own; such as
        ``forecast.draws["expected_score"]``.

    Returns
    -------
    pandas.DataFrame
        Index ``quantity``; one column a prior of the spec, ``all priors``, ``likelihood``, and ``diagnosis``: ``prior
        and data in conflict`` when both move it (above 0.05), ``prior dominates`` when the data hardly do, or ``-``.

    Raises
    ------
    ForecastError
        For a quantity without draws of this posterior.
    MissingDependencyError
        Without arviz-stats.

    Examples
    --------
    >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
    >>> score = forecast.draws["expected_score"].sel(benchmark=["MMLU"])
    >>> prior_sensitivity(posterior, {"score": score})["diagnosis"].size
    1
    """
    named = _scalars(posterior, quantities)
    chains = posterior.draws.chains
    priors = {n: v.reshape(chains, -1) for n, v in log_priors(posterior).items()}
    likelihood = posterior.draws.by_chain(posterior.draws.log_likelihood().sum(axis=1))
    try:
        table = _arviz.power_scaling(named, priors, likelihood).rename_axis("quantity")
    except ImportError:
        raise MissingDependencyError(
            "Prior sensitivity needs arviz-stats and arviz-base: pip install 'bayescale[compare]'"
        ) from None
    by_prior, by_data = table["all priors"] > THRESHOLD, table["likelihood"] > THRESHOLD
    table["diagnosis"] = np.where(
        by_prior & by_data, "prior and data in conflict", np.where(by_prior, "prior dominates", "-")
    )
    return table


def log_priors(posterior: PosteriorData) -> dict[str, np.ndarray]:
    """Compute the log density (chain * draw,) of the draws under each prior that the spec uses, by name of the prior.

    The priors of unknown compute and of floors (`Spec.floor`) are left out.
    """
    draws, spec = posterior.idata["posterior"], posterior.spec
    densities: dict[str, np.ndarray] = {}
    for name in type(spec.priors).model_fields:
        if name in spec.unused_priors or name not in draws or name == "latent_covariate":
            continue
        values = draws[name].transpose("chain", "draw", ...).to_numpy()
        values = values.reshape((values.shape[0] * values.shape[1], -1))
        priors = spec.slope_priors if name == "slope" else (spec.prior(name, posterior.draws.loading.shape[2]),)
        densities[name] = np.zeros(len(values))
        for prior, part in zip(priors, np.split(values, len(priors), axis=1), strict=True):
            densities[name] += prior.log_density(part).eval().sum(axis=1)
    return densities


def _scalars(posterior: PosteriorData, quantities: Mapping[str, xr.DataArray]) -> dict[str, np.ndarray]:
    """Split quantities into scalars (chain, draw), labelled by quantity and coordinates."""
    sizes = posterior.idata["posterior"].sizes
    named: dict[str, np.ndarray] = {}
    for name, array in quantities.items():
        if any(dim not in array.sizes or array.sizes[dim] != sizes[dim] for dim in ("chain", "draw")):
            raise ForecastError(
                f"{name!r} has no draws of this posterior: wanted are dims chain ({sizes['chain']}) and draw "
                f"({sizes['draw']}), found {dict(array.sizes)}."
            )
        rest = [d for d in array.dims if d not in ("chain", "draw")]
        flat = array.transpose("chain", "draw", *rest).to_numpy().reshape((sizes["chain"], sizes["draw"], -1))
        places = itertools.product(*(array[dim].to_numpy() for dim in rest))  # one, of no coordinates, of a scalar
        labels = [f"{name}: {', '.join(map(str, place))}" if place else name for place in places]
        named |= {label: flat[..., i] for i, label in enumerate(labels)}
    return named
