"""The architecture: ARCHITECTURE.md, the folder and the contracts of import-linter name the same rooms."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bayescale"
MAP = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
# What every package has, and no newcomer looks for.
UNLISTED = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}


def rooms() -> dict[str, tuple[list[str], str]]:
    """Row of the map by top-level entry: what it may import, and what it holds."""
    rows = re.findall(r"^\| `bayescale/([\w.]+)/?` \| (.*?) \| (.*) \|$", MAP, flags=re.M)
    return {name: (re.findall(r"`([\w.]+)`", may_import), holds) for name, may_import, holds in rows}


def stages() -> list[str]:
    """Names of the contract's layers, the first stage first; those of one layer share a line."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (c["layers"] for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    return [layer.replace("bayescale.", "") for layer in reversed(layers)]


def test_the_map_lists_what_the_folder_holds() -> None:
    there = {path.name for path in PACKAGE.iterdir()} - UNLISTED
    assert set(rooms()) == there
    assert len(there) <= 24


def test_the_map_lists_the_stages_in_their_order_with_what_they_may_import() -> None:
    """`base` stands for errors.py and the modules that begin with an underscore."""
    order = [name for line in stages() for name in line.split(" : ")]
    assert [name.removesuffix(".py") for name in rooms()] == order
    allowed: list[str] = []
    for name, (may_import, _) in rooms().items():
        stage = name.removesuffix(".py")
        if stage.startswith("_"):
            assert may_import == ["errors"], name
        elif stage != "errors":
            assert may_import == ["base", *allowed], name
            allowed.append(stage)


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`((?:bayescale|docs|tests|scripts|benchmarks)/[\w./-]+)`", MAP)))
)
def test_every_path_of_the_map_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_every_module_that_the_map_names_in_a_room_exists() -> None:
    folders = {room: holds for room, (_, holds) in rooms().items() if not room.endswith(".py")}
    for room, holds in folders.items():
        for module in re.findall(r"`([a-z_]+)`", holds):
            actual = [*(PACKAGE / room).rglob(f"{module}.py"), *(PACKAGE / room).rglob(module)]
            assert actual, f"{room}: {module}"
