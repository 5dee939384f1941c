"""The directive `command-help`: every command with its own help text, as the command line prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bayescale.cli.commands import app as commands

# As a terminal prints it; a page has room for as much.
WIDTH = 80


def walk(command: Any, path: tuple[str, ...], parent: Any = None) -> Iterator[tuple[str, str]]:
    """Name and help of a command and of all below it, groups before their members."""
    context = command.context_class(command, info_name=path[-1], parent=parent, terminal_width=WIDTH)
    yield " ".join(path), command.get_help(context)
    for name, member in getattr(command, "commands", {}).items():
        if not member.hidden:
            yield from walk(member, (*path, name), context)


class CommandHelp(SphinxDirective):
    """One section for each command."""

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        found: list[nodes.Node] = []
        for name, text in walk(typer.main.get_command(commands), ("bayescale",)):
            section = nodes.section(ids=[nodes.make_id(name)])
            section += nodes.title(text=name)
            section += nodes.literal_block(text, text, language="text")
            self.state.document.note_explicit_target(section)
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
