"""Compiled kernels on disk are found again by what they were made of."""

from __future__ import annotations

from pathlib import Path

from bayescale.model.kernel_version import kernel_version


def test_other_code_has_another_number_and_the_same_code_the_same(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.py"), str(tmp_path / "other.py")
    Path(one).write_text("x = 1\n")
    Path(other).write_text("y = 2\n")
    first = kernel_version(one, other)
    assert kernel_version(one, other) == first
    assert kernel_version(one) != first
    Path(other).write_text("y = 3\n")
    assert kernel_version(one, other) != first
