"""All that a comparison needs to know of one spec: its posterior, and how well it predicts what was left out.

This is what one worker runs: the spec is compiled once, and its folds are fits of other scores over the same models.
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

# A fold's figure is a mean over draws, which needs fewer of them than the tail of a forecast.
FOLD_SAMPLING: Mapping[str, int] = {"draws": 300, "tune": 200, "chains": 2}


@dataclass(frozen=True)
class Plan:
    """How each spec is assessed.

    Attributes
    ----------
    leave_out : tuple of {"model", "family"}
    folds : int
    random_seed : int
    cores : int or None
        Processors for the chains of one fit.
    sampling : mapping
        As `bayescale.fit` takes it.
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
    """One spec of a comparison.

    Attributes
    ----------
    posterior : Posterior
    loo : arviz.ELPDData
        Over single scores, by importance sampling.
    held_out : dict of str to pandas.Series
        By what was left out (``model``, ``family``): log density of each model's scores, nats.
    folds : pandas.DataFrame
        One row a refit: ``by, fold, models, rhat, ess, divergences, seconds``.
    seconds : float
        All together, compiling included.
    """

    posterior: Posterior
    loo: Any
    held_out: dict[str, pd.Series[float]]
    folds: pd.DataFrame
    seconds: float


def assess(spec: Spec, evals: Evals, plan: Plan, posterior: Posterior | None = None) -> Assessment:
    """Fit `spec` to `evals` (unless its posterior is given), and to each fold without the scores left out."""
    from threadpoolctl import threadpool_limits

    from bayescale.methods import fit

    started = time.perf_counter()
    quiet = {"cores": plan.cores, "progressbar": False}
    rows: list[dict[str, Any]] = []
    held_out: dict[str, pd.Series[float]] = {}
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # The convergence of every fit is in the table, the folds' own beside it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if posterior is None:
            posterior = fit(spec, evals, **{"random_seed": plan.random_seed, **quiet, **plan.sampling})
        for by in plan.leave_out:
            parts = []
            for number, split in enumerate(make_splits(evals, by, plan.folds), start=1):
                # The same seed for all specs: common random numbers make differences sharper.
                seed = int(np.random.SeedSequence([plan.random_seed, number]).generate_state(1)[0])
                fold = fit(spec, split.evals, **{"random_seed": seed, **quiet, **plan.fold_sampling})
                parts.append(held_out_elpd(fold, evals, split.models, seed))
                figures = {"rhat": fold.convergence.rhat, "ess": fold.convergence.ess_bulk}
                figures |= {"divergences": fold.convergence.divergences, "seconds": fold.sampling["seconds"]}
                rows.append({"by": by, "fold": number, "models": len(split.models), **figures})
            held_out[by] = pd.concat(parts).loc[[m for m in evals.model_names if m in set(evals.scores["model"])]]
        cellwise = loo(posterior)
    columns = ["by", "fold", "models", "rhat", "ess", "divergences", "seconds"]
    return Assessment(posterior, cellwise, held_out, pd.DataFrame(rows, columns=columns), time.perf_counter() - started)
