"""What runs inside the servers and tools of others: one file for each, which imports its library.

`served.py` is what the servers share. The files of libraries are imported by those who have them:
`from hybridx.integrations.mlserver import HybridxRuntime`.
"""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.deployment import Settings, settings_from, settings_of
    from hybridx.integrations.refusals import Refusal, refusal_of
    from hybridx.integrations.served import Counts, Served, served_from
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "Counts",
    "Refusal",
    "Served",
    "Settings",
    "refusal_of",
    "served_from",
    "settings_from",
    "settings_of",
]
