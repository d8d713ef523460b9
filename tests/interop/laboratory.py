# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Programs of the laboratory, each in namespaces of its own.
"""

from __future__ import annotations

import sys

from tests.lab.case import missing
from tests.needs import skipWithout
from tests.processes import outputOf
from tests.tun import NAMESPACE

__all__ = ["play"]


async def play(program: str, *arguments: str, limit: int) -> None:
    """
    Run a program of the laboratory, which has to succeed.  Connections of other tests
    go on meanwhile: those that are to be idle would be lost.

    @param program: the name of its module.
    @param limit: the seconds that it may take, with the start of its peers.
    """
    reason = missing()
    if reason is not None:
        skipWithout("lab", reason)
    command = ["timeout", "--kill-after=5", str(limit), *NAMESPACE, sys.executable]
    out, err, code = await outputOf(*command, "-m", f"tests.lab.{program}", *arguments)
    assert code == 0, (out + err).decode()
