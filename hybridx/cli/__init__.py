"""The command line: parse, one call of the api, output. No logic here."""

from hybridx.cli.main import main

__all__ = ["main"]
