# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Programs of the laboratory, each in namespaces of its own.
"""

from __future__ import annotations

import subprocess
import sys

from tests.lab.case import missing
from tests.needs import skipWithout
from tests.tun import NAMESPACE

__all__ = ["play"]


def play(program: str, *arguments: str, limit: float) -> None:
    """
    Run a program of the laboratory, which has to succeed.

    @param program: the name of its module.
    @param limit: the seconds that it may take, with the start of its peers.
    """
    reason = missing()
    if reason is not None:
        skipWithout("lab", reason)
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", f"tests.lab.{program}", *arguments],
        capture_output=True,
        text=True,
        timeout=limit,
    )
    assert done.returncode == 0, done.stdout + done.stderr
