"""Worker of `compare`: fit one spec and score its held-out folds.

The spec is compiled once, because its folds are fits to other scores of the same models.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale.errors import ConvergenceWarning
from bayescale.evaluation.compare.elpd import held_out_elpd, loo
from bayescale.evaluation.compare.splits import HeldOut, make_splits
from bayescale.methods import Posterior
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    from bayescale.evals import Evals

# A held-out density is a mean over draws, which needs fewer of them than the tail of a forecast.
FOLD_SAMPLING: Mapping[str, int] = {"draws": 300, "tune": 200, "chains": 2}


@dataclass(frozen=True)
class Plan:
    """Settings of the assessment of each spec.

    Attributes
    ----------
    leave_out : tuple of {"model", "family"}
    folds : int
    random_seed : int
    cores : int or None
        Processors for the chains of one fit.
    sampling : mapping
        Arguments of `bayescale.fit`.
    fold_sampling : mapping
        The same for the folds.
    """

    leave_out: tuple[HeldOut, ...]
    folds: int
    random_seed: int
    cores: int | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    fold_sampling: Mapping[str, Any] = field(default_factory=lambda: dict(FOLD_SAMPLING))


@dataclass(frozen=True, eq=False)
class Assessment:
    """Posterior and predictive density of one spec.

    Attributes
    ----------
    posterior : Posterior
    loo : arviz.ELPDData
        Over single scores, by importance sampling.
    held_out : dict of str to pandas.Series
        By unit left out (``model``, ``family``): log density of each model's scores, in nats.
    folds : pandas.DataFrame
        One row per refit: ``left_out, fold, models, rhat, ess, divergences, seconds``.
    seconds : float
        Total time, compiling included.
    """

    posterior: Posterior
    loo: Any
    held_out: dict[str, pd.Series[float]]
    folds: pd.DataFrame
    seconds: float


def assess(spec: Spec, evals: Evals, plan: Plan, posterior: Posterior | None = None) -> Assessment:
    """Fit `spec` to `evals` (unless its posterior is given), and to the visible scores of each fold."""
    from threadpoolctl import threadpool_limits

    from bayescale.methods import fit

    started = time.perf_counter()
    settings = {"cores": plan.cores, "progressbar": False}
    rows: list[dict[str, Any]] = []
    held_out: dict[str, pd.Series[float]] = {}
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # The table of the comparison shows the convergence of every fit, that of the folds as well.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if posterior is None:
            posterior = fit(spec, evals, **{"random_seed": plan.random_seed, **settings, **plan.sampling})
        for left_out in plan.leave_out:
            parts = []
            for number, split in enumerate(make_splits(evals, left_out, plan.folds), start=1):
                # The same seed for all specs: common random numbers make differences sharper.
                seed = int(np.random.SeedSequence([plan.random_seed, number]).generate_state(1)[0])
                fold = fit(spec, split.evals, **{"random_seed": seed, **settings, **plan.fold_sampling})
                parts.append(held_out_elpd(fold, evals, split.models, seed))
                diagnostics = {"rhat": fold.convergence.rhat, "ess": fold.convergence.ess_bulk}
                diagnostics |= {"divergences": fold.convergence.divergences, "seconds": fold.sampling["seconds"]}
                rows.append({"left_out": left_out, "fold": number, "models": len(split.models), **diagnostics})
            held_out[left_out] = pd.concat(parts).loc[[m for m in evals.model_names if m in set(evals.scores["model"])]]
        cellwise = loo(posterior)
    columns = ["left_out", "fold", "models", "rhat", "ess", "divergences", "seconds"]
    return Assessment(posterior, cellwise, held_out, pd.DataFrame(rows, columns=columns), time.perf_counter() - started)
