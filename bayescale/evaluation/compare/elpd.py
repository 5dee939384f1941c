"""Expected log predictive density: of single scores by PSIS-LOO, of whole models by cross-validation.

A single left-out score is easy to predict, because the other scores of its model inform its capabilities, and
importance sampling from the full posterior is unreliable if one score moves a latent variable (Vehtari, Gelman & Gabry
2017; Merkle, Furr & Rabe-Hesketh 2019, Psychometrika 84:802). A forecast concerns a model, or a family, without any
scores: hence the joint log density of all scores of a model, with its capabilities integrated out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from bayescale import _arviz
from bayescale.forecast.condition import LatentModel, log_evidence
from bayescale.model.data import model_data, observed_cells

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.methods import Posterior

# Posterior draws for a held-out density. 400 draws agree with 1,600 to 0.05 nats (sd over models; default spec,
# `base-llms`); time is linear in them.
DRAWS = 400


def loo(posterior: Posterior) -> Any:
    """Estimate the elpd of single scores by PSIS-LOO, with Pareto k.

    Returns
    -------
    arviz.ELPDData
        With pointwise values and ``pareto_k`` (cell,), of the installed ArviZ.
    """
    return _arviz.loo(posterior.log_likelihood(), var_name="score")


def held_out_elpd(posterior: Posterior, evals: Evals, models: tuple[str, ...], random_seed: int) -> pd.Series[float]:
    """Compute the joint log predictive density of each hidden model's scores.

    This is the mean over draws of the likelihood of the scores, with the model's own parameters (residual capability,
    testlet effects, and for an unseen family its offset and its family-by-benchmark effects) integrated out by
    importance sampling (`bayescale.forecast.condition.log_evidence`).

    Parameters
    ----------
    posterior : Posterior
        Fitted without the scores of `models`.
    evals : Evals
        With the scores of `models`.
    models : tuple of str
    random_seed : int

    Returns
    -------
    pandas.Series
        By model, in nats.
    """
    draws = posterior.draws.thinned(DRAWS)
    data = model_data(posterior.spec, evals)
    cells = observed_cells(evals, data.items)
    seen_families = set(data.family_index[posterior.draws.data.cells["observed"].any(axis=1)])
    rng = np.random.default_rng(random_seed)
    log_densities = {}
    for name in models:
        row = evals.model_names.index(name)
        (given,) = np.nonzero(cells["observed"][row])
        family = int(data.family_index[row])
        model = LatentModel.of(draws, draws.covariate[:, row], family if family in seen_families else -1, given)
        density = log_evidence(model, cells["observed_score"][row, given], rng)
        constant = cells["log_choose"][row, given].sum()
        log_densities[name] = float(logsumexp(density) - np.log(len(density)) + constant)
    return pd.Series(log_densities, name="elpd", dtype=float)
