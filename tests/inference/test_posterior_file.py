"""A posterior as a file: it comes back whole, and nothing that is not one gets in."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import arviz as az
import h5py
import numpy as np
import pytest
import xarray as xr
from fixtures.make_posteriors import forecasts
from quick import first_quick
from simulate import Truth, posterior_near, simulation_spec

from bayescale._arviz import dataset, group_names, inference_data
from bayescale.errors import BayescaleError, ConvergenceWarning, FileError
from bayescale.evals import Evals
from bayescale.inference.hdf5_check import refusal
from bayescale.inference.storage import FORMAT
from bayescale.methods import Posterior
from bayescale.model.spec import Spec

POSTERIORS = Path(__file__).parents[1] / "fixtures" / "posteriors"

ASK: dict[str, Any] = {"family": "Family-A", "flops": 4e25}


@pytest.fixture(scope="module")
def small(simulation: tuple[Evals, Truth]) -> Posterior:
    return posterior_near(*simulation, Spec(factors=1), draws=500)


@pytest.fixture(scope="module")
def saved(small: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.save(tmp_path_factory.mktemp("saved") / "posterior.nc")


@pytest.fixture
def file(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copy(saved, tmp_path / "posterior.nc"))


def test_a_loaded_posterior_is_the_saved_one(small: Posterior, saved: Path) -> None:
    loaded = Posterior.load(saved)
    assert loaded.spec == small.spec
    assert loaded.evals.identity == small.evals.identity
    assert loaded.evals.name == small.evals.name
    assert loaded.identity == small.identity
    assert loaded.convergence == small.convergence
    assert dict(loaded.sampling) == dict(small.sampling)
    assert set(group_names(loaded.idata)) == set(group_names(small.idata))
    for group in group_names(small.idata):
        ours, theirs = (dataset(of.idata[group]).drop_attrs() for of in (loaded, small))
        xr.testing.assert_identical(ours, theirs)


@pytest.mark.parametrize("given", [None, {"bench-1": 0.8, "bench-4": 0.5}])
def test_a_loaded_posterior_forecasts_exactly_the_same_numbers(small: Posterior, saved: Path, given: Any) -> None:
    for path in (saved, str(saved)):
        ours, theirs = (p.forecast(**ASK, given=given, random_seed=0) for p in (small, Posterior.load(path)))
        xr.testing.assert_identical(ours.draws, theirs.draws)
        assert ours.summary().equals(theirs.summary())


def test_a_posterior_with_the_digits_of_its_priors_comes_back(simulation: tuple[Evals, Truth], tmp_path: Path) -> None:
    spec = Spec(name="mine", factors=1, priors={"family_sd": "HalfNormal(0.123456789012345)"})
    posterior = posterior_near(*simulation, spec, chains=2, draws=20)
    loaded = Posterior.load(posterior.save(tmp_path / "posterior.nc"))
    assert loaded.spec == spec
    assert loaded.spec.priors.family_sd.parameters["sigma"] == 0.123456789012345


def test_names_in_any_script_come_back(simulation: tuple[Evals, Truth], tmp_path: Path) -> None:
    evals, truth = simulation
    tables = [evals.models, evals.benchmarks, evals.scores]
    names = ("model", "family", "benchmark")
    named = Evals(*(t.assign(**{n: "千é😀" + t[n] for n in names if n in t}) for t in tables))
    posterior = posterior_near(named, truth, simulation_spec(), chains=2, draws=20)
    back = Posterior.load(posterior.save(tmp_path / "posterior.nc"))
    assert back.evals.identity == named.identity
    for name in names:
        assert (
            back.idata["posterior"][name].to_numpy().tolist() == posterior.idata["posterior"][name].to_numpy().tolist()
        )


def test_the_file_stands_alone_and_opens_in_arviz(small: Posterior, saved: Path) -> None:
    idata = az.from_netcdf(str(saved), engine="h5netcdf")
    xr.testing.assert_allclose(idata["posterior"]["loading"], small.idata["posterior"]["loading"])
    assert [p.name for p in saved.parent.iterdir()] == ["posterior.nc"]


def test_saving_again_after_loading_replaces_the_file_that_was_read(small: Posterior, file: Path) -> None:
    loaded = Posterior.load(file)
    assert loaded.save(file) == file
    again = Posterior.load(file)
    xr.testing.assert_identical(again.forecast(**ASK, random_seed=0).draws, small.forecast(**ASK, random_seed=0).draws)


def test_a_posterior_of_one_chain_can_be_saved_and_loaded(simulation: tuple[Evals, Truth], tmp_path: Path) -> None:
    """Its R-hat is not a number, and that too has to come back."""
    posterior = posterior_near(*simulation, Spec(factors=1), chains=1, draws=50)
    assert not posterior.converged
    loaded = Posterior.load(posterior.save(tmp_path / "posterior.nc"))
    assert not loaded.converged
    assert loaded.convergence.problems == posterior.convergence.problems


def test_a_posterior_with_constant_quantities_can_be_saved_and_loaded(
    simulation: tuple[Evals, Truth], tmp_path: Path
) -> None:
    posterior = posterior_near(*simulation, Spec(factors=1), chains=2, draws=20)
    fixed = copy.deepcopy(posterior.idata)
    fixed["posterior"]["log_precision"][:] = 5.0
    constant = Posterior.from_draws(fixed, posterior.spec, posterior.evals, {})
    loaded = Posterior.load(constant.save(tmp_path / "posterior.nc"))
    assert loaded.convergence == constant.convergence


# Files of version 0.1.0, whose convergence reports held `approximation`, and whose settings held `method`


def test_a_sampled_posterior_of_version_0_1_0_loads(small: Posterior, file: Path) -> None:
    sampling = {"method": "nuts", **small.sampling}
    with h5py.File(file, "r+") as content:
        content.attrs["bayescale_version"] = "0.1.0"
        report = content.attrs["bayescale_verdict"]
        content.attrs["bayescale_verdict"] = report.removesuffix("}") + ',"approximation":null}'
        content.attrs["bayescale_sampling"] = json.dumps(sampling)
    loaded = Posterior.load(file)
    assert loaded.converged
    assert loaded.convergence == small.convergence
    assert loaded.identity == small.identity
    assert dict(loaded.sampling) == sampling
    xr.testing.assert_identical(loaded.forecast(**ASK, random_seed=0).draws, small.forecast(**ASK, random_seed=0).draws)


def test_an_approximated_posterior_of_version_0_1_0_loads_and_stays_not_converged(small: Posterior, file: Path) -> None:
    problem = "This is an approximation (laplace), not a sample: Pareto k = 5.4 (above 0.7: not to be trusted)."
    report = (
        '{"converged":false,"chains":1,"draws":1000,"divergences":0,"max_depth_hits":0,"bfmi":NaN,"blocks":[],'
        f'"problems":["{problem}"],"approximation":'
        '{"method":"laplace","pareto_k":5.4,"resampled":false,"effective_draws":1.2}}'
    )
    sampling = {"method": "laplace", "draws": 1000, "chains": 1, "pareto_k": 5.4, "random_seed": 1, "seconds": 4.0}
    with h5py.File(file, "r+") as content:
        content.attrs["bayescale_version"] = "0.1.0"
        content.attrs["bayescale_verdict"] = report
        content.attrs["bayescale_sampling"] = json.dumps(sampling)
        for name in set(content["sample_stats"]) - {"chain", "draw", "lp"}:
            del content[f"sample_stats/{name}"]
    # Once more through a file: what is written today holds the same.
    for loaded in (first := Posterior.load(file), Posterior.load(first.save(file))):
        assert not loaded.converged
        assert loaded.convergence.problems == (problem,)
        assert loaded.identity == small.identity
        assert dict(loaded.sampling) == sampling
        for text in (str(loaded.convergence), repr(loaded), loaded._repr_html_()):
            assert "NOT converged" in text
            assert problem in " ".join(text.split())
        assert loaded.convergence.summary().columns.tolist() == small.convergence.summary().columns.tolist()
        with pytest.warns(ConvergenceWarning, match="did not converge.*Pareto k = 5.4"):
            forecast = loaded.forecast(**ASK, random_seed=0)
        xr.testing.assert_identical(forecast.draws, small.forecast(**ASK, random_seed=0).draws)


# What is no posterior


def refused(path: Path, *messages: str) -> None:
    with pytest.raises(FileError) as caught:
        Posterior.load(path)
    assert isinstance(caught.value, (BayescaleError, OSError))
    for message in (path.name, *messages):
        assert message in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.nc", "There is no posterior file", "bayescale fit --save nowhere.nc")
    refused(tmp_path, "There is no posterior file")


@pytest.mark.parametrize("content", [b"", b"model,benchmark,score\n", b"CDF\x01" + bytes(200), bytes(4096)])
def test_a_file_of_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.nc"
    path.write_bytes(content)
    refused(path, "damaged or not a netCDF file")


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_file(file: Path, kept: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    refused(file, "damaged")


def test_a_foreign_netcdf_file(tmp_path: Path) -> None:
    path = tmp_path / "weather.nc"
    xr.Dataset({"t": ("x", np.arange(3.0))}).to_netcdf(path, engine="h5netcdf")
    refused(path, "is a netCDF file, but not a bayescale posterior")


def test_the_draws_of_another_package(small: Posterior, tmp_path: Path) -> None:
    path = tmp_path / "arviz.nc"
    inference_data({"posterior": small.idata["posterior"]}).to_netcdf(str(path), engine="h5netcdf")
    refused(path, "not a bayescale posterior")


def test_a_newer_format_says_to_upgrade(file: Path) -> None:
    with h5py.File(file, "r+") as content:
        content.attrs["bayescale_format"] = FORMAT + 1
        content.attrs["bayescale_version"] = "99.0"
    refused(file, f"format {FORMAT + 1}, written by bayescale 99.0", "Upgrade: pip install -U bayescale")


@pytest.mark.parametrize("value", ["new", ""])
def test_a_format_that_is_not_a_number(file: Path, value: str) -> None:
    with h5py.File(file, "r+") as content:
        content.attrs["bayescale_format"] = value
    refused(file)


@pytest.mark.parametrize("part", first_quick(["spec", "evals", "verdict", "sampling", "identity"], 2))
def test_a_missing_part_is_named(file: Path, part: str) -> None:
    with h5py.File(file, "r+") as content:
        del content.attrs[f"bayescale_{part}"]
    refused(file, "incomplete: it lacks", part)


def test_missing_draws(file: Path) -> None:
    with h5py.File(file, "r+") as content:
        del content["posterior"]
    refused(file, "lacks the draws")


@pytest.mark.parametrize(
    "variable", first_quick(["loading", "difficulty", "floor", "family_offset", "testlet_effect"], 2)
)
def test_a_missing_variable_is_not_taken_for_zero(file: Path, variable: str) -> None:
    with h5py.File(file, "r+") as content:
        del content[f"posterior/{variable}"]
    with pytest.raises(FileError, match=variable):
        Posterior.load(file).forecast(**ASK)


@pytest.mark.parametrize(
    ("part", "before", "after"),
    first_quick(
        [
            ("spec", '"likelihood":"beta_binomial"', '"likelihood":"beta"'),
            ("spec", "Normal(mu=0, sigma=1)", "Normal(mu=0, sigma=2)"),
            ("spec", '"factors":1', '"factors":2'),
            ("spec", '"factors":1', '"factor":1'),
            ("spec", '"factors":1', '"factors":1,,'),
            ("spec", "{", "["),
            ("evals", "Family-A-0", "Family-A-x"),
            ("evals", "Family-D", "Family-C"),
            ("evals", "bench-5", "bench-6"),
            ("evals", "{", "["),
            ("verdict", '"converged":true', '"converged":"perhaps"'),
            ("verdict", '"blocks":', '"bricks":'),
            ("sampling", "{", "["),
            ("identity", "", "reversed"),
        ],
        4,
    ),
)
def test_a_part_that_was_changed_by_hand_is_noticed(file: Path, part: str, before: str, after: str) -> None:
    with h5py.File(file, "r+") as content:
        text = content.attrs[f"bayescale_{part}"]
        assert before in text
        content.attrs[f"bayescale_{part}"] = text.replace(before, after) if before else text[::-1]
        assert content.attrs[f"bayescale_{part}"] != text
    refused(file)


# What was damaged, or made to do harm


def test_flipped_bits_are_noticed_everywhere(file: Path) -> None:
    content = file.read_bytes()
    for place in [*np.random.default_rng(0).integers(0, len(content), size=60).tolist(), len(content) - 1]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        refused(file, "damaged")


@pytest.mark.heavy
def test_a_slow_start_of_python_is_no_damage(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time before the file is read does not count, nor does waiting for a processor."""
    (tmp_path / "sitecustomize.py").write_text("import time\nwhile time.process_time() < 3: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert refusal(file.read_bytes() + b"not checked before") is None


@pytest.mark.heavy
def test_a_file_with_which_hdf5_does_not_end_is_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "h5py.py").write_text("def File(*_):\n    while True: pass\n")
    monkeypatch.syspath_prepend(tmp_path)  # of the process that checks: this one has the real one
    monkeypatch.setattr("bayescale.inference.hdf5_check._SECONDS", 0)
    file.write_bytes(file.read_bytes()[:-100])
    refused(file, "HDF5 does not come to an end with it")


def of_another_file(group: h5py.Group, other: Path) -> None:
    group.create_dataset("difficulty", (8,), "u1", external=[(str(other), 0, 8)])


def linked(group: h5py.Group, other: Path) -> None:
    group["difficulty"] = h5py.ExternalLink(str(other), "/posterior/difficulty")


def linked_softly(group: h5py.Group, other: Path) -> None:
    group["difficulty"] = h5py.SoftLink("/posterior/floor")


def virtual(group: h5py.Group, other: Path) -> None:
    layout = h5py.VirtualLayout(shape=(8,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(other), "x", shape=(8,))
    group.create_virtual_dataset("difficulty", layout)


def bomb(group: h5py.Group, other: Path) -> None:
    group.create_dataset("difficulty", (10**6, 10**6), "f8", chunks=(1000, 1000), compression="gzip")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (of_another_file, "has its values in another file"),
        (linked, "is a link to another place or file"),
        (linked_softly, "is a link to another place or file"),
        (virtual, "has its values in another file"),
        (bomb, "unfolds to far more than its size"),
    ],
)
def test_a_file_may_not_read_others_nor_fill_memory(make: Any, message: str, file: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2!")
    with h5py.File(file, "r+") as content:
        del content["posterior/difficulty"]
        make(content["posterior"], tmp_path / "secret")
    refused(file, message)


@pytest.mark.parametrize(
    ("part", "text"),
    first_quick(
        [
            ("spec", "[" * 5000),
            ("spec", '{"factors": 1e400}'),
            ("evals", "null"),
            ("evals", '{"format": 1e999}'),
            ("verdict", "[]"),
            ("sampling", "9" * 5000),
        ],
        2,
    ),
)
def test_a_part_of_another_form_is_refused(part: str, text: str, file: Path) -> None:
    with h5py.File(file, "r+") as content:
        content.attrs[f"bayescale_{part}"] = text
    refused(file)


def test_rows_in_another_order_are_not_taken_for_others(file: Path) -> None:
    """The identity of tables does not depend on the order of their rows, but draws do."""
    with h5py.File(file, "r+") as content:
        evals = json.loads(content.attrs["bayescale_evals"])
        evals["models"] = {column: values[::-1] for column, values in evals["models"].items()}
        content.attrs["bayescale_evals"] = json.dumps(evals)
    refused(file, "the labels of", "are not those of its tables")


def test_a_row_renamed_in_the_tables_has_its_draws(small: Posterior, file: Path) -> None:
    evals = Evals.from_json(small.evals.to_json().replace("Family-A", "Sigma").replace("bench-1", "first"))
    with h5py.File(file, "r+") as content:
        content.attrs["bayescale_evals"] = evals.to_json()
        content.attrs["bayescale_identity"] = dataclasses.replace(small, evals=evals).identity
    renamed = Posterior.load(file)
    ask = {"flops": 4e25, "random_seed": 0}
    ours, theirs = renamed.forecast("Sigma", **ask), small.forecast("Family-A", **ask)
    np.testing.assert_array_equal(ours.draws["expected_score"], theirs.draws["expected_score"])
    assert "first" in renamed.idata["posterior"]["benchmark"]


@pytest.mark.parametrize(
    ("change", "message"),
    first_quick(
        [
            (lambda draws: draws.assign(difficulty=draws["difficulty"].where(draws["draw"] > 3)), "no finite numbers"),
            (lambda draws: draws.assign(floor=draws["floor"] + 2), "floor has draws out of its range"),
            (lambda draws: draws.assign(loading=draws["loading"].isel(factor=0)), "loading is no array"),
            (lambda draws: draws.assign(loading=draws["loading"].astype(str)), "loading is no array"),
            (lambda draws: draws.isel(benchmark=slice(1, None)), "labels of benchmark"),
        ],
        2,
    ),
)
def test_draws_that_are_not_those_of_the_tables(small: Posterior, tmp_path: Path, change: Any, message: str) -> None:
    groups = {"posterior": change(dataset(small.idata["posterior"])), "sample_stats": small.idata["sample_stats"]}
    posterior = dataclasses.replace(small, idata=inference_data(groups))
    refused(posterior.save(tmp_path / "posterior.nc"), message)


def test_a_loaded_posterior_does_not_depend_on_its_file(small: Posterior, file: Path, tmp_path: Path) -> None:
    evals = dataclasses.replace(small.evals, name="other")
    other = dataclasses.replace(small, evals=evals).save(tmp_path / "other.nc")
    first = Posterior.load(file)
    shutil.copyfile(other, file)  # in place, as cp does
    assert Posterior.load(file).evals.name == "other"
    assert first.evals.name == small.evals.name
    assert first.idata["posterior"]["loading"].equals(small.idata["posterior"]["loading"])


# Writing


def test_a_folder_that_does_not_exist(small: Posterior, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no folder .*Make it first"):
        small.save(tmp_path / "nowhere" / "posterior.nc")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_instead_of_a_file(small: Posterior, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"is a folder. Give a file name such as posterior\.nc"):
        small.save(tmp_path)
    with pytest.raises(FileError, match=r"another format. Name it 'x\.nc'"):
        small.save(tmp_path / "x.csv")
    assert small.save(tmp_path / "llama-3.1").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    small: Posterior, file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    before = file.read_bytes()

    def fail(handle: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    expected = FileError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught:
        small.save(file)
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value)
        assert "posterior.nc" in str(caught.value)
        assert "still in memory" in str(caught.value)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_writer_that_is_killed_leaves_the_old_file(
    small: Posterior, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()

    monkeypatch.setattr(os, "fsync", lambda handle: os.kill(os.getpid(), signal.SIGKILL))
    child = os.fork()
    if child == 0:
        try:
            small.save(file)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert file.read_bytes() == before
    left = [p.name for p in file.parent.iterdir() if p != file]
    assert all(name.endswith(".partial") for name in left)


def test_a_disk_without_room_leaves_the_old_file_and_the_draws(small: Posterior, file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(FileError, match=r"File too large. Free space .* still in memory"):
            small.save(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert Posterior.load(small.save(tmp_path / "elsewhere.nc")).identity == small.identity


def test_a_written_file_has_the_permissions_of_any_new_file(small: Posterior, tmp_path: Path) -> None:
    path = small.save(tmp_path / "posterior.nc")
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.filterwarnings("ignore::bayescale.errors.BayescaleWarning")  # short fits, as small as files can be
@pytest.mark.parametrize("path", sorted(POSTERIORS.glob("*.nc")), ids=lambda path: path.stem)
def test_files_of_every_version_and_stack_give_the_same_forecasts_here(path: Path) -> None:
    """Written by version 0.1.0, and on the stacks of PyMC 5 and PyMC 6 (`tests/fixtures/make_posteriors.py`)."""
    facts = json.loads(path.with_suffix(".json").read_text())
    posterior = Posterior.load(path)
    assert posterior.identity == facts["identity"]
    actual = forecasts(posterior)
    assert len(actual) == len(facts["forecasts"]) == 3
    for ours, theirs in zip(actual, facts["forecasts"], strict=True):
        for name, values in theirs.items():
            # A predicted score is a count of items: another release of NumPy may draw a neighbouring one.
            np.testing.assert_allclose(ours[name], values, atol=1e-9 if name == "expected" else 0.02, err_msg=name)


def test_the_container_of_a_loaded_posterior_is_arvizs(saved: Path) -> None:
    # It is made when it is asked for: a forecast needs no ArviZ, and takes two seconds less without it.
    loaded = Posterior.load(saved)
    forecast = loaded.forecast(**ASK, random_seed=1).draws["expected_score"]
    assert type(loaded.idata) is type(inference_data({"posterior": loaded.idata["posterior"]}))
    assert loaded.idata is loaded.idata
    assert az.summary(loaded.idata, var_names=["slope"]).shape[0] == loaded.idata["posterior"]["slope"][0, 0].size
    xr.testing.assert_identical(loaded.forecast(**ASK, random_seed=1).draws["expected_score"], forecast)
    assert dataclasses.replace(loaded, sampling={}).idata is loaded.idata
