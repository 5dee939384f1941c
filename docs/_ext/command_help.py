"""The directive `command-help`: the help text of every command, as `--help` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.testing import CliRunner

from bayescale.cli.commands import app as commands

# 80 columns and no escape codes, even where continuous integration asks rich for colours.
PLAIN = {"TERM": "dumb", "COLUMNS": "80"}


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command and of all its subcommands, groups before their members."""
    yield path
    for name, member in getattr(command, "commands", {}).items():
        yield from walk(member, (*path, name))


def help_text(path: tuple[str, ...]) -> str:
    """Return the help text of a command."""
    shown = CliRunner().invoke(commands, [*path, "--help"], prog_name="bayescale", env=PLAIN, catch_exceptions=False)
    return "\n".join(line.rstrip() for line in shown.output.splitlines()).strip("\n")


class CommandHelp(SphinxDirective):
    """Directive that adds one section per command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        sections: list[nodes.Node] = []
        for path in walk(typer.main.get_command(commands)):
            name, text = " ".join(("bayescale", *path)), help_text(path)
            section = nodes.section(ids=[nodes.make_id(name)])
            section += nodes.title(text=name)
            section += nodes.literal_block(text, text, language="text")
            self.state.document.note_explicit_target(section)
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
