# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Where a measured process runs: at fixed memory addresses, and on which core.

Both falsify a comparison if they are left to chance.  Two processes of a Python that is
built position-independent take almost twice the CPU when they share a core at different
addresses; and a ping takes half the time, or twice, depending on whether the scheduler
puts both processes on one core.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

__all__ = ["apart", "fixed", "pinned"]


@cache
def _works(*command: str) -> bool:
    """
    Find out whether a command can be run here; in some containers it is forbidden.
    """
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True).returncode == 0


def fixed() -> tuple[str, ...]:
    """
    @return: the beginning of a command line that starts a program without the
        randomization of its addresses; empty where the machine has no such thing.
    """
    prefix = ("setarch", "-R")
    return prefix if _works(*prefix, "true") else ()


def pinned(core: int) -> tuple[str, ...]:
    """
    @param core: an index into the cores that this process may use.
    @return: the beginning of a command line that keeps a program on one core; empty
        where it cannot be kept there.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    if core >= len(cores):
        return ()
    prefix = ("taskset", "--cpu-list", str(cores[core]))
    return prefix if _works(*prefix, "true") else ()


def apart() -> bool:
    """
    @return: whether a listener and a dialer can be kept on a core each.
    """
    return bool(pinned(1))
