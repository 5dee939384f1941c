"""`compare` and scans: fit each spec, refit without held-out models, and compare predictive densities."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayescale._display import Report, counting
from bayescale.errors import BayescaleError, EvaluationError, require_names
from bayescale.evals import load_evals
from bayescale.evaluation.compare.assess import Assessment, HeldOut, Plan, assess, check_held_out, make_splits
from bayescale.evaluation.compare.comparison import Comparison, question_of_each
from bayescale.evaluation.store import FitStore
from bayescale.forecast.query import COLUMNS, as_scores, read_given, read_query
from bayescale.inference.defaults import SCAN_DRAWS, seed_or_new
from bayescale.inference.parallel import cores_each, dask_mended, end_with_parent, on_dask, require_libraries
from bayescale.inference.sample import check_settings
from bayescale.methods import Posterior
from bayescale.model.data import model_data
from bayescale.model.priors import Priors
from bayescale.model.spec import Spec, load_spec

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.evaluation.backtest import Backtest

FOLDS = 5
LIBRARIES = ("joblib", "sklearn")


def compare(
    specs: Sequence[str | Spec] | Mapping[str, Posterior],
    evals: Evals | str | None = None,
    *,
    forecast: Mapping[str, Any] | None = None,
    leave_out: Sequence[HeldOut] = ("model", "family"),
    folds: int = FOLDS,
    backtest: Backtest | None = None,
    directory: str | Path | None = None,
    jobs: int | None = None,
    random_seed: int | None = 0,
    progress: Report | None = None,
    **sampling: Any,
) -> Comparison:
    """Compare specs on the same evals.

    Specs with different likelihoods are on one scale, the log mass of one item around each score.

    Parameters
    ----------
    specs : sequence of str or Spec, or mapping of str to Posterior
        Specs by name, path or object, which are fitted to `evals`; or posteriors that were fitted to the same evals.
    evals : Evals or str, optional
        As in `bayescale.fit`, by name too; not needed with posteriors.
    forecast : mapping, optional
        Arguments of `Posterior.forecast` for a forecast to compare: ``{"family": "Llama-3", "flops": 4e25}``.
    leave_out : sequence of {"model", "family"}
        Units that refits leave out; the first ranks the specs. Empty: only single scores by importance sampling, which
        is fast, but unreliable for a model with latent variables.
    folds : int
        Number of refits for each of `leave_out`.
    backtest : Backtest, optional
        A backtest of specs of these names, whose errors and coverage are added.
    directory : str or pathlib.Path, optional
        Folder for finished fits, created if missing. Its fits are reused (same spec, evals, settings, seed and version
        of bayescale), so that an interrupted comparison resumes. Default: nothing is kept.
    jobs : int, optional
        Specs at a time. Default: as many as there are processors, unless `joblib.parallel_config` says otherwise.
    random_seed : int, optional
        The same seed gives the same numbers for any `jobs`, once the specs have been compiled (see `bayescale.fit`).
        None draws a new seed, which `Comparison.random_seed` records.
    progress : callable, optional
        Called as ``progress(done, total, name)`` when a spec is finished. Default: a bar on a terminal, a line in a
        notebook, nothing elsewhere.
    **sampling
        `draws` (default: 1,600), `tune`, `chains`, `target_accept`, `nuts_sampler` of the fits, as in `bayescale.fit`.

    Returns
    -------
    Comparison

    Raises
    ------
    EvaluationError
        For two specs of one name, posteriors of different evals, or a spec that cannot be fitted or forecast; all names
        and settings are checked before the first fit.
    MissingDependencyError
        Without the libraries of ``bayescale[compare]``.

    Examples
    --------
    >>> import bayescale as bs
    >>> comparison = bs.compare(
    ...     ["one_factor", "default"], bs.load_evals("base-llms"), forecast={"family": "Llama-3", "flops": 4e25}
    ... )  # doctest: +SKIP
    >>> comparison.summary()  # doctest: +SKIP
    """
    require_libraries(LIBRARIES, "Comparing specs", "compare")
    import joblib

    check_held_out(leave_out, folds)
    work, evals = _work(specs, None if evals is None else load_evals(evals))
    if jobs is None and not on_dask():
        jobs = max(1, min(len(work), joblib.cpu_count()))
    seed = seed_or_new(random_seed, EvaluationError)
    _check(work, evals, dict(forecast or {}), leave_out, folds, sampling)
    store = None if directory is None else FitStore.at(directory)
    plan = Plan(tuple(leave_out), folds, seed, cores_each(jobs), sampling, store=store)
    with counting("specs", progress) as report:
        assessments = _assessments(work, evals, plan, jobs, report)
    return Comparison(assessments, dict(forecast or {}), backtest, plan.random_seed)


def scan_factors(
    spec: str | Spec, evals: Evals | str, factors: Iterable[int] = range(1, 7), *,
    leave_out: Sequence[HeldOut] = ("model",), **settings: Any,
) -> Comparison:  # fmt: skip
    """Compare numbers of capabilities, by default by the prediction of whole models.

    Parameters
    ----------
    spec, evals
        As in `compare`.
    factors : iterable of int
    leave_out, **settings
        Of `compare`; `draws` are 1,300 a chain unless given.

    Returns
    -------
    Comparison
        Specs are called ``1 factor``, ``2 factors``, ...

    Examples
    --------
    >>> import bayescale as bs
    >>> question = {"family": "Llama-3", "flops": 4e25}
    >>> evals = bs.load_evals("base-llms")
    >>> comparison = bs.scan_factors("default", evals, range(1, 9), forecast=question)  # doctest: +SKIP
    """
    specs = with_factors(load_spec(spec), factors)
    return compare(specs, evals, leave_out=leave_out, **{"draws": SCAN_DRAWS} | settings)


def scan_priors(
    spec: str | Spec, evals: Evals | str, priors: Mapping[str, Sequence[Any]], *,
    leave_out: Sequence[HeldOut] = ("model",), **settings: Any,
) -> Comparison:  # fmt: skip
    """Compare priors: the spec as it is, and with one of its priors replaced at a time.

    Parameters
    ----------
    spec, evals
        As in `compare`.
    priors : mapping of str to sequence
        Alternatives by name of the prior.
    leave_out, **settings
        Of `compare`; `draws` are 1,300 a chain unless given.

    Returns
    -------
    Comparison
        Specs are named after the replacement: ``family_sd HalfNormal(sigma=1)``.

    Raises
    ------
    EvaluationError
        For a prior that `spec` does not use.
    SpecError
        For a prior that does not exist.

    Examples
    --------
    >>> import bayescale as bs
    >>> priors = {"family_sd": ["HalfNormal(1)", "HalfNormal(6)"]}
    >>> comparison = bs.scan_priors("default", bs.load_evals("base-llms"), priors)  # doctest: +SKIP
    """
    specs = with_priors(load_spec(spec), priors)
    return compare(specs, evals, leave_out=leave_out, **{"draws": SCAN_DRAWS} | settings)


def with_factors(base: Spec, factors: Iterable[int]) -> list[Spec]:
    """Make the variants of `base` that `scan_factors` compares."""
    counts = list(dict.fromkeys(factors))
    if not counts:
        raise EvaluationError("factors: give at least one number of capabilities, such as range(1, 7).")
    return [base.replace(factors=k, name=f"{k} factor{'s' * (k != 1)}") for k in counts]


def with_priors(base: Spec, priors: Mapping[str, Sequence[Any]]) -> list[Spec]:
    """Make the variants of `base` that `scan_priors` compares: itself, and one prior replaced at a time."""
    variants = [base]
    for name, choices in priors.items():
        if name in base.unused_priors:
            raise EvaluationError(f"Spec {base.name!r} does not use the prior {name!r}, so a scan of it shows nothing.")
        for choice in [choices] if isinstance(choices, str) else choices:
            variant = base.replace(priors={name: choice})
            value = getattr(variant.priors, name)
            if value != getattr(base.priors, name, None):
                variants.append(variant.replace(name=f"{name} {value}"))
    if len(variants) == 1:
        raise EvaluationError(f"priors: give other values of at least one of {', '.join(Priors.model_fields)}.")
    return variants


Work = tuple[Spec, Posterior | None]


def _work(specs: Any, evals: Evals | None) -> tuple[dict[str, Work], Evals]:
    """Return specs with their posteriors, if given, by name; and the evals of all."""
    work: dict[str, Work] = {}
    if isinstance(specs, Mapping):
        for name, posterior in specs.items():
            if evals is not None and posterior.evals.identity != evals.identity:
                raise EvaluationError(
                    f"The posterior {name!r} was fitted to other evals: densities cannot be compared."
                )
            evals = posterior.evals
            work[str(name)] = (posterior.spec, posterior)
    else:
        for spec in map(load_spec, [specs] if isinstance(specs, str | Spec) else specs):
            if spec.name in work:
                raise EvaluationError(f"Two specs are called {spec.name!r}: rename one, spec.replace(name=...).")
            work[spec.name] = (spec, None)
    if not work:
        raise EvaluationError("Nothing to compare: give at least one spec.")
    if evals is None:
        raise EvaluationError("Specs are fitted to evals: compare(specs, evals).")
    return work, evals


def _check(
    work: Mapping[str, Work],
    evals: Evals,
    forecast: Mapping[str, Any],
    leave_out: Sequence[HeldOut],
    folds: int,
    sampling: Mapping[str, Any],
) -> None:
    """Check every name and setting, so that no fit is lost to a mistake that shows after it."""
    require_names(sampling, {*inspect.signature(check_settings).parameters}, "setting of a fit", EvaluationError)
    check_settings(**sampling)
    for unit in leave_out:
        make_splits(evals, unit, folds)
    own = {"family", "given", "random_seed"}
    covariates = {covariate for spec, _ in work.values() for covariate in spec.base_covariates}
    require_names(forecast, {*own, *COLUMNS, *covariates}, "argument of a forecast", EvaluationError)
    seed_or_new(forecast.get("random_seed"), EvaluationError)
    asked = question_of_each(forecast, {name: spec for name, (spec, _) in work.items()})
    for name, (spec, _) in work.items():
        with _naming(name):
            data = model_data(spec, evals)
            if said := asked[name]:
                facts = {fact: value for fact, value in said.items() if fact not in own}
                query = read_query(spec, data, said.get("family"), facts)
                read_given(as_scores(said.get("given")), query, data.coords["benchmark"])


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Name the spec in errors of the package."""
    try:
        yield
    except BayescaleError as error:
        raise EvaluationError(f"Spec {name!r}: {error}") from error


def _assessments(
    work: Mapping[str, Work], evals: Evals, plan: Plan, jobs: int | None, report: Report
) -> dict[str, Assessment]:
    """Assess each spec on a worker; return assessments in the given order."""
    import joblib

    report(0, len(work), "")
    done: dict[str, Assessment] = {}
    tasks = (joblib.delayed(_named)(name, *one, evals, plan) for name, one in work.items())
    with dask_mended():
        for name, assessment in joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(tasks):
            done[name] = assessment
            report(len(done), len(work), name)
    return {name: done[name] for name in work}


def _named(name: str, spec: Spec, posterior: Posterior | None, evals: Evals, plan: Plan) -> tuple[str, Assessment]:
    end_with_parent()
    with _naming(name):
        return name, assess(spec, evals, plan, posterior)
