"""Help that reads like a page of a manual: commands and options under headings, nothing cut, examples at the end."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# Headings of options that many commands share; see `_format_options` for their order.
SAMPLING = "Sampling"
OUTPUT = "Output"

# What is typed wrongly is answered with its range; on every line of the help, ranges are noise.
_RANGE = re.compile(r"(; )?(-?[\d.]+<=)?x[<>]=-?[\d.]+")
_EMPTY = re.compile(r"\s*\[\]$")


def _text(help_text: str) -> str:
    return _EMPTY.sub("", _RANGE.sub("", help_text))


def _format_options(command: Any, context: Any, formatter: Any) -> None:
    """Arguments, then options under the headings that they name, then where results go, then what is left."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None:
            continue
        name, text = record
        if parameter.param_type_name == "argument":
            # Typer adds a type of Python's: `SPEC <str>`.
            sections["Arguments"].append((name.split(" ")[0], _text(text)))
        else:
            heading = getattr(parameter, "rich_help_panel", None) or "Options"
            sections.setdefault(heading, []).append((name, _text(text)))
    for last in (OUTPUT, "Options"):
        sections[last] = sections.pop(last, [])
    for heading, rows in sections.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)


class Page(TyperCommand):
    """One command."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Write arguments as manuals do: NAME where it is needed, [NAME] where it is not."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options under their headings."""
        _format_options(self, ctx, formatter)


class Contents(TyperGroup):
    """A page that lists commands, under the headings that they name, in the order in which they were added."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of a session, not of the alphabet."""
        return list(self.commands)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Commands first: they are what is looked for."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            if not command.hidden:
                heading = getattr(command, "rich_help_panel", None) or "Commands"
                sections.setdefault(heading, []).append((name, _first_sentence(command.help or "")))
        width = max(len(name) for rows in sections.values() for name, _ in rows)
        for heading, rows in sections.items():
            with formatter.section(heading):
                # One column for all of them: the longest name sets its width.
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])
        _format_options(self, ctx, formatter)


def _first_sentence(text: str) -> str:
    return " ".join(text.strip().split("\n\n")[0].split())


def manual(**settings: Any) -> typer.Typer:
    """Make a group of commands with such pages."""
    # Plain help reads like a manual page, in a pipe too; a bug keeps Python's own traceback.
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, cls=Contents, **settings)


def examples(*lines: str) -> str:
    """Epilog of a page: commands to copy, each as it is to be typed.

    Lines beyond the width of a terminal are to be broken with a backslash, as a shell takes it.
    """
    # \b is the mark for "keep these lines as they are".
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
