"""The seam to private names: its fast path gives what the public one gives, and leaves everything as it was."""

from __future__ import annotations

import ctypes
import gc
import os
import stat
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt
import pytest
from numba.core import caching
from pytensor.link.numba import cache as numba_cache
from pytensor.raise_op import Assert

from bayescale import _fast_compile
from bayescale._fast_compile import LARGE_TABLE, fast_compile, keep_freed_memory, source_version
from bayescale.errors import BayescaleWarning

NUTPIE = sys.modules[nutpie.compile_pymc_model.__module__]
POINTER = ctypes.c_void_p


def model() -> pm.Model:
    """With shared data of every rank, of two types, and a density that fails, or is not finite, where it is told to."""
    with pm.Model() as built:
        scalar, whole = pm.Data("scalar", np.float64(2.0)), pm.Data("whole", np.arange(3))
        table, cube = pm.Data("table", np.arange(6.0).reshape(2, 3)), pm.Data("cube", np.arange(24.0).reshape(2, 3, 4))
        x = pm.Normal("x", np.zeros(3), scalar)
        positive = Assert("x is below ten")(x, (x < 10).all())
        pm.Deterministic("moved", table @ positive + cube.sum(axis=(1, 2)))
        pm.Potential("rough", pt.sqrt(positive[0] + 5) + ((positive - whole) ** 3).sum())
    return built


@pytest.fixture(scope="module")
def programs() -> tuple[Any, Any]:
    actual = []
    for context in (nullcontext(), fast_compile()):
        with context:
            actual.append(nutpie.compile_pymc_model(model(), freeze_model=False))
    return actual[0], actual[1]


def density(program: Any, point: Any, size: int = 3) -> tuple[int, np.ndarray, float]:
    point, gradient, value = np.asarray(point, dtype=float), np.zeros(3), np.zeros(1)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[POINTER] * 4)(program.compiled_logp_func.address)
    places = (array.ctypes.data for array in (point, gradient, value, program.user_data))
    return run(size, *places), gradient, float(value[0])


def density_and_gradient(program: Any, point: np.ndarray) -> tuple[float, np.ndarray]:
    """Log density and gradient of any compiled model, through the C function that nutpie's threads call."""
    gradient, value = np.zeros(len(point)), np.zeros(1)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[POINTER] * 4)(program.compiled_logp_func.address)
    assert run(len(point), *(a.ctypes.data for a in (point, gradient, value, program.user_data))) == 0
    return float(value[0]), gradient


def variables(program: Any, point: Any, size: int = 3) -> tuple[int, np.ndarray]:
    point, values = np.asarray(point, dtype=float), np.zeros(program.n_expanded)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 2, *[POINTER] * 3)(program.compiled_expand_func.address)
    places = (array.ctypes.data for array in (point, values, program.user_data))
    return run(size, program.n_expanded, *places), values


def test_the_same_density_gradient_and_variables(programs: tuple[Any, Any]) -> None:
    plain, quick = programs
    other = {
        "scalar": np.float64(0.5),
        "whole": np.array([4, -1, 2]),
        "table": np.full((2, 3), 0.3),
        "cube": np.linspace(0, 1, 24).reshape(2, 3, 4),
    }
    for data in ({}, other):
        pair = [program.with_data(**data) for program in (plain, quick)]
        for point in np.random.default_rng(0).normal(size=(20, 3)):
            (code, gradient, value), (quick_code, quick_gradient, quick_value) = (density(p, point) for p in pair)
            assert code == quick_code == 0
            np.testing.assert_allclose(quick_gradient, gradient, rtol=1e-13)
            np.testing.assert_allclose(quick_value, value, rtol=1e-13)
            assert np.isfinite(value)
            assert gradient.all()
            (code, drawn), (quick_code, quick_drawn) = (variables(p, point) for p in pair)
            assert code == quick_code == 0
            np.testing.assert_allclose(quick_drawn, drawn, rtol=1e-13)
            assert drawn[3:].all()


@pytest.mark.parametrize(
    ("point", "size", "code"),
    [([11, 0, 0], 3, 1), ([-7, 0, 0], 3, 3), ([-5, 0, 0], 3, 3), ([0, 0, -1e110], 3, 4), ([0, 0, 0], 4, -1)],
    ids=["what the program raises", "nan", "infinite slope", "infinite density", "wrong size"],
)
def test_the_same_codes_where_something_is_wrong(
    programs: tuple[Any, Any], point: list[float], size: int, code: int
) -> None:
    assert [density(program, point, size)[0] for program in programs] == [code, code]


def test_variables_that_fail_say_so(programs: tuple[Any, Any]) -> None:
    assert all(variables(program, [11, 0, 0])[0] != 0 for program in programs)
    assert all(variables(program, [0, 0, 0], size=4)[0] != 0 for program in programs)


def test_nutpie_has_its_own_functions_back_whatever_happens() -> None:
    own = NUTPIE._make_c_logp_func, NUTPIE._make_c_expand_func
    with fast_compile():
        assert NUTPIE._make_c_logp_func is not own[0]
    with pytest.raises(RuntimeError), fast_compile():
        raise RuntimeError
    assert own == (NUTPIE._make_c_logp_func, NUTPIE._make_c_expand_func)


@pytest.mark.parametrize("change", ["missing", "other arguments"])
def test_another_nutpie_compiles_with_its_own(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = NUTPIE._make_c_logp_func
    if change == "missing":
        monkeypatch.delattr(NUTPIE, "_make_c_expand_func")
    else:
        monkeypatch.setattr(NUTPIE, "_make_c_expand_func", lambda n_dim, function: None)
    with fast_compile():
        assert NUTPIE._make_c_logp_func is own


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with fast_compile():
            assert not gc.isenabled()
        with pytest.raises(RuntimeError), fast_compile():
            raise RuntimeError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def python(script: str, **environment: str) -> list[str]:
    """What a script prints in a process of its own, word by word."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=os.environ | environment, capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
    )  # fmt: skip
    return ran.stdout.split()


# Matrices of 2,000 models and 100 benchmarks, allocated and freed as a gradient does; page faults after the first time.
GRADIENTS = """
import resource
import numpy as np
from bayescale._fast_compile import keep_freed_memory

kept = keep_freed_memory(2000 * 100)

def gradient():
    for matrix in [np.empty((2000, 100)) for _ in range(20)]:
        matrix[:] = 1.0

gradient()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    gradient()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.heavy
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_large_tables_allocate_again_without_new_pages() -> None:
    kept, faults = python(GRADIENTS)
    if kept == "False":
        pytest.skip("this C library has no mallopt")
    pages = 20 * 20 * 2000 * 100 * 8 // 4096
    assert int(faults) < pages / 20


def test_a_small_table_leaves_the_allocator_alone() -> None:
    assert keep_freed_memory(LARGE_TABLE - 1) is False


@pytest.mark.heavy
def test_switched_off_the_allocator_is_left_alone() -> None:
    assert python(GRADIENTS, BAYESCALE_FAST_COMPILE="0")[0] == "False"


def test_other_code_has_another_version(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("x = 1\n")
    other.write_text("y = 2\n")
    first = source_version(str(one), str(other))
    assert source_version(str(one), str(other)) == first
    assert source_version(str(one)) != first
    other.write_text("y = 3\n")
    assert source_version(str(one), str(other)) != first


# Density and gradient of a model with every kernel, at points where chains start.
DENSITY = """
import numpy as np
from simulate import simulate, simulation_spec
from test_fast_compile import density_and_gradient
from bayescale._fast_compile import ENABLED
from bayescale.inference.compile import compiled_for
from bayescale.model.coordinates.parameterization import Coordinates

program = compiled_for(Coordinates.of(simulation_spec(), simulate()[0]))
for seed in range(5):
    point = program.initial_point_func(seed)
    value, gradient = density_and_gradient(program, point)
    print(ENABLED, value, gradient.sum(), gradient @ point)
"""


@pytest.mark.heavy
def test_switched_off_the_density_is_the_same() -> None:
    fast, plain = (python(DENSITY, BAYESCALE_FAST_COMPILE=on) for on in ("1", "0"))
    assert (fast[0], plain[0]) == ("True", "False")
    of = [np.array([float(word) for word in words if word not in ("True", "False")]) for words in (fast, plain)]
    assert np.isfinite(of[0]).all()
    np.testing.assert_allclose(*of, rtol=1e-9)


# Compiled code on disk

SEAL = """
import numba.core.caching, pytensor
from pytensor.link.numba import cache
if NAMES: del numba.core.caching.IndexDataCacheFile._load_index
from bayescale import _fast_compile
print(numba.core.caching.IndexDataCacheFile is _fast_compile._SealedCache, pytensor.config.numba__cache)
"""


@pytest.mark.heavy
@pytest.mark.parametrize(("on", "renamed", "kept"), [("1", False, True), ("0", False, False), ("1", True, False)])
def test_without_the_seam_no_compiled_code_is_kept(on: str, renamed: bool, kept: bool) -> None:
    """Switched off, or with a Numba whose private methods have other names."""
    assert python(SEAL.replace("NAMES", str(renamed)), BAYESCALE_FAST_COMPILE=on) == [str(kept)] * 2


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / ".pytensor" / "numba"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o755)
    monkeypatch.setattr(numba_cache, "NUMBA_CACHE_PATH", folder)
    monkeypatch.setattr(_fast_compile, "_said", set())
    return folder


def entry(folder: Path) -> caching.IndexDataCacheFile:
    return caching.IndexDataCacheFile(str(folder), "function", 0)


def test_compiled_code_comes_back_and_plain_numba_reads_it(folder: Path) -> None:
    entry(folder).save("key", {"code": 1})
    assert entry(folder).load("key") == {"code": 1}
    plain = super(_fast_compile._SealedCache, entry(folder))
    assert caching.pickle.loads((folder / "function.1.nbc").read_bytes()) == {"code": 1}
    assert plain._load_index() == {"key": "function.1.nbc"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["function.nbi", "function.1.nbc"])
@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-20], lambda c: c[:5] + b"x" + c[6:]])
def test_a_damaged_file_is_removed_and_made_again(folder: Path, name: str, damage: Any) -> None:
    entry(folder).save("key", 1)
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.warns(BayescaleWarning, match=r"Damaged files of compiled code in .* are removed"):
        assert entry(folder).load("key") is None
    entry(folder).save("key", 2)
    assert entry(folder).load("key") == 2


class Harm:
    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was run",)


@pytest.mark.parametrize("name", ["function.nbi", "function.1.nbc"])
def test_a_file_of_another_program_is_not_run(folder: Path, name: str) -> None:
    entry(folder).save("key", 1)
    (folder / name).write_bytes(caching.pickle.dumps(Harm()))
    assert entry(folder).load("key") is None


def test_a_folder_that_others_could_write_is_emptied_and_closed(folder: Path) -> None:
    entry(folder).save("key", 1)
    for place in (folder, folder.parent):
        place.chmod(0o777)
        with pytest.warns(BayescaleWarning, match="Others could write to .* emptied, and is private now"):
            assert entry(folder).load("key") is None
        _fast_compile._said.clear()
        assert not stat.S_IMODE(place.stat().st_mode) & 0o022
        assert not list(folder.iterdir())


def test_a_folder_beside_what_others_share_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = folder.parent.rename(folder.parent.parent / "project")
    shared.chmod(0o770)
    monkeypatch.setattr(numba_cache, "NUMBA_CACHE_PATH", shared / "numba")
    with pytest.warns(BayescaleWarning, match="others can write to .*chmod go-w"):
        entry(shared / "numba").save("key", 1)
    assert not list((shared / "numba").iterdir())
    assert stat.S_IMODE(shared.stat().st_mode) == 0o770


def test_a_full_disk_does_not_end_a_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.warns(BayescaleWarning, match="is not kept in .*No space left on device"):
        entry(folder).save("key", 1)
