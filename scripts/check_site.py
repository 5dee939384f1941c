"""Check the built documentation: no page loads anything from a network, and every internal link has a target.

python scripts/check_site.py docs/_build/html
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes by which a page loads something without a click.
LOADS = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
# Links of the head that load nothing.
NAMES = {"index", "search", "next", "prev", "canonical", "author", "license"}
# Pages that are not ours: templates of the theme, and source listings, whose anchors Sphinx guesses.
FOREIGN = {"_static", "_modules"}


class Page(HTMLParser):
    """Resources, links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record resources, links and anchors of a tag."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        for name, value in values.items():
            if (tag, name) in LOADS and values.get("rel") not in NAMES:
                self.loads.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)


def problems(site: Path) -> list[str]:
    """Return one line per problem."""
    site = site.resolve()
    own = [path for path in sorted(site.rglob("*.html")) if path.relative_to(site).parts[0] not in FOREIGN]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in own}
    found = []
    for path, page in pages.items():
        where = path.relative_to(site)
        found += [f"{where}: loads {url}" for url in page.loads if urlsplit(url).netloc]
        for link in [*page.links, *page.loads]:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists():
                found.append(f"{where}: {link} is not there")
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors:
                found.append(f"{where}: {link} has no such place")
    return found


def main(arguments: list[str]) -> int:
    """Print the problems; return 1 if there are any."""
    found = problems(Path(arguments[0]))
    print("\n".join(found) or "All links have targets, and no page needs a network.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
