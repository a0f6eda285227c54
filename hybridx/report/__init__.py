"""Reports as HTML, which asks nothing of the network: pages to send, and tables in notebooks."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.report.page import (
        Folded,
        Listing,
        Page,
        Part,
        Picture,
        Section,
        Table,
        Verdict,
        write_page,
    )
    from hybridx.report.quantities import counted, duration, rate, size
    from hybridx.report.shown import Shown
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "Folded",
    "Listing",
    "Page",
    "Part",
    "Picture",
    "Section",
    "Shown",
    "Table",
    "Verdict",
    "counted",
    "duration",
    "rate",
    "size",
    "write_page",
]
