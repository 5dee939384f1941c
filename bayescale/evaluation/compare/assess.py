"""Assess one spec: fit it, refit it without whole models or families, and score what was left out.

A single left-out score is easy to predict, because the other scores of its model inform its capabilities, and
importance sampling from the full posterior is unreliable if one score moves a latent variable (Vehtari, Gelman & Gabry
2017; Merkle, Furr & Rabe-Hesketh 2019, Psychometrika 84:802). A forecast concerns a model, or a family, without any
scores: hence the joint log density of all scores of a model, with its capabilities integrated out.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from bayescale import _arviz
from bayescale.errors import ConvergenceWarning, EvaluationError
from bayescale.forecast.condition import LatentModel, log_evidence
from bayescale.inference import defaults
from bayescale.methods import Posterior
from bayescale.model.data import model_data, observed_cells
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    from bayescale.evals import Evals

HeldOut = Literal["model", "family"]
PLURAL: dict[str, str] = {"model": "models", "family": "families"}

# A held-out density is a mean over draws, which needs fewer of them than the tail of a forecast: 400 draws agree with
# 1,600 to 0.05 nats (sd over models; default spec, `base-llms`), and time is linear in them.
DRAWS = 400
FOLD_SAMPLING: Mapping[str, int] = {"draws": 300, "tune": 200, "chains": 2}


@dataclass(frozen=True)
class Plan:
    """Settings of the assessment of each spec: units to leave out, seed, and arguments of `bayescale.fit`."""

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
    """Fit `spec` to `evals` (unless its posterior is given), and to the visible scores of each fold.

    The spec is compiled once, because its folds are fits to other scores of the same models.
    """
    from threadpoolctl import threadpool_limits

    from bayescale.methods import fit

    started = time.perf_counter()
    settings = {"draws": defaults.DRAWS, "cores": plan.cores, "progressbar": False}
    rows: list[tuple[Any, ...]] = []
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
                report = fold.convergence
                diagnostics = report.rhat, report.ess_bulk, report.divergences, fold.sampling["seconds"]
                rows.append((left_out, number, len(split.models), *diagnostics))
            held_out[left_out] = pd.concat(parts).loc[[m for m in evals.model_names if m in set(evals.scores["model"])]]
        cellwise = loo(posterior)
    columns = ["left_out", "fold", "models", "rhat", "ess", "divergences", "seconds"]
    return Assessment(posterior, cellwise, held_out, pd.DataFrame(rows, columns=columns), time.perf_counter() - started)


# Folds


class Split(NamedTuple):
    """One fold: the visible scores, and the models whose scores are all hidden.

    All folds are over the same models and benchmarks, and share one compiled model.
    """

    evals: Evals
    models: tuple[str, ...]


def make_splits(evals: Evals, left_out: HeldOut, folds: int) -> list[Split]:
    """Split the models, or the families, of `evals` into `folds` parts of similar numbers of scores.

    With ``"family"``, all models of a family are in the same fold.

    Raises `EvaluationError` when there are fewer models or families than folds, or fewer than two folds.
    """
    from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]

    check_held_out((left_out,), folds)
    scores = evals.scores["model"]
    groups = scores if left_out == "model" else scores.map(evals.models.set_index("model")["family"])
    if groups.nunique() < folds:
        raise EvaluationError(
            f"folds={folds}: only {groups.nunique()} {PLURAL[left_out]} have scores. Take fewer folds, at least 2, or "
            f"leave {left_out!r} out of leave_out."
        )
    splits = []
    for _, rows in GroupKFold(folds).split(scores, groups=groups):
        hidden = [m for m in evals.model_names if m in set(scores.iloc[rows])]
        mask = xr.zeros_like(evals.matrix(), dtype=bool)
        mask.loc[{"model": hidden}] = True
        splits.append(Split(evals.mask(mask), tuple(hidden)))
    return splits


def check_held_out(leave_out: Sequence[str], folds: int) -> None:
    """Raise `EvaluationError` for an unknown unit to leave out, or fewer than two folds."""
    units = get_args(HeldOut)
    for unit in leave_out:
        if unit not in units:
            raise EvaluationError(f"leave_out: {unit!r} is none of {', '.join(units)}.")
    if leave_out and folds < 2:
        raise EvaluationError(f"folds={folds}: cross-validation needs at least 2.")


# Densities


def loo(posterior: Posterior) -> Any:
    """Estimate the elpd of single scores by PSIS-LOO, with Pareto k; returns `ELPDData` of the installed ArviZ."""
    return _arviz.loo(posterior.log_likelihood(), var_name="score")


def held_out_elpd(posterior: Posterior, evals: Evals, models: tuple[str, ...], random_seed: int) -> pd.Series[float]:
    """Compute the joint log predictive density (model,) of each hidden model's scores, in nats.

    This is the mean over draws of the likelihood of the scores, with the model's own parameters (residual capability,
    testlet effects, and for an unseen family its offset and its family-by-benchmark effects) integrated out by
    importance sampling (`bayescale.forecast.condition.log_evidence`). `posterior` was fitted without the scores of
    `models`, which are among `evals`.
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
        log_densities[name] = float(logsumexp(density) - np.log(len(density)) + cells["log_choose"][row, given].sum())
    return pd.Series(log_densities, name="elpd", dtype=float)
