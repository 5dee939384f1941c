"""The gallery: every picture is in it, its code runs, and the page says what the script says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pytest
from matplotlib.image import imread

from bayescale import plots

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "docs" / "gallery"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """`scripts/make_gallery.py`, as Python sees it when it is run."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import make_gallery
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return make_gallery


def test_every_public_plot_is_in_the_gallery(script: ModuleType) -> None:
    page = script.page()
    missing = [name for name in plots.__all__ if f"plots.{name}(" not in page]
    assert not missing, "write a function for each in scripts/gallery_pictures.py, and run scripts/make_gallery.py"


def test_the_page_is_what_the_script_writes(script: ModuleType, tmp_path: Path) -> None:
    script.main(["--text", "--docs", str(tmp_path)])
    written = (tmp_path / "gallery.md").read_text("utf-8")
    assert written == (ROOT / "docs" / "gallery.md").read_text("utf-8"), "run python scripts/make_gallery.py --text"


def test_the_page_shows_its_pictures_and_no_other_lies_about(script: ModuleType) -> None:
    shown = set(re.findall(r"!\[.*?\]\(gallery/(.*?)\)", script.page()))
    assert shown == {path.name for path in GALLERY.iterdir()}
    assert sum(path.stat().st_size for path in GALLERY.iterdir()) < 2.5e6


def test_the_code_on_the_page_is_python_that_makes_the_pictures(script: ModuleType) -> None:
    blocks = re.findall(r"```python\n(.*?)```", script.page(), re.DOTALL)
    for block in blocks:
        compile(block, "gallery.md", "exec")
    # As a reader would: the first lines of the page that need no sampling, then a picture's.
    space: dict[str, object] = {}
    head = [line for line in blocks[0].splitlines() if line.startswith(("import", "from", "evals"))]
    exec("\n".join([*head, blocks[1]]), space)
    assert plt.gca().get_title(loc="left") == "MMLU"
    plt.close("all")


def test_pictures_are_written_small_and_whole(script: ModuleType, tmp_path: Path) -> None:
    script.draw(["scores"], None, tmp_path)
    picture = imread(tmp_path / "scores.png")
    assert picture.shape[1] == pytest.approx(640, abs=2)
    assert picture.std() > 0.05
    assert (tmp_path / "scores.png").stat().st_size < 40_000
