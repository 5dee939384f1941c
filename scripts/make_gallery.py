"""Write docs/gallery.md: every picture of bayescale.plots with the code that makes it.

    python scripts/make_gallery.py --text                        the page alone, in no time
    python scripts/make_gallery.py --posterior posterior.nc      all pictures, with a posterior that was saved
    python scripts/make_gallery.py --only fan loadings           some pictures

Pictures and their code are in scripts/gallery_pictures.py. Without --posterior the default spec is fitted; a comparison
and a backtest are sampled when their pictures are made (ten minutes), the latter kept in the folder backtest-fits.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gallery_pictures as gallery

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, FOLDER = "gallery.md", "gallery"
DPI = 100
COLOURS = 192  # of a picture file: as many as the eye wants of a plot, at a third of the size

HEAD = """\
# Gallery

Every picture that `bayescale.plots` draws, with the code that makes it. Pictures of one panel take `ax=` and return the
axes; pages of panels return the figure. Families keep their colour and marker in all of them. Intervals are
equal-tailed, 90% unless `prob=` asks otherwise.

<!-- Written by scripts/make_gallery.py from scripts/gallery_pictures.py: change those. -->

The code below stands on these lines:
"""


def statements(function: Callable[..., Any]) -> list[str]:
    """The lines of a function's body as they stand in its source: no docstring, and no `return` before the result."""
    text = textwrap.dedent(inspect.getsource(function))
    (definition,) = ast.parse(text).body
    assert isinstance(definition, ast.FunctionDef)
    body = [s for s in definition.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    lines, first, last = text.splitlines(), body[0].lineno - 1, body[-1]
    while lines[first - 1].lstrip().startswith("#"):
        first -= 1
    lines[last.lineno - 1] = lines[last.lineno - 1].replace("return ", "", 1)
    return textwrap.dedent("\n".join(lines[first : last.end_lineno])).splitlines()


def assignment(function: Callable[..., Any]) -> list[str]:
    """The same, the result under the function's name."""
    *before, last = statements(function)
    return [*before, f"{function.__name__} = {last}"]


def code(lines: list[str]) -> str:
    """A block of Python."""
    return "\n".join(["```python", *lines, "```"])


def page() -> str:
    """The text of the gallery."""
    imports = [
        "import bayescale as bs",
        "from bayescale import plots",
        "from bayescale.evaluation.backtest import backtest",
        "",
    ]
    made = [line for function in gallery.SOURCES.values() for line in assignment(function)]
    parts = [HEAD, code([*imports, *made])]
    for name, function in gallery.PICTURES.items():
        if name in gallery.CHAPTERS:
            parts.append(f"## {gallery.CHAPTERS[name]}")
        title, words = gallery.TITLES[name], " ".join((inspect.getdoc(function) or "").split())
        parts += [
            f"### {title}",
            textwrap.fill(words, 120),
            code(statements(function)),
            f"![{title}]({FOLDER}/{name}.png)",
        ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def draw(names: list[str], posterior: Path | None, folder: Path) -> None:
    """Make what the pictures need, once each, and the pictures."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    import bayescale as bs

    made: dict[str, Any] = {} if posterior is None else {"posterior": bs.Posterior.load(posterior)}

    def call(function: Callable[..., Any]) -> Any:
        return function(*(get(name) for name in inspect.signature(function).parameters))

    def get(name: str) -> Any:
        if name not in made:
            made[name] = call(gallery.SOURCES[name])
        return made[name]

    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        drawn = call(gallery.PICTURES[name])
        figure = drawn.get_figure(root=True) if hasattr(drawn, "get_figure") and drawn.get_figure() else drawn
        save(figure, folder / f"{name}.png")
        plt.close("all")
        print(f"{folder / name}.png", flush=True)


def save(figure: Any, path: Path) -> None:
    """Write a picture with few colours, which takes a third of the space."""
    from PIL import Image

    figure.savefig(path, dpi=DPI)
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main(arguments: list[str]) -> None:
    """Write the page, and the pictures unless only the text is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", action="store_true", help="write the page, no pictures")
    parser.add_argument("--only", nargs="+", choices=list(gallery.PICTURES), metavar="NAME", help="make these pictures")
    parser.add_argument("--posterior", type=Path, metavar="FILE", help="of the default spec on base-llms, saved")
    parser.add_argument("--docs", type=Path, default=DOCS, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if not asked.text:
        draw(asked.only or list(gallery.PICTURES), asked.posterior, asked.docs / FOLDER)
    (asked.docs / PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
