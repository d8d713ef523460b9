# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a process uses, as the kernel of Linux tells it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["cpuSeconds", "openFiles", "residentBytes"]

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def cpuSeconds(pid: int) -> float:
    """
    Give the CPU seconds of all threads of a process, those that have ended
    included.
    """
    # How the kernel numbers the clocks of processes, see clock_getcpuclockid(3).
    return time.clock_gettime(~pid << 3 | 2)


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
