# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a process uses, as the kernel of Linux tells it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["cpuSeconds", "openFiles", "residentBytes", "scheduled"]

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def cpuSeconds(pid: int) -> float:
    """
    Give the CPU seconds of all threads of a process, those that have ended
    included.
    """
    # How the kernel numbers the clocks of processes, see clock_getcpuclockid(3).
    return time.clock_gettime(~pid << 3 | 2)


def scheduled(pid: int) -> tuple[int, int]:
    """
    Give the nanoseconds for which the first thread of a process has run, and for which
    it has waited for a processor; none where the kernel does not count them.
    """
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):
        return 0, 0
    return int(ran), int(waited)


def residentBytes(pid: int) -> int:
    """
    Give the bytes of memory that a process has resident.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE


def openFiles(pid: int) -> int:
    """
    Count the files, sockets and pipes that a process has open.
    """
    return len(os.listdir(f"/proc/{pid}/fd"))
