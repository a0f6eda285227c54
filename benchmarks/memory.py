"""The memory of this process, as Linux counts it."""

from __future__ import annotations

import re
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def restart_peak() -> int | None:
    """Reset the peak, if the system can; return the bytes in use now."""
    if not RESET.exists():
        return None
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
