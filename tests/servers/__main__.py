"""Start servers of others on files of hybridx, ask them by clients of others, and write the page.

`python -m tests.servers` takes every row of `servers.toml`, and `folders`: what is checked of those
whose server is not started. `python -m tests.servers NAME …` takes the named ones; the results of
the others stay. It fails, and keeps the former results of a server, if
the server does not do all that it must. `--accept` takes the new results all the same.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.documents.servers import PAGE, page
from tests.servers.folders import check_folders
from tests.servers.results import FOLDERS, KEPT, Result, complaints, read, write
from tests.servers.server import NotTriedError, Server, environment, servers
from tests.servers.trial import try_server


def main() -> int:
    """Return 1 if a server does worse than it did, else 0."""
    known = servers()
    parser = argparse.ArgumentParser(prog="python -m tests.servers")
    names = [FOLDERS, *known]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--accept", action="store_true", help="keep results that are worse")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in names]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(names)}")
    is_worse = False
    for name in given.names or names:
        result = _checked() if name == FOLDERS else _tried(known[name])
        print(f"{name} {result.version}: {result.not_tried or 'tried'}")
        for column, cell in result.cells.items():
            print(f"  {'yes' if cell.is_so else 'NO '}  {column}: {cell.text}")
        kept = read() if KEPT.exists() else {}
        lacks = () if name == FOLDERS else known[name].lacks
        found = complaints(result, kept.get(name), lacks)
        for complaint in found:
            print(f"  WORSE: {complaint}")
        if found and not given.accept:
            is_worse = True
            continue
        kept[name] = result
        write({one: kept[one] for one in names if one in kept})
    PAGE.write_text(page(), encoding="utf-8")
    return int(is_worse)


def _checked() -> Result:
    """Return what is checked of folders whose server is not started."""
    return Result(_today(), "", "", cells=check_folders())


def _tried(server: Server) -> Result:
    """Return what comes of a server."""
    result = Result(_today(), server.version, f"Python {platform.python_version()}")
    try:
        environment(server.name)
        with tempfile.TemporaryDirectory() as folder:
            return replace(result, cells=try_server(server, Path(folder)))
    except NotTriedError as error:
        return replace(result, not_tried=str(error))


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


if __name__ == "__main__":
    sys.exit(main())
