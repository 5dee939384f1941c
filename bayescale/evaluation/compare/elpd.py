"""Expected log predictive density: of single scores by PSIS-LOO, of whole models by cross-validation.

A score left out alone is easy: the other scores of its model give the model's capabilities away, and importance
sampling from a posterior that saw the score is unreliable where one score moves a latent variable (Vehtari, Gelman &
Gabry 2017; Merkle, Furr & Rabe-Hesketh 2019, Psychometrika 84:802). What a forecast faces is a model, or a family, that
was never evaluated: the log density of all of a model's scores together, its capabilities integrated out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from bayescale import _arviz
from bayescale.forecast.latent_model import LatentModel, log_evidence
from bayescale.model.data import model_data, observed_cells

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.methods import Posterior

# Draws of the posterior that a held-out density is averaged over. A model's from 400 lies within 0.05 nats (sd over
# models) of that from 1,600 (default spec, `base-llms`); time is linear in them.
DRAWS = 400


def loo(posterior: Posterior) -> Any:
    """PSIS-LOO over single scores, with its Pareto k.

    Returns
    -------
    arviz.ELPDData
        With pointwise values and ``pareto_k`` (cell,), in the form of the installed ArviZ.
    """
    return _arviz.loo(posterior.log_likelihood(), var_name="score")


def held_out_elpd(posterior: Posterior, evals: Evals, models: tuple[str, ...], random_seed: int) -> pd.Series[float]:
    """Log predictive density of each hidden model's scores, all of them together.

    Averaged over the draws is the likelihood of the scores under a draw, the model's own unknowns (residual
    capability, testlet effects, and for a family of which nothing was seen its offset and effects) integrated out by
    importance sampling (`bayescale.forecast.latent_model.log_evidence`).

    Parameters
    ----------
    posterior : Posterior
        Fitted without the scores of `models`.
    evals : Evals
        With them.
    models : tuple of str
    random_seed : int

    Returns
    -------
    pandas.Series
        By model: nats.
    """
    draws = posterior.draws.thinned(DRAWS)
    data = model_data(posterior.spec, evals)
    cells = observed_cells(evals, data.items)
    known = set(data.family_index[posterior.draws.data.cells["observed"].any(axis=1)])
    rng = np.random.default_rng(random_seed)
    found = {}
    for name in models:
        row = evals.model_names.index(name)
        (given,) = np.nonzero(cells["observed"][row])
        family = int(data.family_index[row])
        model = LatentModel.of(draws, draws.covariate[:, row], family if family in known else -1, given)
        density = log_evidence(model, cells["observed_score"][row, given], rng)
        constant = cells["log_choose"][row, given].sum()
        found[name] = float(logsumexp(density) - np.log(len(density)) + constant)
    return pd.Series(found, name="elpd", dtype=float)
