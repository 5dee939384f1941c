"""Write docs/gallery.md: every plot of bayescale.plots with its code.

    python scripts/make_gallery.py --text                        the page alone, at once
    python scripts/make_gallery.py --posterior posterior.nc      all plots, with a saved posterior
    python scripts/make_gallery.py --only fan loadings           some plots

Plots and their code are in scripts/gallery_pictures.py. Without --posterior the default spec is fitted. Plots of a
comparison and of a backtest sample first (ten minutes); fits of the backtest are kept in the folder backtest-fits.
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
COLOURS = 192  # of a PNG file: enough for a plot, at a third of the size

HEAD = """\
# Gallery

Every plot of `bayescale.plots`, with its code. Plots of one panel take `ax=` and return the axes; pages of several
panels return the figure. Families keep their colour and marker in all plots, unless a larger family of the same plot
has it. Intervals are equal-tailed, and 90% by default (`prob=`).

<!-- Written by scripts/make_gallery.py from scripts/gallery_pictures.py: change those. -->

"""
INPUTS = """\
## What the plots are drawn from

The code below needs these lines. On two cores `posterior` takes one to two minutes; `comparison` and `result` take ten
together.
"""


def thumbnails(across: int = 4) -> str:
    """Return a table of all plots, small, each a link to its section."""
    cells = []
    for name, title in gallery.TITLES.items():
        anchor = "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")
        cells.append(f"[![{title}]({FOLDER}/{name}.png)](#{anchor}) {title}")
    cells += [""] * (-len(cells) % across)
    rows = [f"| {' | '.join(cells[start : start + across])} |" for start in range(0, len(cells), across)]
    return "\n".join([f"|{' |' * across}", f"|{' --- |' * across}", *rows])


def statements(function: Callable[..., Any]) -> list[str]:
    """Return the source lines of a function's body, without docstring and without the `return` of the result."""
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
    """Return the same lines, with the result assigned to the function's name."""
    *before, last = statements(function)
    return [*before, f"{function.__name__} = {last}"]


def code(lines: list[str]) -> str:
    """Return a Markdown block of Python."""
    return "\n".join(["```python", *lines, "```"])


def page() -> str:
    """Return the text of the gallery."""
    imports = [
        "import bayescale as bs",
        "from bayescale import plots",
        "from bayescale.evaluation.backtest import backtest",
        "",
    ]
    made = [line for function in gallery.SOURCES.values() for line in assignment(function)]
    parts = [HEAD, thumbnails(), INPUTS, code([*imports, *made])]
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
    """Make the inputs of the plots, each once, and draw the plots."""
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
    """Write a PNG file with few colours, which takes a third of the space."""
    from PIL import Image

    figure.savefig(path, dpi=DPI)
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main(arguments: list[str]) -> None:
    """Write the page, and the plots unless `--text` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", action="store_true", help="write the page, no plots")
    parser.add_argument("--only", nargs="+", choices=list(gallery.PICTURES), metavar="NAME", help="draw these plots")
    parser.add_argument("--posterior", type=Path, metavar="FILE", help="saved posterior, default spec on base-llms")
    parser.add_argument("--docs", type=Path, default=DOCS, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if not asked.text:
        draw(asked.only or list(gallery.PICTURES), asked.posterior, asked.docs / FOLDER)
    (asked.docs / PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
