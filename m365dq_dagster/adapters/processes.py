"""What the machine tells of a process that is not this one. Starting and ending processes belongs to who needs them."""

from __future__ import annotations

import os
from pathlib import Path

PROCESSES = Path("/proc")


def cpu_seconds(pid: int) -> float | None:
    """The seconds that a process has held a core, in user and system; None where it has gone or nothing tells."""
    try:
        told = (PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        user, system = told.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
