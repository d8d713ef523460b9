# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What the machine gives to this process.
"""

from __future__ import annotations

import os
from pathlib import Path

try:
    import resource
except ImportError:  # Windows.
    resource = None  # type: ignore[assignment]

__all__ = ["descriptors", "memory"]

#: What is assumed where the system does not tell.
ASSUMED_MEMORY = 1 << 30
ASSUMED_DESCRIPTORS = 512

#: Where Linux tells a container of its bound.
CONTAINER = Path("/sys/fs/cgroup/memory.max")


def memory(container: Path = CONTAINER) -> int:
    """
    @param container: the file with the bound of the container, if there is one.
    @return: the bytes of memory that this process can hope for.
    """
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        physical = ASSUMED_MEMORY
    try:
        return min(physical, int(container.read_text()))
    except (OSError, ValueError):
        # No container, or "max".
        return physical


def descriptors() -> int:
    """
    @return: how many files and sockets this process may have open.
    """
    if resource is None:
        return ASSUMED_DESCRIPTORS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
