"""All machines by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hybridx.errors import OptionError
from hybridx.lowering.machines.cpu import CPU
from hybridx.lowering.machines.cuda import CUDA
from hybridx.lowering.machines.machine import Machine
from hybridx.lowering.machines.web import WEB
from hybridx.lowering.names import MACHINE_NAMES

MACHINES: Final[Mapping[str, Machine]] = {one.name: one for one in (CPU, CUDA, WEB)}


def machine_of(name: str) -> Machine:
    """Return the machine of a name.

    Raises:
        OptionError: there is none.
    """
    if name not in MACHINES:
        raise OptionError("machine", name, ", ".join(MACHINE_NAMES))
    return MACHINES[name]
