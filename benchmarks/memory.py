"""The memory of this process, as Linux counts it."""

from __future__ import annotations

import ctypes
import gc
import re
from contextlib import suppress
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def restart_peak() -> int | None:
    """Give back what is free, reset the peak, if the system can, and return the bytes in use."""
    if not RESET.exists():
        return None
    gc.collect()
    with suppress(AttributeError):  # only glibc keeps what was freed, and can be told
        ctypes.CDLL(None).malloc_trim(0)
    RESET.write_text("5")
    return resident("VmRSS")


def peak() -> int | None:
    """Return the most bytes in use since the last restart, or None if the system does not say."""
    return resident("VmHWM")


def resident(field: str) -> int | None:
    """Return a field of the system's status in bytes."""
    if not STATUS.exists():
        return None
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    return 1024 * int(kilobytes)
