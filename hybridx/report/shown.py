"""Reports that show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Shown:
    """A report that shows itself as a table in a notebook; the attributes are its rows."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        # Every command loads this file, and few need tables.
        from hybridx.report.tables import shown

        return shown(type(self).__name__, self._attributes())

    def _attributes(self) -> Mapping[str, Any]:
        """Return what is shown, by name."""
        from hybridx.report.tables import attributes_of

        return attributes_of(self)
