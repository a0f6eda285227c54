"""The documents that follow from the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.documents.api import api
from tests.documents.engines import PAGE, page
from tests.documents.errors import errors
from tests.documents.limits import limits
from tests.documents.llms import DOCS, llms
from tests.documents.schema import schema
from tests.documents.servers import PAGE as SERVERS
from tests.documents.servers import page as server_page

# llms.txt is the last: it is about the others.
GENERATED: Mapping[Path, Callable[[], str]] = {
    DOCS / "api.md": api,
    PAGE: page,
    SERVERS: server_page,
    DOCS / "errors.md": errors,
    DOCS / "limits.md": limits,
    DOCS / "schema.json": schema,
    DOCS / "llms.txt": llms,
}
