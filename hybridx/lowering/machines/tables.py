"""All machines by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hybridx.errors import OptionError
from hybridx.lowering.machines.cpu import CPU
from hybridx.lowering.machines.cuda import CUDA
from hybridx.lowering.machines.machine import Machine
from hybridx.lowering.machines.web import WEB
from hybridx.lowering.names import MACHINE_NAMES, MachineName

MACHINES: Final[Mapping[MachineName, Machine]] = {
    name: {"cpu": CPU, "cuda": CUDA, "web": WEB}[name] for name in MACHINE_NAMES
}


def machine_of(name: str) -> Machine:
    """Return the machine of a name.

    Raises:
        OptionError: there is none.
    """
    for known in MACHINE_NAMES:
        if name == known:
            return MACHINES[known]
    raise OptionError("machine", name, ", ".join(MACHINE_NAMES))
