# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The factory of protocols that need no factory.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory

__all__ = ["StreamFactory"]


class StreamFactory(Factory):
    """
    Builds the protocol of each stream by a function, and logs nothing.
    """

    noisy = False

    def __init__(self, build: Callable[[], IProtocol | None]) -> None:
        """
        @param build: returns the protocol of one stream; None refuses the stream.
        """
        self._build = build

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """
        Build the protocol of one stream.
        """
        return self._build()
