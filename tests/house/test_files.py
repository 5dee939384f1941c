"""Atomic writes: the old content or the new, with the permissions of any other file, and nothing left behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bayescale._files import atomic_write, remove_partial
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
        assert str(caught.value) == f"Cannot write {str(path)!r}: No space left on device."
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
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664, 0o755])
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
    (tmp_path / ".note.txt.0.partial").symlink_to(victim)
    with pytest.raises(FileError, match="File exists"), atomic_write(tmp_path / "note.txt"):
        pytest.fail("it must not come to this")
    assert victim.read_text() == "precious"
    assert (tmp_path / ".note.txt.0.partial").is_symlink()


@pytest.mark.parametrize("name", ["x" * 250 + ".nc", "\N{GRINNING FACE}" * 60 + ".nc"])
def test_names_as_long_as_the_system_takes(name: str, tmp_path: Path) -> None:
    with atomic_write(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert (tmp_path / name).read_text() == "new"


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a[1].npz.0.partial", ".a[1].npz.f1.partial", ".a1.npz.0.partial", "a[1].npz"):
        (tmp_path / name).touch()
    remove_partial(tmp_path / "a[1].npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a1.npz.0.partial", "a[1].npz"]


def test_what_cannot_be_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "none" / "note.txt", tmp_path / "folder"):
        with pytest.raises(FileError, match="Cannot write"), atomic_write(path) as temporary:
            temporary.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
