"""A machine that has PennyLane's own devices and Lightning's, and no other plug-in.

Tests of what is missing must not depend on what the machine has. `WITHOUT_PLUGINS` does the same in
a process of its own.
"""

from __future__ import annotations

import inspect

import pytest

from hybridx.runtime import devices

OWN = ("default.mixed", "default.qubit", "default.tensor", "lightning.qubit")
ABSENT = ("quimb", "stim")


def hide_plugins(put):
    """Hide plug-ins; `put` sets an attribute of an object."""
    found = devices.is_installed
    put(devices, "device_names", lambda: OWN)
    put(devices, "is_installed", lambda module: module not in ABSENT and found(module))


@pytest.fixture
def without_plugins(monkeypatch):
    hide_plugins(monkeypatch.setattr)


WITHOUT_PLUGINS = f"""
from hybridx.runtime import devices
OWN, ABSENT = {OWN!r}, {ABSENT!r}
{inspect.getsource(hide_plugins)}
hide_plugins(setattr)
"""
