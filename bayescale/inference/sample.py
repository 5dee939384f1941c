"""Sampling; nothing else knows which sampler runs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from bayescale._arviz import dataset, inference_data
from bayescale._display import telling, watched, working
from bayescale.errors import BayescaleError, ConvergenceWarning, FitError, MissingDependencyError
from bayescale.evals import load_evals
from bayescale.inference.defaults import (
    CHAINS,
    DRAWS,
    MAX_MINUTES,
    PILOT_DRAWS,
    PILOT_TUNE,
    TARGET_ACCEPTS,
    TUNE,
    seed_or_new,
)
from bayescale.inference.parallel import one_thread_each, processors
from bayescale.model import model_data
from bayescale.model.spec import Spec, load_spec

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.inference.convergence import ConvergenceReport
    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.coordinates.parameterization import Coordinates
    from bayescale.model.data import ModelData

Sampler = Literal["nutpie", "pymc", "numpyro"]

# The draws, their diagnosis where sampling ended by it, and their target acceptance.
Sampled: TypeAlias = "tuple[Any, ConvergenceReport | None, float]"

# Names of the statistics that PyMC users expect, by the names that nutpie gives them.
_STATISTICS = {
    "maxdepth_reached": "reached_max_treedepth",
    "depth": "tree_depth",
    "logp": "lp",
    "mean_tree_accept": "acceptance_rate",
}
_KEPT = (
    "diverging", "reached_max_treedepth", "tree_depth", "n_steps", "energy", "lp", "step_size", "acceptance_rate",
)  # fmt: skip

# Trees of depth 5 suffice once the metric is learned. Unbounded, the first fifty draws of warm-up took 280 leapfrog
# steps each; bounded at 8, a fit settled by chance at 31, 68 or 125 steps a draw, and the longer trees gave half the
# effective draws per step (a fold of the backtest: 421 s for 1,580, at most 6 deep 77 s for 572).
_DEPTH = 6

# More draws or chains than any memory holds; samplers would say so after compiling.
_MOST = 10_000_000


def fit(
    spec: Spec | str = "default",
    evals: Evals | str = "base-llms",
    draws: int | Literal["auto"] = "auto",
    tune: int = TUNE,
    chains: int = CHAINS,
    cores: int | None = None,
    *,
    target_accept: float | Literal["auto"] = "auto",
    random_seed: int | None = None,
    progressbar: bool | None = None,
    nuts_sampler: Sampler = "nutpie",
    max_minutes: float = MAX_MINUTES,
) -> PosteriorData:
    """Sample the posterior of `spec` given `evals`.

    Parameters
    ----------
    spec : Spec or str
        A spec, or the name of one that ships with the package.
    evals : Evals or str
        Tables, or the name of a set that ships with the package (`bayescale.load_evals`).
    draws : int or "auto"
        Kept draws per chain. "auto" samples until the posterior converged, or `max_minutes` end; nutpie only, the other
        samplers then take 1,600.
    tune : int
        Warm-up steps per chain.
    chains, cores : int
        Chains, and how many of them run at once (default: as many as there are processors, at most `chains`; all of
        them with ``draws="auto"``).
    target_accept : float or "auto"
        Target acceptance of NUTS, in (0, 1); raise it against divergences. "auto" is 0.8, and with ``draws="auto"``
        sampling starts again at 0.9, then 0.95, where more than one transition in a thousand diverges.
    random_seed : int, optional
        The same seed gives the same draws on one machine and one set of library versions, from a program of the same
        origin: one that was just compiled rounds otherwise than one that is read from the disk, in later processes.
    progressbar : bool, optional
        Default: only when a person is watching (a terminal or a notebook).
    nuts_sampler : {"nutpie", "pymc", "numpyro"}
        nutpie is the fastest here on processors; numpyro needs the extra ``bayescale[numpyro]``.
    max_minutes : float
        With ``draws="auto"``, the minutes after which sampling ends, converged or not.

    Returns
    -------
    Posterior
        With its convergence report; a `ConvergenceWarning` with remedies is issued when it did not converge.

    Raises
    ------
    FitError
        For impossible settings, or when sampling fails.
    MissingDependencyError
        For ``nuts_sampler="numpyro"`` without NumPyro.

    Examples
    --------
    >>> import bayescale as bs
    >>> posterior = bs.fit("one_factor", bs.load_evals("base-llms"), random_seed=1)  # doctest: +SKIP
    >>> posterior.converged  # doctest: +SKIP
    True
    """
    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.coordinates.parameterization import Coordinates

    spec, evals = load_spec(spec), load_evals(evals)
    check_settings(
        draws, tune, chains, cores, target_accept=target_accept, nuts_sampler=nuts_sampler, max_minutes=max_minutes
    )
    if draws == "auto" and nuts_sampler != "nutpie":
        draws = DRAWS
    settings: dict[str, Any] = {"draws": draws, "tune": tune, "chains": chains}
    cores = cores or min(chains, processors())
    if progressbar is None:
        progressbar = watched()
    random_seed = seed_or_new(random_seed, FitError)

    started = time.perf_counter()
    try:
        data = model_data(spec, evals)
        evals = evals.with_families_of(spec.family_column)
        idata, convergence, target_accept = _SAMPLERS[nuts_sampler](
            Coordinates(spec, data),
            **settings,
            cores=cores,
            targets=TARGET_ACCEPTS if target_accept == "auto" else (target_accept,),
            seed=random_seed,
            progressbar=progressbar,
            max_minutes=max_minutes,
        )
    except BayescaleError:
        raise  # of the scores or the spec: says what to do already
    except (ValueError, RuntimeError, FloatingPointError) as error:
        raise FitError(f"Sampling failed: {error}. Check extreme priors or scores, or try another seed.") from error
    seconds = time.perf_counter() - started
    settings["draws"] = idata["posterior"].sizes["draw"]
    said = {"random_seed": random_seed, "cores": cores, "seconds": round(seconds, 2)}
    sampling = {**settings, "target_accept": target_accept, "nuts_sampler": nuts_sampler, **said}
    with working("Diagnosing convergence", progressbar):
        posterior = PosteriorData.from_draws(_tidy(idata, evals), spec, evals, sampling, data, convergence)
    if not posterior.converged:
        # At the line that called `bayescale.fit`, which calls this.
        warnings.warn(ConvergenceWarning(str(posterior.convergence)), stacklevel=3)
    return posterior


def check_settings(
    draws: Any = "auto",
    tune: Any = TUNE,
    chains: Any = CHAINS,
    cores: Any = None,
    *,
    target_accept: Any = "auto",
    nuts_sampler: Any = "nutpie",
    max_minutes: Any = MAX_MINUTES,
) -> None:
    """Raise `FitError` for impossible settings of `fit`, before anything is compiled."""
    if not (isinstance(max_minutes, int | float) and max_minutes > 0):
        raise FitError(f"max_minutes={max_minutes!r}: a positive number of minutes is needed.")
    for name, value in {"draws": draws, "tune": tune, "chains": chains, "cores": cores}.items():
        if (name == "draws" and isinstance(value, str) and value == "auto") or (name == "cores" and value is None):
            continue
        if not (isinstance(value, int | np.integer) and 1 <= value <= _MOST):
            least = f"a whole number, from 1 to {_MOST:,}" + (', or "auto"' if name == "draws" else "")
            raise FitError(f"{name}={value!r}: {least}, is needed.")
    is_number = isinstance(target_accept, int | float | np.floating)
    is_auto = isinstance(target_accept, str) and target_accept == "auto"
    if not (is_auto or (is_number and 0 < target_accept < 1)):
        percent = is_number and 1 < target_accept < 100
        hint = f" Did you mean {target_accept / 100:g}?" if percent else ""
        raise FitError(f"target_accept={target_accept!r} must lie between 0 and 1, such as 0.8, or be 'auto'.{hint}")
    if nuts_sampler not in list(_SAMPLERS):
        raise FitError(f"nuts_sampler={nuts_sampler!r} is not one of {', '.join(_SAMPLERS)}.")


def _nutpie(coordinates: Coordinates, *, targets: Sequence[float], max_minutes: float, **settings: Any) -> Sampled:
    from bayescale.inference.compile import compiled_for
    from bayescale.inference.draws import read_draws
    from bayescale.model.coordinates.parameterization import Coordinates, coordinate
    from bayescale.model.coordinates.short_run import ShortRun

    with working("Compiling the model", settings["progressbar"]):
        program = compiled_for(coordinates)
    # No more chains than run at once, but two: what is wanted are rough means, and not those of one stray chain.
    chains = min(settings["chains"], max(settings["cores"], 2))
    pilot = settings | {"draws": PILOT_DRAWS, "tune": PILOT_TUNE, "chains": chains, "progressbar": False}
    with working("Finding where scores are linearised", settings["progressbar"]):
        short = _sample(program, target_accept=targets[0], **pilot)
    draws, z = read_draws(short, coordinates.data), coordinate("latent_covariate")
    unknown = short["posterior"][z].to_numpy() if z in short["posterior"] else None
    unknown = None if unknown is None else unknown.reshape((-1, unknown.shape[-1]))
    said = ShortRun(draws.expected_share(), draws.loading, draws.floor, draws.curve_shape, unknown)
    program = compiled_for(Coordinates(coordinates.spec, coordinates.data, said))
    if settings["draws"] != "auto":
        return _sample(program, target_accept=targets[0], **settings), None, targets[0]
    return _sample_until_converged(program, coordinates.data, targets=targets, max_minutes=max_minutes, **settings)


def _sample_until_converged(
    program: Any, data: ModelData, *, targets: Sequence[float], max_minutes: float, **settings: Any
) -> Sampled:
    from bayescale.inference.diagnostics import diagnose
    from bayescale.inference.draws import read_draws
    from bayescale.inference.until_converged import sample_until_converged

    def start(draws: int, target_accept: float) -> Any:
        # All chains at once: one that waits for a processor would wait for the others to end.
        here = {**settings, "draws": draws, "cores": settings["chains"], "progressbar": False}
        return _start(program, **here, target_accept=target_accept, blocking=False)

    def diagnosed(idata: Any) -> Any:
        named = {"posterior": idata["posterior"], "sample_stats": with_pymcs_names(idata)}
        return diagnose(named, read_draws(idata, data))

    with one_thread_each(), telling("Sampling until convergence", settings["progressbar"]) as tell:
        return sample_until_converged(start, diagnosed, targets=targets, max_minutes=max_minutes, tell=tell)


def _start(
    program: Any, *, draws: int, tune: int, chains: int, cores: int, target_accept: float, seed: int, progressbar: bool,
    blocking: bool = True,
) -> Any:  # fmt: skip
    import nutpie

    return nutpie.sample(
        program,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        target_accept=target_accept,
        seed=seed,
        progress_bar=progressbar,
        save_warmup=False,
        maxdepth=_DEPTH,
        blocking=blocking,
    )


def _sample(program: Any, *, draws: int, **settings: Any) -> Any:
    with one_thread_each():
        idata = _start(program, draws=draws, **settings)
    # nutpie answers Ctrl-C with the draws so far, shorter chains padded with NaN; a truncated posterior must not pass
    # for a whole one.
    if idata["posterior"].sizes["draw"] < draws or not np.isfinite(idata["sample_stats"]["energy"]).all():
        raise KeyboardInterrupt
    return idata


def _pymc(
    coordinates: Coordinates, *, chains: int, seed: int, targets: Sequence[float], max_minutes: float,
    nuts_sampler: str = "pymc", fixed: bool = False, **given: Any,
) -> Sampled:  # fmt: skip
    import pymc as pm
    from pymc.model.transform.optimization import freeze_dims_and_data

    from bayescale.model.build import generative_model

    model = generative_model(coordinates)
    idata = pm.sample(
        model=freeze_dims_and_data(model) if fixed else model,
        nuts_sampler=nuts_sampler,
        chains=chains,
        random_seed=seed,
        target_accept=targets[0],
        initvals=[coordinates.starting_point(rng) for rng in np.random.default_rng(seed).spawn(chains)],
        compute_convergence_checks=False,
        discard_tuned_samples=True,
        **given,
    )
    return idata, None, targets[0]


def _numpyro(coordinates: Coordinates, *, cores: int, chains: int, **settings: Any) -> Sampled:
    try:
        import jax
        import numpyro  # noqa: F401
    except ImportError:
        raise MissingDependencyError(
            "The NumPyro sampler is not installed: pip install 'bayescale[numpyro]', or use nuts_sampler='nutpie'."
        ) from None
    from bayescale.model.kernels.jax_ops import register

    register()
    # A device for each chain, or all chains at once on one: one after the other is what NumPyro does otherwise. Devices
    # that XLA makes of processors share their threads: four of them on two processors hung, all asleep, in three fits.
    devices = jax.local_device_count()
    if jax.default_backend() == "cpu":
        devices = min(devices, processors())
    method = "parallel" if devices >= chains else "vectorized"
    # Trees of warm-up are bounded, as nutpie's are: until the metric is learned NumPyro grew them to a thousand steps,
    # and chains that run at once wait for the longest (`base-llms`, 300 + 100: 232 s, bounded 28). Later ones are free.
    trees = {"max_tree_depth": (_DEPTH, 10)}
    # PyMC 6 takes settings of NUTS as `nuts`, PyMC 5 in two dictionaries within each other.
    asked: dict[str, Any] = {"nuts_sampler_kwargs": {"chain_method": method, "nuts_kwargs": trees}}
    if int(version("pymc").split(".")[0]) >= 6:
        asked = {"nuts": {"chain_method": method, **trees}}
    # JAX traces fixed shapes only, so the cells can be no containers here.
    return _pymc(coordinates, cores=cores, chains=chains, nuts_sampler="numpyro", fixed=True, **asked, **settings)


_SAMPLERS: dict[str, Any] = {"nutpie": _nutpie, "pymc": _pymc, "numpyro": _numpyro}


def with_pymcs_names(idata: Any) -> Any:
    """Return the statistics of the sampler under the names that PyMC users expect."""
    stats = dataset(idata["sample_stats"])
    return stats.rename({k: v for k, v in _STATISTICS.items() if k in stats})


def _tidy(idata: Any, evals: Evals) -> Any:
    """Return the public variables and the statistics under PyMC's names, with the observed scores beside them."""
    from bayescale.model.coordinates.parameterization import is_coordinate

    posterior, stats = dataset(idata["posterior"]), with_pymcs_names(idata)
    benchmarks = evals.benchmarks.set_index("benchmark")
    models = evals.models.set_index("model")
    return inference_data(
        {
            "posterior": posterior[[n for n in posterior.data_vars if not is_coordinate(str(n))]],
            "sample_stats": stats[[name for name in _KEPT if name in stats]],
            "observed_data": evals.matrix().rename("score").reset_coords(drop=True).to_dataset(),
            "constant_data": _constants(benchmarks, models),
        }
    )


def _constants(benchmarks: Any, models: Any) -> Any:
    import xarray as xr

    per_benchmark = {name: ("benchmark", benchmarks[name].to_numpy(float)) for name in ("items", "ceiling")}
    per_benchmark["chance"] = ("benchmark", benchmarks["floor"].to_numpy(float))
    per_model = {name: ("model", models[name].to_numpy(float)) for name in ("params_b", "tokens_t", "flops")}
    family = {"family_of_model": ("model", models["family"].to_numpy(str))}
    coords = {"benchmark": benchmarks.index.to_numpy(str), "model": models.index.to_numpy(str)}
    return xr.Dataset({**per_benchmark, **per_model, **family}, coords=coords)
