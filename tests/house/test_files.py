"""Atomic writes: the old content or the new, with the permissions of any other file, and nothing left behind."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from bayescale._files import atomic_write, use_writable_caches
from bayescale.errors import FileError


def bits(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_content_appears_after_the_block(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with atomic_write(path) as temporary:
        assert temporary.parent == tmp_path
        assert not list(tmp_path.glob("*.csv"))
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_suffix_can_be_kept_for_whoever_chooses_the_format_by_it(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "picture.PNG", keep_suffix=True) as temporary:
        assert temporary.suffix == ".PNG"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("mine")])
@pytest.mark.parametrize("before", ["old", None])
def test_an_error_leaves_what_was_there(before: str | None, error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    if before is not None:
        path.write_text(before)

    def fail_half_way() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(FileError if isinstance(error, OSError) else type(error)) as caught:
        fail_half_way()
    if isinstance(error, OSError):
        assert str(caught.value) == f"Cannot write {str(path)!r}: No space left on device. " + (
            "Free space there, or write to another disk."
        )
    assert [p.read_text() for p in tmp_path.iterdir()] == ([before] if before is not None else [])


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_a_new_file_has_the_permissions_of_any_other(umask: int, tmp_path: Path) -> None:
    mask = os.umask(umask)
    try:
        with atomic_write(tmp_path / "ours") as temporary:
            temporary.write_text("new")
        (tmp_path / "other").write_text("new")
    finally:
        os.umask(mask)
    assert bits(tmp_path / "ours") == bits(tmp_path / "other") == 0o666 & ~umask


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_replaced_file_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    path.chmod(mode)
    with atomic_write(path) as temporary:
        assert bits(temporary) & ~mode & 0o077 == 0, "others can read what is private while it is written"
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert bits(path) == mode


def test_a_temporary_file_is_never_one_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayescale._files.secrets.token_hex", lambda _: "0")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".bayescale.0.note.txt.partial").symlink_to(victim)
    with pytest.raises(FileError, match="File exists"), atomic_write(tmp_path / "note.txt"):
        pytest.fail("it must not come to this")
    assert victim.read_text() == "precious"
    assert (tmp_path / ".bayescale.0.note.txt.partial").is_symlink()


@pytest.mark.parametrize("name", ["x" * 250 + ".nc", "\N{GRINNING FACE}" * 60 + ".nc"])
def test_names_as_long_as_the_system_takes(name: str, tmp_path: Path) -> None:
    with atomic_write(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert (tmp_path / name).read_text() == "new"


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left, living = (tmp_path / f".bayescale.{digit * 32}.a.nc.partial" for digit in "0f")
    others = [tmp_path / name for name in (".a.nc.0.partial", ".bayescale.0.a.nc", "b.nc")]
    for file in (left, *others):
        file.touch()
    with living.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with atomic_write(tmp_path / "new.txt") as temporary:
            temporary.write_text("new")
        assert living.exists()
    assert not left.exists()
    assert all(file.exists() for file in others)


def test_a_read_only_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(FileError, match="it is read-only"), atomic_write(path):
        pytest.fail("it must not come to this")
    assert path.read_text() == "old"


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    link, target = tmp_path / "link.txt", tmp_path / "other" / "note.txt"
    link.symlink_to(target)
    for content in ("first", "second"):  # dangling at first
        with atomic_write(link) as temporary:
            temporary.write_text(content)
        assert link.is_symlink()
        assert target.read_text() == content


def test_a_pipe_gets_the_content_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe, keep_suffix=True) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_cannot_be_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "none" / "note.txt", tmp_path / "folder"):
        with pytest.raises(FileError, match="Cannot write"), atomic_write(path) as temporary:
            temporary.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(os.name != "posix", reason="home folders of POSIX")
def test_a_home_that_cannot_be_written_is_said_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environment = {"PYTENSOR_FLAGS": "floatX=float64"}
    use_writable_caches(environment)
    folder = tmp_path / f"bayescale-{os.getuid()}"
    assert bits(folder) == 0o700
    assert environment["PYTENSOR_FLAGS"] == f"floatX=float64,base_compiledir={folder / 'pytensor'}"
    assert environment["XDG_CACHE_HOME"] == environment["MPLCONFIGDIR"] == str(folder)
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "BAYESCALE_CACHE" in said
    use_writable_caches(environment)  # as in a worker
    assert not capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="home folders of POSIX")
def test_a_temporary_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / f"bayescale-{os.getuid()}").symlink_to(tmp_path / "theirs")
    environment: dict[str, str] = {}
    use_writable_caches(environment)
    assert bits(Path(environment["XDG_CACHE_HOME"])) == 0o700
    assert not (Path(environment["XDG_CACHE_HOME"])).is_symlink()
    assert not list((tmp_path / "theirs").iterdir())


def test_one_variable_names_the_folder_of_all_caches(tmp_path: Path) -> None:
    environment = {"BAYESCALE_CACHE": str(tmp_path / "mine")}
    use_writable_caches(environment)
    assert bits(tmp_path / "mine") == 0o700
    assert environment["PYTENSOR_FLAGS"] == f"base_compiledir={tmp_path / 'mine' / 'pytensor'}"
