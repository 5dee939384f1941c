"""The command line: parse, call, print. What a command does is in the library; how it looks is in `show`."""

from bayescale.cli.entry import main

__all__ = ["main"]
