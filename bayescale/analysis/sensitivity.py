"""Power-scaling sensitivity of quantities to priors and likelihood, without refitting.

Each prior, or the likelihood, is raised to a power near one by importance weights; how fast the distribution of a
quantity then moves is its sensitivity (Kallioinen, Paananen, Burkner & Vehtari 2024, Statistics and Computing 34:57).
The priors that a spec names are scaled, and those of floors. Parameters pooled under them (loadings, offsets) are part
of the model: scaling their distributions too would say little about the choice of the priors. The prior of unknown
covariates is left out, too: it is one distribution together with the errors of measurement.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import beta

from bayescale import _arviz
from bayescale.errors import ForecastError, MissingDependencyError
from bayescale.inference.mixing import effective_draws

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.prior import Prior

# Above it a prior is informative about a quantity, below it the likelihood is weak (Kallioinen et al. 2024, section 3).
THRESHOLD = 0.05
# Monte Carlo errors by which scaling must move a mean or a spread before a diagnosis rests on it: the log likelihood of
# a thousand scores has an sd of 20, and with a thousand effective draws chance alone gives sensitivities of 0.1 to 0.3.
ERRORS = 3.0

# Prior probability of what the posterior says below which a prior is contradicted, and draws to estimate it with.
UNLIKELY = 0.01
PRIOR_DRAWS = 20_000


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
        and data in conflict`` when both move it (above 0.05, and by more than Monte Carlo error), ``prior dominates``
        when the data hardly do, ``prior moves it`` when there are too few draws to say whether the data do, or ``-``,
        which says nothing of what is left out. Its ``attrs`` say the rest: ``left_out``, by what has a distribution
        but is not scaled, why not; and ``conflicts``, by prior that the posterior contradicts, the parameter for which
        it does most. A prior may be contradicted without moving a quantity: see `conflicts`.

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
    together = np.sum(list(priors.values()), axis=0)
    prior_moves, data_move = (
        np.array([_moves(density, named[name]) for name in table.index]) for density in (together, likelihood)
    )
    by_prior, by_data = table["all priors"] > THRESHOLD, table["likelihood"] > THRESHOLD
    table["diagnosis"] = np.select(
        [~(by_prior & prior_moves), ~by_data, data_move],
        ["-", "prior dominates", "prior and data in conflict"],
        "prior moves it",
    )
    table.attrs |= {"left_out": left_out(posterior), "conflicts": conflicts(posterior)}
    return table


def _moves(log_density: np.ndarray, values: np.ndarray) -> bool:
    """Return whether scaling a density moves the mean or the spread of `values` by more than Monte Carlo error.

    Both are (chain, draw). To first order a mean moves by its covariance with the log density.
    """
    centred = values - values.mean()
    moments = np.stack([centred, centred**2 - np.mean(centred**2)], axis=-1)
    products = moments * (log_density - log_density.mean())[..., None]
    error = products.std(axis=(0, 1)) / np.sqrt(effective_draws(products)[0])
    return bool(np.any(np.abs(products.mean(axis=(0, 1))) > ERRORS * error))


def left_out(posterior: PosteriorData) -> dict[str, str]:
    """Return, by variable of the posterior whose distribution is not scaled, the reason."""
    pooled = "its distribution is learned, and part of the model"
    effects = ("family_offset", "family_benchmark", "benchmark_slope", "testlet_effect", "drift", "maker_compute")
    reasons = dict.fromkeys(("loading", *effects, "capability"), pooled)
    reasons["vague_compute_sd"] = "it has the prior of compute_sd, which is scaled for compute_sd alone"
    reasons["latent_covariate"] = "unknown covariates: prior and measurement are one distribution of each model"
    scaled = log_priors(posterior)
    return {name: why for name, why in reasons.items() if name in posterior.groups["posterior"] and name not in scaled}


def conflicts(posterior: PosteriorData) -> dict[str, str]:
    """Return, by prior that the posterior contradicts, the parameter for which it does most.

    A prior is contradicted where a draw from it would be as unlikely as the posterior median of one of its parameters
    with probability below `UNLIKELY`, over the number of parameters (Box 1980, JRSS A 143:383, on the parameters). The
    posterior leans towards its prior, so this misses conflicts rather than invents them.
    """
    found = {}
    for name, places, parts in _draws_by_prior(posterior):
        probabilities = []
        for prior, values in parts:
            both = np.concatenate([prior.draw(PRIOR_DRAWS, random_seed=0), np.median(values, axis=0)])
            typical, median = np.split(prior.log_densities(both), [PRIOR_DRAWS])
            probabilities.append((typical[:, None] <= median).mean(axis=0))
        least = np.concatenate(probabilities)
        if least.min() * len(least) < UNLIKELY:
            place = places[int(least.argmin())]
            found[name] = f"{place or name}: prior probability {max(least.min(), 1 / PRIOR_DRAWS):.2g}"
    return found


def log_priors(posterior: PosteriorData) -> dict[str, np.ndarray]:
    """Compute the log density (chain * draw,) of the draws under each prior that the spec uses, by name of the prior.

    The prior of unknown covariates is left out (`left_out`).
    """
    densities = {
        name: sum(prior.log_densities(values).sum(axis=1) for prior, values in parts)
        for name, _, parts in _draws_by_prior(posterior)
    }
    if posterior.spec.floor.learned:
        shapes = posterior.spec.floor.shapes(posterior.draws.data.floor)
        densities["floor"] = beta.logpdf(posterior.draws.floor, *shapes).sum(axis=1)
    return densities


def _draws_by_prior(posterior: PosteriorData) -> Iterator[tuple[str, list[str], list[tuple[Prior, np.ndarray]]]]:
    """Yield each prior that the spec uses: name, labels of its values, and distributions with draws (S, value)."""
    draws, spec = posterior.groups["posterior"], posterior.spec
    for name in type(spec.priors).model_fields:
        if name in spec.unused_priors or name not in draws or name == "latent_covariate":
            continue
        array = draws[name].transpose("chain", "draw", ...)
        if name == "compute_slope":  # whose intercept has the prior of unknown compute
            array = array.isel(compute_predictor=slice(1, None))
        values = array.to_numpy().reshape((array.sizes["chain"] * array.sizes["draw"], -1))
        priors = spec.slope_priors if name == "slope" else (spec.prior(name, posterior.draws.loading.shape[2]),)
        yield name, _places(array), list(zip(priors, np.split(values, len(priors), axis=1), strict=True))


def _places(array: xr.DataArray) -> list[str]:
    """Return the labels of the scalars of draws, by their coordinates."""
    rest = [dim for dim in array.dims if dim not in ("chain", "draw")]
    return [", ".join(map(str, place)) for place in itertools.product(*(array[dim].to_numpy() for dim in rest))]


def _scalars(posterior: PosteriorData, quantities: Mapping[str, xr.DataArray]) -> dict[str, np.ndarray]:
    """Split quantities into scalars (chain, draw), labelled by quantity and coordinates."""
    sizes = posterior.groups["posterior"].sizes
    named: dict[str, np.ndarray] = {}
    for name, array in quantities.items():
        if any(dim not in array.sizes or array.sizes[dim] != sizes[dim] for dim in ("chain", "draw")):
            raise ForecastError(
                f"{name!r} has no draws of this posterior: wanted are dims chain ({sizes['chain']}) and draw "
                f"({sizes['draw']}), found {dict(array.sizes)}."
            )
        rest = [d for d in array.dims if d not in ("chain", "draw")]
        flat = array.transpose("chain", "draw", *rest).to_numpy().reshape((sizes["chain"], sizes["draw"], -1))
        labels = [f"{name}: {place}" if place else name for place in _places(array)]
        named |= {label: flat[..., i] for i, label in enumerate(labels)}
    return named
