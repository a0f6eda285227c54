"""The command line: each command is parsed, calls one function of `api` and prints its report."""

from hybridx.cli.main import main

__all__ = ["main"]
