"""What servers of others read, written as text: their settings, without importing any of them."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.deployment.datatypes import DATATYPES
    from hybridx.deployment.deployed import (
        NAME_RULE,
        RECORD,
        Deployed,
        Tensor,
        as_json,
        is_model_name,
        is_ours,
        name_from,
    )
    from hybridx.deployment.servers import SERVERS, Server
    from hybridx.deployment.settings import MODEL, Settings, settings_from, settings_of
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "DATATYPES",
    "MODEL",
    "NAME_RULE",
    "RECORD",
    "SERVERS",
    "Deployed",
    "Server",
    "Settings",
    "Tensor",
    "as_json",
    "is_model_name",
    "is_ours",
    "name_from",
    "settings_from",
    "settings_of",
]
