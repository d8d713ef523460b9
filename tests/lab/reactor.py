# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The reactor inside a namespace: one reactor serves the nodes of a whole laboratory.
"""

from __future__ import annotations

from typing import Any

from zope.interface import directlyProvides, providedBy

from tests.lab.space import Space

__all__ = ["ReactorIn"]


class ReactorIn:
    """
    The reactor, whose sockets and programs are made in one namespace.

    Threads stay outside: use IP addresses, not names.  Code that makes its sockets by
    itself has to run inside C{space.entered()}.
    """

    def __init__(self, reactor: Any, space: Space) -> None:
        """
        @param reactor: the real reactor.
        """
        self._reactor = reactor
        self._space = space
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._reactor, name)
        if name in (
            "connectTCP",
            "listenMulticast",
            "listenTCP",
            "listenUDP",
            "spawnProcess",
        ):

            def inside(*args: Any, **options: Any) -> Any:
                with self._space.entered():
                    return value(*args, **options)

            return inside
        return value
