"""Assess one spec: fit it, refit it without whole models or families, and score what was left out.

A single left-out score is easy to predict, because the other scores of its model inform its capabilities, and
importance sampling from the full posterior is unreliable if one score moves a latent variable (Vehtari, Gelman & Gabry
2017; Merkle, Furr & Rabe-Hesketh 2019, Psychometrika 84:802). A forecast concerns a model, or a family, without any
scores: hence the joint log density of all scores of a model, with its capabilities integrated out; and of all scores of
a family, with its offset integrated out, which its models share.
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

from bayescale import _arviz, methods
from bayescale.errors import ConvergenceWarning, EvaluationError
from bayescale.evaluation.store import SPEED, FitStore, key_of
from bayescale.forecast.condition import LatentModel, family_log_evidence, log_evidence
from bayescale.inference import defaults
from bayescale.inference.draws import observed_models
from bayescale.methods import Posterior
from bayescale.model.curve import SHARE_STEPS
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
    """Settings of an assessment: units to leave out, seed, arguments of `bayescale.fit`, store of finished fits."""

    leave_out: tuple[HeldOut, ...]
    folds: int
    random_seed: int
    cores: int | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    fold_sampling: Mapping[str, Any] = field(default_factory=lambda: dict(FOLD_SAMPLING))
    store: FitStore | None = None


@dataclass(frozen=True, eq=False)
class Assessment:
    """Posterior and predictive density of one spec.

    Attributes
    ----------
    posterior : Posterior
    loo : arviz.ELPDData
        Over single scores, by importance sampling.
    held_out : dict of str to pandas.Series
        By unit left out: joint log density of the scores of each ``model``, or of each ``family``, in nats.
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

    The spec is compiled once, because its folds are fits to other scores of the same models. Fits that the store of the
    plan holds are not repeated.
    """
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    # A folder that this worker cannot reach keeps nothing.
    store = plan.store if plan.store and plan.store.directory.is_dir() else None
    rows: list[tuple[Any, ...]] = []
    held_out: dict[str, pd.Series[float]] = {}
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # The table of the comparison shows the convergence of every fit, that of the folds as well.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if posterior is None:
            posterior = _fit(spec, evals, plan, store)
        for left_out in plan.leave_out:
            parts = []
            for number, split in enumerate(make_splits(evals, left_out, plan.folds), start=1):
                part, diagnostics = _fold(spec, evals, split, left_out, number, plan, store)
                parts.append(part)
                rows.append((left_out, number, len(split.models), *diagnostics))
            names = evals.model_names if left_out == "model" else evals.families
            elpd = pd.concat(parts)
            held_out[left_out] = elpd.loc[[name for name in names if name in elpd.index]]
        cellwise = loo(posterior)
    columns = ["left_out", "fold", "models", "rhat", "ess", "divergences", "seconds"]
    return Assessment(posterior, cellwise, held_out, pd.DataFrame(rows, columns=columns), time.perf_counter() - started)


def _fit(spec: Spec, evals: Evals, plan: Plan, store: FitStore | None) -> Posterior:
    """Return the posterior of all scores, from the store if it is there."""
    settings = {"draws": defaults.DRAWS, "random_seed": plan.random_seed, **plan.sampling}
    key = _key(spec, evals, settings)
    path = store and store.file(spec.name, key, ".nc")
    if store and path and (kept := store.read_posterior(path)):
        return kept
    posterior = methods.fit(spec, evals, **{"cores": plan.cores, "progressbar": False, **settings})
    if store and path:
        store.write_posterior(path, posterior, f"the posterior of {spec.name}")
    return posterior


def _fold(
    spec: Spec, evals: Evals, split: Split, left_out: HeldOut, number: int, plan: Plan, store: FitStore | None
) -> tuple[pd.Series[float], list[float]]:
    """Return densities of the hidden units and diagnostics of the refit, from the store if they are there."""
    label = f"{left_out}-{number}"
    # The same seed for all specs: common random numbers make differences sharper.
    seed = int(np.random.SeedSequence([plan.random_seed, number]).generate_state(1)[0])
    settings = {"random_seed": seed, **plan.fold_sampling}
    key = _key(spec, evals, settings, (left_out, *split.models))
    path = store and store.file(f"{spec.name}-{label}", key)

    def decode(arrays: dict[str, np.ndarray]) -> tuple[pd.Series[float], list[float]]:
        rhat, ess, divergences, seconds = arrays["diagnostics"].tolist()
        elpd = pd.Series(arrays["elpd"], list(hidden_units(evals, split.models, left_out)), name="elpd", dtype=float)
        return elpd, [rhat, ess, int(divergences), seconds]

    if store and path and (kept := store.read_arrays(path, key, decode)):
        return kept
    fold = methods.fit(spec, split.evals, **{"cores": plan.cores, "progressbar": False, **settings})
    report = fold.convergence
    diagnostics = np.array([report.rhat, report.ess_bulk, report.divergences, fold.sampling["seconds"]], dtype=float)
    elpd = held_out_elpd(fold, evals, split.models, seed, left_out)
    arrays = {"elpd": elpd.to_numpy(), "diagnostics": diagnostics}
    if store and path:
        store.write_arrays(path, key, arrays, f"the densities of {spec.name}, {label}")
    return decode(arrays)


def _key(spec: Spec, evals: Evals, settings: Mapping[str, Any], hidden: tuple[str, ...] = ()) -> str:
    chosen = {name: value for name, value in settings.items() if name not in SPEED}
    return key_of("compare", spec.name, spec.identity, evals.identity, hidden, chosen)


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
    idata, data = posterior.log_likelihood(), posterior.draws.data
    _, column = np.nonzero(data.cells["observed"])
    steps = xr.DataArray(log_steps(posterior.evals, data.items)[column], dims="cell")
    density = _arviz.dataset(idata["log_likelihood"]) + steps
    return _arviz.loo(_arviz.with_groups(idata, {"log_likelihood": density}), var_name="score")


def log_steps(evals: Evals, items: np.ndarray) -> np.ndarray:
    """Return the log of the steps (benchmark,) of a likelihood's grid, of `items` steps, in one item of the table.

    Added to the log mass of a score it is the log mass of one item around it (a step, where no items are counted), as
    far as the mass is even over an item. So specs whose likelihoods have different grids are on one scale.
    """
    return np.log(items / evals.benchmarks["items"].fillna(SHARE_STEPS).to_numpy(float))


def hidden_units(evals: Evals, models: Sequence[str], left_out: HeldOut) -> dict[str, list[int]]:
    """Return the rows of the models table by unit left out: each model alone, or all of a family."""
    family = dict(zip(evals.model_names, evals.models["family"], strict=True))
    units: dict[str, list[int]] = {}
    for name in models:
        units.setdefault(name if left_out == "model" else family[name], []).append(evals.model_names.index(name))
    return units


def held_out_elpd(
    posterior: Posterior, evals: Evals, models: tuple[str, ...], random_seed: int, left_out: HeldOut = "model"
) -> pd.Series[float]:
    """Compute the joint log predictive density of the scores of each hidden model, or of each hidden family, in nats.

    This is the mean over draws of the likelihood of the scores, with the parameters of the models (residual capability,
    testlet effects, and for an unseen family its offset and its family-by-benchmark effects) integrated out by
    importance sampling (`bayescale.forecast.condition`). `posterior` was fitted without the scores of `models`, which
    are among `evals`.
    """
    draws, spec = posterior.draws.thinned(DRAWS), posterior.spec
    data = model_data(spec, evals)
    cells = observed_cells(evals, data.items)
    how = draws.data.measurements
    settings = np.full(cells["observed"].shape, -1) if how is None else how.effects_of(evals)
    seen_families = set(data.family_index[observed_models(posterior.draws.data)])
    rng = np.random.default_rng(random_seed)
    constant = cells["observed"] * (cells["log_choose"] + log_steps(evals, data.items))
    log_densities = {}
    for name, rows in hidden_units(evals, models, left_out).items():
        scores = {
            row: (given := np.flatnonzero(cells["observed"][row]), cells["observed_score"][row, given]) for row in rows
        }
        if left_out == "family":
            density = family_log_evidence(draws, spec, scores, rng, settings)
        else:
            ((row, (given, values)),) = scores.items()
            family = int(data.family_index[row])
            own = draws.in_settings(settings[row])
            model = LatentModel.of(own, draws.covariate[:, row], family if family in seen_families else -1, given)
            density = log_evidence(model, values, rng)
        log_densities[name] = float(logsumexp(density) - np.log(len(density)) + constant[rows].sum())
    return pd.Series(log_densities, name="elpd", dtype=float)
