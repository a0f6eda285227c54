"""The page that runs a model in a browser: one file of HTML, filled with a model."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.web_page.check import check_page
    from hybridx.web_page.facts import Facts, facts_of, table_inputs
    from hybridx.web_page.fill import fill_page, runtime_name
    from hybridx.web_page.ranges import Range, Spans
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "Facts",
    "Range",
    "Spans",
    "check_page",
    "facts_of",
    "fill_page",
    "runtime_name",
    "table_inputs",
]
