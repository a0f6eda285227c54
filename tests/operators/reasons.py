"""Why hybridx has no right file of an operator whose classical twin has one.

The same for operators whose file is not right.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_OF_NAMES: Mapping[str, str] = {
    "of equal elements, torch returns the index of whichever its algorithm finds": """
        kthvalue/int64""",
}

REASONS: Mapping[str, str] = MappingProxyType(
    {name: reason for reason, names in _OF_NAMES.items() for name in names.split()}
)
"""By sample."""

EXCEPTIONS = ("twin only", "wrong", "crash")
"""The statuses of which every sample has a reason."""
