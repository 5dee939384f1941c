"""What the tests share: a small simulation, posteriors around its truth, and one that is really sampled."""

from __future__ import annotations

import functools
import gc
import importlib
import os
import pickle
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytest
import typer
import xarray as xr
from backtest_fakes import Guess, Partial, make_tasks
from drafts import save_drafts
from simulate import Truth, posterior_near, simulate, simulation_spec, with_columns
from threadpoolctl import threadpool_limits

from bayescale import _arviz
from bayescale.checks import PriorPredictive, prior_predictive
from bayescale.cli import main
from bayescale.errors import FitError
from bayescale.evals import Evals
from bayescale.evaluation.backtest import Backtest, backtest
from bayescale.evaluation.compare import Assessment, Comparison
from bayescale.methods import Posterior
from bayescale.model import model_data

os.environ.setdefault("MPLBACKEND", "Agg")

# Matrices are small here: threads of linear algebra would wait for each other, for minutes where cores are few.
os.environ.setdefault("OMP_NUM_THREADS", "1")
threadpool_limits(1, "blas")

# Each variable of a graph notes the lines that made it; nobody reads them, and the notes take a twentieth of the time.
pytensor.config.traceback__limit = 0

# Processes that tests start import what the tests do: the modules beside this file, and the package in this folder.
TESTS = Path(__file__).parent
PATHS = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH")]
os.environ["PYTHONPATH"] = os.pathsep.join(path for path in PATHS if path)

# Scripts that made the fixtures need the tools that wrote them.
collect_ignore = ["fixtures"]


@pytest.fixture(scope="session")
def simulation() -> tuple[Evals, Truth]:
    """Twelve models of four families, with unknown, uncertain and exact compute, on five benchmarks.

    One benchmark counts no items, two are a testlet; a score in seven is missing.
    """
    return simulate()


@pytest.fixture(scope="session")
def evals(simulation: tuple[Evals, Truth]) -> Evals:
    return simulation[0]


@pytest.fixture(scope="session")
def posterior(simulation: tuple[Evals, Truth]) -> Posterior:
    """4 x 1000 independent draws around the truth, as a sampler that converged would leave them: no sampling."""
    return posterior_near(*simulation, simulation_spec())


@pytest.fixture(scope="session")
def two_factors() -> Posterior:
    """The same with two capabilities."""
    return posterior_near(*simulate(factors=2), simulation_spec(2))


@pytest.fixture(scope="session")
def sizes(simulation: tuple[Evals, Truth]) -> Posterior:
    """One capability of parameters and tokens, 1.2 n + 0.8 d + 0.6 n d, with n and d in decades around their means."""
    spec = simulation_spec(covariates=("log10_params", "log10_tokens", "log10_params:log10_tokens"))
    slope = np.array([[1.2], [0.8], [0.6]])
    return posterior_near(*simulation, spec, draws=200, spread=0.03, slope=slope, benchmark_slope=np.zeros((5, 3)))


@pytest.fixture(scope="session")
def dated() -> Posterior:
    """The same of models with release dates (two unknown) and a column that says which reason, beside compute."""
    evals, truth = simulate(factors=2)
    evals = with_columns(evals)
    priors = {"latent_covariate[released]": "Normal(0, 0.5)"}
    spec = simulation_spec(2, covariates=("released", "log10_flops", "reasoning"), priors=priors)
    x = np.nan_to_num(model_data(spec, evals).covariates)
    slope = np.array([[0.5, 0.2], truth.slope, [0.8, -0.3]])
    return posterior_near(evals, truth, spec, slope=slope, covariate_value=x)


@pytest.fixture(scope="session")
def hidden_compute(dated: Posterior) -> Posterior:
    """The same, whose undisclosed compute date, parameters (some unknown) and maker predict.

    All models of Family-A and Family-D are of one maker, those of Family-B of two, and Family-C's are not stated.
    """
    spec = dated.spec.replace(compute_from=["released", "log10_params", "organization"])
    makers = {"Family-A": "Maker A", "Family-B": "Maker B", "Family-C": "", "Family-D": "Maker B"}
    models = dated.evals.models.assign(organization=lambda table: table["family"].map(makers))
    models.loc[models.index[models["family"] == "Family-B"][0], "organization"] = "Maker A"
    models.loc[::3, ["params_b", "tokens_t"]] = np.nan
    evals, truth = Evals(models, dated.evals.benchmarks, dated.evals.scores), simulate(factors=2)[1]
    slope = np.array([[0.5, 0.2], truth.slope, [0.8, -0.3]])
    x = np.nan_to_num(model_data(spec, evals).covariates)
    return posterior_near(evals, truth, spec, slope=slope, covariate_value=x)


@pytest.fixture(scope="session")
def prior(evals: Evals) -> PriorPredictive:
    """Six hundred draws from the priors alone; nothing is compiled for them."""
    return prior_predictive(simulation_spec(), evals, draws=600, random_seed=1)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, simulation: tuple[Evals, Truth]) -> list[tuple[str, int, int]]:
    """Fits of a comparison are draws around the truth; what was asked for is noted as spec, seed, number of scores."""
    asked: list[tuple[str, int, int]] = []

    def fit(spec: Any, evals: Evals, random_seed: int, **settings: Any) -> Posterior:
        asked.append((spec.name, random_seed, len(evals)))
        if spec.name == "impossible":
            raise FitError("Sampling failed.")
        return posterior_near(evals, simulation[1], spec, draws=100, seed=random_seed % 1000)

    def loo(posterior: Posterior) -> Any:
        cells = np.random.default_rng(0).normal(1, 0.2, (4, 50, len(posterior.evals)))
        likelihood = xr.Dataset({"score": (("chain", "draw", "cell"), cells)})
        return _arviz.loo(_arviz.inference_data({"log_likelihood": likelihood}), "score", reff=1)

    monkeypatch.setattr(importlib.import_module("bayescale.methods"), "fit", fit)
    monkeypatch.setattr(importlib.import_module("bayescale.evaluation.compare.assess"), "loo", loo)
    return asked


@pytest.fixture(scope="session")
def result(evals: Evals, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    """A backtest of three guesses, two of them named as baselines."""
    tasks = make_tasks(evals, tmp_path_factory.mktemp("plots"))
    return backtest([Guess("mine", width=0.3), Guess("pc_3"), Partial("last_sibling", width=0.05)], tasks)


@pytest.fixture(scope="session")
def comparison(posterior: Posterior, two_factors: Posterior) -> Comparison:
    """Two specs, of which "b" is the better by a nat a model, and a question."""
    parts = {}
    for name, fitted, shift in (("a", posterior, -1.0), ("b", two_factors, 0.0)):
        names = fitted.evals.model_names
        values = pd.Series(np.random.default_rng(1).normal(0, 1, len(names)) + shift, names)
        folds = pd.DataFrame({"left_out": ["model"], "fold": [2], "rhat": [1.0]})
        parts[name] = Assessment(fitted, SimpleNamespace(), {"model": values}, folds, 1.0)  # type: ignore[arg-type]
    return Comparison(parts, {"family": "Family-B", "flops": 1e25})


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are saved as drafts."""
    save_drafts(monkeypatch)


# What a process does once, Typer's commands and reading a posterior file, is done once for all commands of the tests.
_commands = functools.cache(typer.main.get_command)
_read_once = functools.cache(_arviz.read_netcdf)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, drafts: None) -> Run:
    """Run a command in this process: exit code, stdout, stderr; usage errors are on one line and without colours."""
    monkeypatch.setattr(typer.main, "get_command", _commands)
    monkeypatch.setattr(_arviz, "read_netcdf", _read_once)
    for name, value in {"TERM": "dumb", "COLUMNS": "500", "LINES": "50"}.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: object) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, so that fixtures of a module are made once, not in each process."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log) if config.getvalue("dist") == "load" else None


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives as long as the process: modules of libraries, and thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for a fit that is really sampled, or for programs, waits for a compilation."""
    for item in items:
        if {"sampled", "program", "programs"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.heavy)


@dataclass(frozen=True)
class Sampled:
    """Fits of one small model that was compiled once."""

    posterior: Posterior
    same_seed: Posterior
    other_seed: Posterior
    warnings: list[warnings.WarningMessage]


@pytest.fixture(scope="session")
def sampled(evals: Evals, tmp_path_factory: pytest.TempPathFactory) -> Sampled:
    """Fits too short to converge. Compiling takes most of a minute, so it is done once, whatever runs how often."""
    return once(tmp_path_factory, "sampled", lambda: _sample(evals))


SHORT = {"draws": 60, "tune": 80, "chains": 2, "cores": 2, "progressbar": False}


def _sample(evals: Evals) -> Sampled:
    from bayescale.inference import compile as compiled
    from bayescale.methods import fit

    def run(seed: int) -> Posterior:
        return fit(simulation_spec(), evals, random_seed=seed, **SHORT)

    compiled._kept.clear()  # compiled for these scores, not for others
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = run(1)
        issued = list(caught)
        return Sampled(first, run(1), run(2), [_plain(w) for w in issued])


def _plain(warning: warnings.WarningMessage) -> warnings.WarningMessage:
    return warnings.WarningMessage(warning.message, warning.category, warning.filename, warning.lineno)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """Make a value in the first of the test processes that asks for it, and hand it to the others in a file."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make()
    shared = factory.getbasetemp().parent
    finished, claim = shared / f"{name}.pickle", shared / f"{name}.claimed"
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        while not finished.exists():
            time.sleep(0.2)
        value, error = pickle.loads(finished.read_bytes())
    else:
        value = error = None
        try:
            value = make()
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"
        partial = finished.with_suffix(".partial")
        partial.write_bytes(pickle.dumps((value, error)))
        partial.rename(finished)
    if error:
        pytest.fail(f"the fixture {name!r} could not be made: {error}")
    return value
