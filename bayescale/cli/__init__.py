"""The command line parses arguments, calls the library and prints results; `show` holds the output formats."""

from bayescale.cli.process import main

__all__ = ["main"]
