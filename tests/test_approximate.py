"""Approximations: exact where the posterior is Gaussian, honest where it is not, and marked wherever they are shown."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import Run, Sampled
from scipy.stats import multivariate_normal, multivariate_t
from simulate import world_spec

from bayescale.approximate import METHODS
from bayescale.approximate.fit import weighed
from bayescale.approximate.laplace import Proposal
from bayescale.approximate.program import Program
from bayescale.compare import compare
from bayescale.diagnostics import Approximation
from bayescale.errors import ApproximationWarning, CompareError, FitError, MissingDependencyError
from bayescale.evals import Evals
from bayescale.fit import fit
from bayescale.posterior import Posterior
from bayescale.report import live_forecast

MEAN = np.array([0.5, 1.0, -2.0, 0.3, 0.0])
COVARIANCE = np.cov(np.random.default_rng(3).normal(size=(5, 40)) * np.array([[0.3], [2.0], [0.5], [1.0], [0.7]]))
MARK = "approximate (laplace, Pareto k = 5.4)"


def compiled(log_density: Any, gradient: Any, size: int = 5) -> Any:
    """What nutpie compiles, in plain Python: a scalar `tau`, a vector `x`, and their sum as a further variable."""
    doubles = ctypes.POINTER(ctypes.c_double)

    @ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, doubles, doubles, doubles, ctypes.c_void_p)
    def density(n: int, x: Any, out: Any, value: Any, _: Any) -> int:
        point = np.ctypeslib.as_array(x, (n,))
        np.ctypeslib.as_array(out, (n,))[:] = gradient(point)
        value[0] = log_density(point)
        return 0 if np.isfinite(value[0]) else 4

    @ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, doubles, doubles, ctypes.c_void_p)
    def expand(n: int, _n: int, x: Any, out: Any, _: Any) -> int:
        point = np.ctypeslib.as_array(x, (n,))
        np.ctypeslib.as_array(out, (n + 1,))[:] = [*point, point.sum()]
        return 0

    names, shapes = ["tau", "x", "total"], [np.array([], int), np.array([size - 1]), np.array([], int)]
    slices = [slice(0, 1), slice(1, size), slice(size, size + 1)]
    return SimpleNamespace(
        n_dim=size, n_expanded=size + 1, shape_info=(names, slices, shapes), user_data=np.zeros(1),
        compiled_logp_func=SimpleNamespace(ctypes=density), compiled_expand_func=SimpleNamespace(ctypes=expand),
        initial_point_func=lambda seed: np.zeros(size), dims={"x": ("item",)},
        coords={"item": np.array(list("abcd"))},
    )  # fmt: skip


@pytest.fixture
def gaussian() -> Program:
    law, precision = multivariate_normal(MEAN, COVARIANCE), np.linalg.inv(COVARIANCE)
    return Program(compiled(lambda x: law.logpdf(x) + 7.0, lambda x: precision @ (MEAN - x)), cores=2)


def near(draws: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What a warm-up would leave: somewhere to start, and draws that tell of the pooled sds."""
    late = np.random.default_rng(seed).multivariate_normal(MEAN, COVARIANCE, draws)
    return late[-1].copy(), late


def test_laplace_is_exact_where_the_posterior_is_gaussian(gaussian: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["bayescale.approximate.laplace"], "_region", lambda *_: near(200_000))
    monkeypatch.setattr(sys.modules["bayescale.approximate.laplace"], "_LEAST_CURVATURE", 1e-6)
    found = METHODS["laplace"](gaussian, 20_000, 1)
    np.testing.assert_allclose(found.points.mean(axis=0), MEAN, atol=4 * np.sqrt(np.diag(COVARIANCE) / 20_000).max())
    np.testing.assert_allclose(np.cov(found.points.T), COVARIANCE, atol=0.05 * COVARIANCE.max())
    # The two densities differ by the constant that the first one lacks, but for the noise in what tells of the sds.
    np.testing.assert_allclose(found.log_density - found.log_proposal, 7.0, atol=0.2)


def test_laplace_does_without_pooled_sds(gaussian: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    gaussian.scalar[:] = False
    monkeypatch.setattr(sys.modules["bayescale.approximate.laplace"], "_region", lambda *_: near(10))
    monkeypatch.setattr(sys.modules["bayescale.approximate.laplace"], "_LEAST_CURVATURE", 1e-6)
    found = METHODS["laplace"](gaussian, 50, 1)
    np.testing.assert_allclose(found.log_density - found.log_proposal, 7.0, atol=1e-3)


def test_a_fair_approximation_is_corrected_by_its_weights(gaussian: Program) -> None:
    """Draws from a Gaussian half a standard deviation off, and wider: their weights bring them home."""
    wide = multivariate_normal(MEAN + 0.5 * np.sqrt(np.diag(COVARIANCE)), 1.6 * COVARIANCE)
    points = wide.rvs(20_000, random_state=np.random.default_rng(0))
    groups, found = weighed(gaussian, Proposal(points, gaussian.densities(points), wide.logpdf(points)), "laplace", 0)
    assert found.pareto_k < 0.7
    assert found.resampled
    assert 50 < found.effective_draws < 20_000
    posterior = groups["posterior"]
    assert posterior["x"].dims == ("chain", "draw", "item")
    assert posterior["item"].values.tolist() == list("abcd")
    np.testing.assert_allclose(posterior["total"], posterior["tau"] + posterior["x"].sum("item"))
    off = posterior["x"].mean(("chain", "draw")).to_numpy() - MEAN[1:]
    assert (np.abs(off) < 0.1 * np.sqrt(np.diag(COVARIANCE)[1:])).all()


def test_an_approximation_that_misses_the_tails_is_said_and_left_alone() -> None:
    law = multivariate_t(np.zeros(5), np.eye(5), df=1)
    program = Program(compiled(law.logpdf, np.zeros_like))
    narrow = multivariate_normal(np.zeros(5), 0.02 * np.eye(5))
    points = narrow.rvs(2000, random_state=np.random.default_rng(0))
    groups, found = weighed(program, Proposal(points, law.logpdf(points), narrow.logpdf(points)), "laplace", 0)
    assert found.pareto_k > 0.7
    assert not found.resampled
    np.testing.assert_array_equal(groups["posterior"]["tau"].to_numpy()[0], points[:, 0])
    assert "not to be trusted" in found.problem
    assert f"Pareto k = {found.pareto_k:.1f}" in found.problem


def test_without_a_density_there_is_no_approximation(gaussian: Program) -> None:
    nowhere = Proposal(np.zeros((100, 5)), np.full(100, -np.inf), np.zeros(100))
    with pytest.raises(FitError, match="without method"):
        weighed(gaussian, nowhere, "laplace", 0)


@pytest.mark.heavy
def test_pathfinder_finds_a_gaussian(gaussian: Program) -> None:
    pytest.importorskip("pymc_extras")
    found = METHODS["pathfinder"](gaussian, 2000, 1)
    assert found.points.shape == (2000, 5)
    np.testing.assert_allclose(found.points.mean(axis=0), MEAN, atol=0.15 * np.sqrt(np.diag(COVARIANCE)).max())
    # Its own density is normalised; the one that it approximates lacks a constant.
    assert np.median(found.log_density - found.log_proposal) == pytest.approx(7.0, abs=0.3)


def test_pathfinder_asks_for_its_library(gaussian: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymc_extras", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bayescale\[approximate\]'"):
        METHODS["pathfinder"](gaussian, 100, 0)


def test_a_method_that_there_is_not(evals: Evals) -> None:
    with pytest.raises(FitError, match="laplace, pathfinder"):
        fit(world_spec(), evals, method="advi")  # type: ignore[arg-type]


def test_whoever_watches_sees_that_it_is_an_approximation(evals: Evals, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, bool]] = []

    @contextmanager
    def working(what: str, shown: bool) -> Iterator[None]:
        said.append((what, shown))
        yield

    def failing(*_: Any) -> Proposal:
        raise FitError("far enough")

    room = sys.modules["bayescale.approximate.fit"]
    monkeypatch.setattr(room, "working", working)
    monkeypatch.setattr(room, "Program", lambda *_: None)
    monkeypatch.setattr("bayescale.compiled.compiled_for", lambda *_: None)
    monkeypatch.setitem(METHODS, "laplace", failing)
    for shown in (True, False):
        said.clear()
        with pytest.raises(FitError, match="far enough"):
            fit(world_spec(), evals, method="laplace", progressbar=shown)
        assert said == [("Compiling the model", shown), ("Approximating (laplace)", shown)]


# The mark


@pytest.fixture(scope="module")
def approximated(posterior: Posterior) -> Posterior:
    """A posterior that claims to be an approximation; it would have passed for a sample."""
    assert posterior.converged
    found = Approximation(method="laplace", pareto_k=5.4, resampled=False, effective_draws=1.2)
    sampling = {"method": "laplace", "pareto_k": 5.4, "seconds": 4.0}
    return Posterior.from_draws(posterior.idata, posterior.spec, posterior.evals, sampling, found)


def test_an_approximation_never_converged(approximated: Posterior) -> None:
    assert not approximated.converged
    assert np.isnan([approximated.verdict.rhat, approximated.verdict.ess_bulk]).all()
    assert MARK in repr(approximated)
    assert str(approximated.verdict).startswith(f"NOT a sample: {MARK}")
    assert "fit(...) without method" in str(approximated.verdict)


def test_the_mark_is_kept_in_the_file(approximated: Posterior, tmp_path: Path) -> None:
    loaded = Posterior.load(approximated.save(tmp_path / "p.nc"))
    assert loaded.verdict.approximation == approximated.verdict.approximation
    assert loaded.sampling["method"] == "laplace"
    assert not loaded.converged


def test_a_sample_carries_no_mark(posterior: Posterior) -> None:
    forecast = posterior.forecast(family=posterior.evals.families[0], flops=1e25)
    assert set(forecast.summary()["interval"]) == {"equal-tailed"}
    assert "approximate" not in repr(forecast) + repr(posterior)


@pytest.mark.filterwarnings("ignore::bayescale.errors.ApproximationWarning")
def test_every_table_of_intervals_says_so(approximated: Posterior) -> None:
    family, benchmark, other = approximated.evals.families[0], *approximated.evals.benchmark_names[:2]
    forecast = approximated.forecast(family=family, flops=1e25)
    gain = approximated.gain(benchmark, over=other, family=family)
    efficiency = approximated.efficiency()
    tables = {
        "fitted": approximated.summary(),
        "forecast": forecast.summary(),
        "efficiency": efficiency.summary(),
        "models": efficiency.summary(by="model"),
        "benchmarks": efficiency.summary(by="benchmark"),
        "emergence": approximated.emergence(benchmark, family).summary(),
        "gain": gain.summary(),
        "pays": gain.starts_to_pay(),
        "factors": approximated.factors.summary(),
        "page": live_forecast(approximated, draws=60).summary(family, 1e25),
    }
    unmarked = [name for name, table in tables.items() if not table["interval"].str.contains(MARK, regex=False).all()]
    assert unmarked == []
    information = approximated.information(other, [benchmark], family=family, flops=1e25)
    words = {
        "forecast": repr(forecast),
        "sentence": approximated.emergence(benchmark, family).statement(),
        "gain": repr(gain),
        "efficiency": repr(efficiency),
        "factors": repr(approximated.factors),
        "information": repr(information),
        "suggestion": repr(approximated.suggest_models(2)),
        "check": repr(approximated.predictive_check(draws=50)),
    }
    assert [name for name, text in words.items() if MARK not in text] == []


@pytest.mark.filterwarnings("ignore::bayescale.errors.ApproximationWarning")
def test_every_value_in_a_notebook_says_so(approximated: Posterior) -> None:
    families, benchmark, other = approximated.evals.families, *approximated.evals.benchmark_names[:2]
    one = {"family": families[0], "flops": 1e25}
    values = {
        "posterior": approximated,
        "verdict": approximated.verdict,
        "forecast": approximated.forecast(**one),
        "forecasts": approximated.forecast(family=families[:2], flops=1e25),
        "efficiency": approximated.efficiency(),
        "emergence": approximated.emergence(benchmark, families[0]),
        "gain": approximated.gain(benchmark, over=other, family=families[0]),
        "information": approximated.information(other, [benchmark], **one),
        "suggestion": approximated.suggest_models(2),
        "factors": approximated.factors,
        "check": approximated.predictive_check(draws=50),
    }
    shown = {name: value._repr_html_() for name, value in values.items()}
    assert [name for name, html in shown.items() if MARK not in html] == []
    # Where intervals are shown, their heading says it too, not only the headline.
    captions = ("forecast", "forecasts", "efficiency", "emergence", "gain", "factors")
    assert [name for name in captions if f"{MARK} equal-tailed credible interval" not in shown[name]] == []
    # There are no chains to tell of; the approximation's own figures stand in their place.
    assert "Pareto" in " ".join(approximated.verdict.remarks)
    assert approximated.verdict.table["pareto_k"].tolist() == [5.4]
    assert "<td>5.400</td>" in shown["posterior"]


@pytest.mark.filterwarnings("ignore::bayescale.errors.ApproximationWarning")
def test_exports_say_so(approximated: Posterior, posterior: Posterior, tmp_path: Path) -> None:
    forecast = approximated.forecast(family=approximated.evals.families[0], flops=1e25)
    assert pd.read_csv(forecast.to_csv(tmp_path / "f.csv"))["interval"].str.contains(MARK, regex=False).all()
    with xr.open_dataset(forecast.to_netcdf(tmp_path / "f.nc")) as draws:
        assert draws.attrs["approximation"] == MARK
    assert forecast.to_pandas(draws=True).attrs["approximation"] == MARK
    sampled = posterior.forecast(family=approximated.evals.families[0], flops=1e25)
    assert "approximation" not in sampled.to_xarray().attrs


@pytest.mark.filterwarnings("ignore::bayescale.errors.ApproximationWarning")
def test_every_picture_of_intervals_says_so(approximated: Posterior) -> None:
    from bayescale import plots

    family, benchmark, other = approximated.evals.families[0], *approximated.evals.benchmark_names[:2]
    forecast = approximated.forecast(family=family, flops=1e25)
    drawn = {
        "fan": forecast.plot_fan(benchmark),
        "intervals": forecast.plot_intervals(),
        "efficiency": plots.plot_efficiency(approximated.efficiency()),
        "emergence": plots.plot_emergence(approximated.emergence(benchmark, family)),
        "gain": plots.plot_gain(approximated.gain(benchmark, over=other, family=family)),
        "compute": plots.plot_capability_over_compute(approximated),
        "loadings": plots.plot_loadings(approximated),
        "shares": plots.plot_variance_shares(approximated),
        "information": approximated.information(other, [benchmark], family=family, flops=1e25).plot(),
        "suggestion": approximated.suggest_models(2).plot(),
        "check": plots.plot_pit(approximated.predictive_check(draws=50), benchmark),
    }

    def said(axes: Any) -> str:
        return " ".join([axes.get_xlabel(), axes.get_title(), axes.get_title(loc="left")]).replace("\n", " ")

    unmarked = [name for name, axes in drawn.items() if MARK not in said(axes)]
    plt.close("all")
    assert unmarked == []


def test_what_is_computed_from_it_warns(approximated: Posterior) -> None:
    with pytest.warns(ApproximationWarning, match="not a sample") as caught:
        approximated.forecast(family=approximated.evals.families[0], flops=1e25)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore::bayescale.errors.ApproximationWarning")
def test_the_page_says_so(approximated: Posterior) -> None:
    page = approximated.to_html(draws=60)
    head = page[page.index("<header>") : page.index("</header>")]
    assert f"Not a sample: {MARK}" in head
    assert "Converged." not in page
    assert "BFMI" not in page[page.index('id="verdict"') : page.index('id="data"')]


def test_commands_say_so(approximated: Posterior, run: Run, tmp_path: Path) -> None:
    file = approximated.save(tmp_path / "p.nc")
    code, out, _ = run("check", file)
    assert code == 1
    assert MARK in out
    asked = ("forecast", file, "--family", approximated.evals.families[0], "--flops", "1e25")
    code, out, err = run(*asked)
    assert code == 0
    assert MARK in out
    assert MARK in err
    code, out, _ = run(*asked, "--json", "-o", tmp_path / "f.json")
    document = json.loads(out)
    assert MARK in document["interval"]
    assert document["converged"] is False
    assert document["approximation"]["pareto_k"] == 5.4
    assert json.loads((tmp_path / "f.json").read_text()) == document
    for command in (("check", file), ("suggest", file, "--budget", "2")):
        _, out, _ = run(*command, "--json")
        assert json.loads(out)["approximation"]["method"] == "laplace"


def test_the_command_hands_the_method_on(
    approximated: Posterior, run: Run, evals: Evals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def quick(spec: Any, evals: Evals, **settings: Any) -> Posterior:
        asked.update(settings)
        return approximated

    monkeypatch.setattr(sys.modules["bayescale.fit"], "fit", quick)
    tables = evals.to_directory(tmp_path / "tables")
    code, out, err = run("fit", "--data", tables, "--method", "laplace", "-o", tmp_path / "p.nc")
    assert (code, out, asked["method"]) == (0, "", "laplace")
    assert "Approximated in 4 s" in err
    assert MARK in err
    assert "bayescale check" in err
    code, out, err = run("fit", "--data", tables, "--method", "laplace", "-o", tmp_path / "p.nc", "--json")
    assert json.loads(out)["approximation"]["pareto_k"] == 5.4
    assert f"Warning: this posterior is {MARK}" in err


def test_a_comparison_refuses_approximations(approximated: Posterior, evals: Evals) -> None:
    with pytest.raises(CompareError, match="not compared"):
        compare({"quick": approximated})
    with pytest.raises(CompareError, match="Leave method out"):
        compare(["one_factor"], evals, method="laplace")


# A model


@pytest.mark.heavy
def test_laplace_of_a_model(sampled: Sampled, evals: Evals) -> None:
    """Of the small world: the variables of a sample, in its dims, and expected scores near those that were sampled."""
    with pytest.warns(ApproximationWarning, match="laplace"):
        found = fit(world_spec(), evals, draws=500, random_seed=1, method="laplace")
    assert found.sampling["method"] == "laplace"
    assert not found.converged
    held, wanted = found.idata["posterior"], sampled.posterior.idata["posterior"]
    assert {n: v.dims for n, v in held.items()} == {n: v.dims for n, v in wanted.items()}
    dims = ("chain", "draw")
    seen = np.isfinite(evals.matrix().to_numpy())
    mine, theirs = (p.expected_scores() for p in (found, sampled.posterior))
    off = (mine.median(dims) - theirs.median(dims)).to_numpy()[seen] / theirs.std(dims).to_numpy()[seen]
    assert np.sqrt(np.mean(off**2)) < 1
    assert 0.5 < float((mine.std(dims) / theirs.std(dims)).median()) < 2
