"""The command line: what it prints, what it writes, how it ends."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from simulate import Truth, posterior_near

from bayescale import NEW_FAMILY, Evals, Posterior, Spec
from bayescale._intervals import PROB
from bayescale.cli import fitting, forecasting, show
from bayescale.cli.options import SEED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def saved(posterior: Posterior, folder: Path) -> Path:
    """A posterior that converged."""
    return posterior.save(folder / "posterior.nc")


@pytest.fixture(scope="module")
def rough(simulation: tuple[Evals, Truth], folder: Path) -> Path:
    """A posterior of a handful of draws, which does not pass."""
    return posterior_near(*simulation, Spec(factors=1), chains=2, draws=20).save(folder / "rough.nc")


@pytest.fixture(scope="module")
def tables(evals: Evals, folder: Path) -> Path:
    return evals.to_directory(folder / "tables")


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch, posterior: Posterior) -> dict[str, Any]:
    """Let `fit` return a ready posterior; what it was called with is handed over."""
    called: dict[str, Any] = {}

    def fit(spec: Spec, evals: Evals, **settings: Any) -> Posterior:
        called.update(spec=spec, evals=evals, **settings)
        return posterior

    # By import_module, since the attribute `fit` of the package is the function.
    monkeypatch.setattr(importlib.import_module("bayescale.methods"), "fit", fit)
    return called


# A user's mistakes

MISTAKES = [
    ("frecast", "'frecast'"),
    ("fit", "Missing option '--save'"),
    ("fit nope --save {new}", "There is no shipped spec 'nope'"),
    ("fit nope.yaml --save {new}", "There is no spec file 'nope.yaml'"),
    ("fit {damaged} --save {new}", "not YAML"),
    ("fit --save {folder}/none/posterior.nc", "there is no folder"),
    ("fit --save {folder}", "it is a folder"),
    ("fit --save {folder}/x.csv", "Cannot write 'x.csv': its ending is that of another format. Name it 'x.nc'"),
    ("report {saved} --html {folder}/r.pdf", "Name it 'r.html'"),
    ("forecast {saved} --family {family} --flops 1e25 --csv {folder}/a.xlsx", "Name it 'a.csv'"),
    ("check {folder}", "it is a folder"),
    ("check missing.md", "Make one: bayescale fit --save posterior.nc"),
    ("forecast {saved} --family Family-A,Family-B --flops 1e25", "mean 'Family-A' and 'Family-B', each by itself"),
    ("forecast {saved} --family {family} --flops 4x10^25", "'4x10^25' is not a number, such as 4e25"),
    ("fit --save {new} --random-seed abc", "'abc' is not a whole number"),
    ("fit --save {new} --target-accept 95", "'95' is not less than or equal to 1"),
    ("fit --save {new} --evals nope", "There is no set of evals 'nope'"),
    ("fit --save {new} --evals base-lms", "Did you mean 'base-llms'"),
    ("fit --save {new} --evals ./nope", "there is no such directory"),
    ("fit --save {new} --draws 0", "--draws"),
    ("fit --save {new} --draws many", "--draws"),
    ("fit --save {new} --random-seed -1", "--random-seed"),
    ("fit --save {new} --nuts-sampler stan", "nutpie"),
    ("fit --save {new} --target-accept 2", "--target-accept"),
    ("fit --save {new} --drws 5", "--drws"),
    ("check {folder}/none.nc", "There is no posterior file"),
    ("check {damaged}", "damaged or not a netCDF file"),
    ("forecast {saved}", "--family"),
    ("forecast {saved} --family F0 --new-family --flops 1e25", "not both"),
    ("forecast {saved} --family {near} --flops 1e25", "Did you mean '{family}'"),
    ("forecast {saved} --family X{family} --flops 1e25", "use --new-family."),
    ("forecast {saved} --family {family}", "--flops 4e25"),
    ("forecast {saved} --family {family} --flops 25", "--flops 25 is far below"),
    ("forecast {saved} --family {family} --flops huge", "--flops"),
    ("forecast {saved} --family {family} --flops 1e25 --prob 90", "Did you mean 0.9?"),
    ("forecast {saved} --family {family} --flops 1e25 --given {benchmark}", "BENCHMARK=SCORE"),
    ("forecast {saved} --family {family} --flops 1e25 --given {benchmark}=high", "BENCHMARK=SCORE"),
    ("forecast {saved} --family {family} --flops 1e25 --given {benchmark}=86%", "without a percent sign"),
    ("forecast {saved} --family {family} --flops 1e25 --given {benchmark}=86", "did you mean 0.86"),
    ("forecast {saved} --family {family} --flops 1e25 --given X{benchmark}=0.8", "Did you mean '{benchmark}'"),
    ("forecast {saved} --family {family} --flops 1e25 --given {benchmark}=0.8 --given {benchmark}=0.7", "given twice"),
    ("forecast {saved} --family {family} --flops 1e25 stray", "stray"),
    ("forecast {saved} --family {family} --flops 1e25 --above {benchmark}", "BENCHMARK=SCORE"),
    ("forecast {saved} --family {family} --flops 1e25 --above {benchmark}=90", "did you mean 0.9"),
    ("forecast {saved} --family {family} --flops 1e25 --above {benchmark}=0.9 MMLU=0.9", "Repeat the option"),
    ("forecast {saved} --family {family} --flops 1e25 --csv {folder}/none/a.csv", "there is no folder"),
    ("forecast {saved} --family {family} --flops 1e25 --csv {folder}", "it is a folder"),
    ("forecast {saved} --family {family} --flops 1e25 --plot {folder}/a.doc", ".png"),
    ("forecast {saved} --family {family} --flops 1e25 -o {folder}/a.csv", "Use --csv FILE or --parquet FILE"),
    ("forecast {saved} --family {family} --flops 1e25 --netcdf {folder}/none/a.nc", "there is no folder"),
    ("forecast {saved} --family {family} --prob 2 --flops 1e25", "--prob 2 is not a probability"),
    (
        "forecast {saved} --family {family} --flops 4e25 --params 1e9 --tokens 1e11",
        "--flops 4e+25 contradicts --params 1e+09 and --tokens 1e+11",
    ),
    ("data validate", "DIR"),
    # Options of version 0.1 name the new ones.
    ("fit --seed 1 --save {new}", "Use --random-seed"),
    ("fit -o {new}", "Use --save FILE"),
    ("fit --data base-llms --save {new}", "Use --evals"),
    ("check {saved} -o {folder}/pit.png", "Use --csv FILE or --plot FILE"),
    ("forecast {saved} --new-family --params-b 400", "Use --params, a plain number"),
    ("suggest {saved} --budget 3 --up-to 1e24", "Use --max-flops"),
    ("compare --prior slope=Normal(0,1) -o {new}", "Use --priors"),
    ("demo --output {new}", "Use --out"),
    ("demo -o {damaged}", "a file has this name"),
]


@pytest.mark.parametrize(("command", "words"), MISTAKES, ids=[c for c, _ in MISTAKES])
def test_a_mistake_is_one_message_and_code_2(
    command: str, words: str, run: Run, saved: Path, folder: Path, evals: Evals
) -> None:
    damaged = folder / "damaged.yaml"
    damaged.write_text("factors: [1")
    family, benchmark = evals.families[0], evals.benchmark_names[0]
    place = {"saved": saved, "folder": folder, "damaged": damaged, "new": folder / "new.nc"}
    names = {"family": family, "near": f"{family}x", "benchmark": benchmark}
    before = sorted(folder.rglob("*"))

    code, out, err = run(*(part.format(**place, **names) for part in command.split(" ")))

    assert code == 2
    assert words.format(**names) in err
    assert err.startswith(("Error: ", "Usage: "))
    assert "Traceback" not in err
    assert out == ""
    assert sorted(folder.rglob("*")) == before


def test_an_unknown_family_is_no_reason_to_speak_of_convergence(run: Run, rough: Path) -> None:
    _, _, err = run("forecast", rough, "--family", "nope", "--flops", "1e25")
    assert "converge" not in err


def test_version(run: Run) -> None:
    import bayescale

    assert run("--version") == (0, f"bayescale {bayescale.__version__}\n", "")


def test_defaults_are_those_of_the_library() -> None:
    # They stand in the command line once more so that `--help` need not load the library.
    typed = {k: p.default for k, p in inspect.signature(fitting.fit).parameters.items()}
    library = {
        k: p.default
        for k, p in inspect.signature(importlib.import_module("bayescale.inference.sample").fit).parameters.items()
    }
    for name in ("tune", "chains", "cores", "max_minutes"):
        assert typed[name] == library[name], name
    for name in ("draws", "target_accept"):
        assert (typed[name], library[name]) == (None, "auto"), "without, until the chains converge"
    assert typed["nuts_sampler"] == library["nuts_sampler"]
    assert inspect.signature(forecasting.forecast).parameters["prob"].default == PROB


# fit


def test_fit_saves_what_the_library_returns(
    run: Run, fitted: dict[str, Any], tables: Path, posterior: Posterior, tmp_path: Path
) -> None:
    target = tmp_path / "posterior.nc"
    settings = ["--draws", 7, "--tune", 8, "--chains", 3, "--cores", 2, "--target-accept", 0.9, "--random-seed", 5]

    code, out, err = run("fit", "two_factors", "--evals", tables, *settings, "--nuts-sampler", "pymc", "--save", target)

    assert code == 0
    assert fitted["spec"].name == "two_factors"
    assert fitted["evals"].identity == posterior.evals.identity
    called = {
        k: fitted[k] for k in ("draws", "tune", "chains", "cores", "target_accept", "random_seed", "nuts_sampler")
    }
    assert list(called.values()) == [7, 8, 3, 2, 0.9, 5, "pymc"]
    assert Posterior.load(target).identity == posterior.identity
    assert out.startswith("Converged.")
    assert f"forecast {target} --family " in err


def test_fit_takes_a_set_that_ships_by_name(run: Run, fitted: dict[str, Any], tmp_path: Path) -> None:
    assert run("fit", "--save", tmp_path / "p.nc")[0] == 0
    assert (fitted["spec"].name, fitted["evals"].name) == ("default", "base-llms")


def test_fit_takes_a_folder_in_the_working_directory(
    run: Run, fitted: dict[str, Any], tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tables.parent)
    assert run("fit", "--evals", tables.name, "--save", tmp_path / "p.nc")[0] == 0
    assert fitted["evals"].name == tables.name


def test_fit_warns_once_and_saves_when_it_did_not_converge(
    run: Run, rough: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bayescale.errors import ConvergenceWarning

    def fit(*_: Any, **__: Any) -> Posterior:
        import warnings

        actual = Posterior.load(rough)
        warnings.warn(ConvergenceWarning(str(actual.convergence)), stacklevel=2)
        return actual

    monkeypatch.setattr(importlib.import_module("bayescale.methods"), "fit", fit)
    target = tmp_path / "p.nc"
    code, out, err = run("fit", "--save", target)
    assert (code, out) == (0, "")
    assert err.count("NOT converged") == 1
    assert "ConvergenceWarning" not in err
    assert target.is_file()


# check


def test_check_says_yes(run: Run, saved: Path, posterior: Posterior) -> None:
    code, out, err = run("check", saved)
    assert (code, err) == (0, "")
    assert str(posterior.convergence) in out


def test_check_says_no(run: Run, rough: Path) -> None:
    code, out, err = run("check", rough)
    assert (code, err) == (1, "")
    assert "NOT converged" in out
    assert "Use about" in out


def test_check_as_json(run: Run, rough: Path) -> None:
    code, out, _ = run("check", rough, "--json")
    actual = json.loads(out)
    assert code == 1
    assert actual["converged"] is False
    assert actual["problems"]
    assert {b["name"] for b in actual["blocks"]} >= {"expected scores", "forecasts"}


# forecast


def test_forecast_prints_every_number(run: Run, saved: Path, posterior: Posterior) -> None:
    families = posterior.evals.families[:2]
    code, out, err = run("forecast", saved, "--family", families[0], "--family", families[1], "--flops", "1e25")
    assert (code, err) == (0, "")
    assert "90% equal-tailed" in out
    _holds(out, posterior.forecast(family=families, flops=1e25, random_seed=SEED).summary())


@pytest.mark.parametrize("width", [20, 60, 100])
def test_a_narrow_terminal_cuts_nothing(
    width: int, run: Run, saved: Path, posterior: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "_width", lambda *_: width)
    families = posterior.evals.families
    _, out, _ = run("forecast", saved, *(a for f in families for a in ("--family", f)), "--flops", "1e25")
    _holds(out, posterior.forecast(family=families, flops=1e25, random_seed=SEED).summary())


def _holds(out: str, table: pd.DataFrame) -> None:
    assert "…" not in out
    for row in table.itertuples():
        assert f"{row.median:.2f} [{row.lower:.2f}, {row.upper:.2f}]" in out
        assert str(row.benchmark) in out
        assert str(row.model).split(",")[0] in out


def test_forecast_as_json_is_the_library_s(run: Run, saved: Path, posterior: Posterior) -> None:
    family, (first, second) = posterior.evals.families[0], posterior.evals.benchmark_names[:2]
    given = {first: 0.6, second: 0.5}

    # People write several scores after one --given.
    arguments = ["--family", family, "--flops", "1e25", "--given", f"{first}=0.6", f"{second}=0.5", "--prob", 0.5]
    code, out, _ = run("forecast", saved, *arguments, "--json")

    assert code == 0
    actual = json.loads(out)
    assert (actual["prob"], actual["interval"], actual["given"]) == (0.5, "equal-tailed", given)
    expected = posterior.forecast(family=family, flops=1e25, given=given, random_seed=SEED).summary(prob=0.5)
    rows = pd.DataFrame(actual["forecasts"])
    assert (rows["flops"] == 1e25).all()
    assert rows["given"].isna().any()
    pd.testing.assert_frame_equal(rows[expected.columns], pd.DataFrame(expected), check_dtype=False, rtol=1e-12)


def test_forecast_as_csv_is_the_library_s(run: Run, saved: Path, posterior: Posterior, tmp_path: Path) -> None:
    target = tmp_path / "forecast.csv"
    code, out, err = run("forecast", saved, "--new-family", "--params", 4e11, "--tokens", 1.5e13, "--csv", target)
    assert code == 0
    assert f"Wrote {target}" in err
    assert out
    rows = pd.read_csv(target)
    expected = posterior.forecast(family=NEW_FAMILY, params=400e9, tokens=15e12, random_seed=SEED).summary()
    np.testing.assert_allclose(rows["flops"], 3.6e25)
    pd.testing.assert_frame_equal(rows[expected.columns], pd.DataFrame(expected), check_dtype=False, rtol=1e-12)
    assert list(tmp_path.iterdir()) == [target]


def test_forecast_adds_probabilities(run: Run, saved: Path, posterior: Posterior) -> None:
    family, benchmark = posterior.evals.families[0], posterior.evals.benchmark_names[0]
    line = ["forecast", saved, "--family", family, "--flops", "1e24", "--above", f"{benchmark}=0.7"]
    expected = posterior.forecast(family, 1e24, random_seed=SEED).probability(benchmark, above=0.7)
    code, out, _ = run(*line)
    assert code == 0
    assert f"Probability of {benchmark} > 0.7, of scores that you would measure:" in out
    assert f"  {expected['model'].iloc[0]}: {expected['probability'].iloc[0]:.2f}" in out
    code, out, _ = run(*line, "--below", f"{benchmark}=0.8", "--json")
    actual = json.loads(out)
    assert (actual["above"], actual["below"]) == ({benchmark: 0.7}, {benchmark: 0.8})
    assert actual["probabilities"][0]["probability"] < expected["probability"].iloc[0]


def test_one_size_for_each_model(run: Run, saved: Path, posterior: Posterior) -> None:
    a, b = posterior.evals.families[:2]
    _, out, _ = run("forecast", saved, "--family", a, "--family", b, "--flops", "1e24", "--flops", "1e25", "--json")
    sizes = {row["family"]: row["flops"] for row in json.loads(out)["forecasts"]}
    assert sizes == {a: 1e24, b: 1e25}


@pytest.mark.parametrize(("name", "magic"), [("fan.png", b"\x89PNG"), ("fan.pdf", b"%PDF"), ("fan.svg", b"<?xml")])
def test_forecast_draws(name: str, magic: bytes, run: Run, rough: Path, tmp_path: Path) -> None:
    target = tmp_path / name
    code, _, err = run("forecast", rough, "--new-family", "--flops", "1e25", "--plot", target)
    assert code == 0
    assert target.read_bytes().startswith(magic)
    # Drawing forecasts again and again, each with a warning of its own.
    assert err.count("did not converge") == 1
    assert ".py:" not in err
    assert list(tmp_path.iterdir()) == [target]


def test_json_is_alone_on_stdout_when_there_is_a_warning(run: Run, rough: Path) -> None:
    code, out, err = run("forecast", rough, "--new-family", "--flops", "1e25", "--json")
    assert code == 0
    assert json.loads(out)["converged"] is False
    assert err.startswith("Warning: this posterior did not converge")


def test_a_spec_without_compute_is_drawn_as_intervals(
    simulation: tuple[Evals, Truth], run: Run, tmp_path: Path
) -> None:
    spec = Spec(factors=1, covariates=("log10_params", "log10_tokens"))
    file = posterior_near(*simulation, spec, chains=2, draws=20).save(tmp_path / "p.nc")
    code, _, err = run(
        "forecast", file, "--new-family", "--params", 4e11, "--tokens", 1.5e13, "--plot", tmp_path / "a.png"
    )
    assert code == 0, err


# data and specs


def test_tables_in_order(run: Run, tables: Path) -> None:
    code, out, err = run("data", "validate", tables)
    assert (code, err) == (0, "")
    assert "Usable.\nNext: " in out


def test_every_problem_is_listed(run: Run, evals: Evals, tmp_path: Path) -> None:
    folder = evals.to_directory(tmp_path / "bad")
    with (folder / "scores.csv").open("a") as file:
        file.writelines([f"nobody,{evals.benchmark_names[0]},0.5,x\n", f"{evals.model_names[0]},nothing,57.3,x\n"])
    header = (folder / "scores.csv").read_text().splitlines()[0]
    assert header == "model,benchmark,score,source"

    code, out, err = run("data", "validate", folder)

    assert code == 2
    assert "'nobody'" in out
    assert "'nothing'" in out
    assert "percentage" in out
    assert "3 errors" in err


def test_notes_are_said_once_and_allowed(run: Run, evals: Evals, tmp_path: Path) -> None:
    folder = evals.to_directory(tmp_path / "repeated")
    lines = (folder / "scores.csv").read_text().splitlines()
    (folder / "scores.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    code, out, err = run("data", "validate", folder)
    assert (code, err) == (0, "")
    assert out.count("note: ") == 1
    assert "has this score already" in out

    (folder / "scores.csv").write_text(lines[0] + "\n")
    _, out, _ = run("data", "validate", folder)
    assert "a fit needs some" in out
    assert "fit --evals" not in out


def test_data_list(run: Run) -> None:
    code, out, _ = run("data", "list")
    assert code == 0
    assert out.split()[:5] == ["name", "title", "models", "benchmarks", "scores"]
    assert "base-llms-all" in out


def test_specs(run: Run) -> None:
    import bayescale

    code, out, _ = run("specs")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:] if not line.startswith(" ")] == bayescale.list_specs()
    assert bayescale.load_spec("default").title in " ".join(out.split())
