"""Pages that people send each other: one file of HTML, which asks nothing of the network."""

from hybridx.report.page import Folded, Page, Part, Picture, Section, Table, Verdict, write_page

__all__ = ["Folded", "Page", "Part", "Picture", "Section", "Table", "Verdict", "write_page"]
