# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
An application on a secure transport.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


class Application(Protocol):
    """
    Records what it is told, and does what it is asked to.
    """

    transport: Any

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost: list[Failure] = []
        self.onMade: Callable[[], object] = lambda: None
        self.onData: Callable[[bytes], object] = lambda data: None

    def connectionMade(self) -> None:
        """
        The peer is authenticated.
        """
        self.onMade()

    def dataReceived(self, data: bytes) -> None:
        """
        The peer has said something.
        """
        self.received.append(data)
        self.onData(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.lost.append(reason)
