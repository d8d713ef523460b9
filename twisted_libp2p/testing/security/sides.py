# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two sides of a secured connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Secured,
)
from twisted_libp2p.testing.security.ways import Middle

__all__ = ["Application", "Side"]


class Application(Protocol):
    """
    An application that records its events.

    @ivar received: the received bytes.
    @ivar reads: the number of pieces in which they came.
    @ivar reasons: the reasons of its ends.
    @ivar answer: called with the received bytes.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.reads = 0
        self.reasons: list[Failure] = []
        self.answer: Callable[[bytes], object] = lambda data: None

    def dataReceived(self, data: bytes) -> None:
        """
        Record and answer the bytes.
        """
        self.reads += 1
        self.received += data
        self.answer(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Record the reason.
        """
        self.reasons.append(reason)


class Side(Factory):
    """
    One side of a connection, and the factory that is wrapped for it.

    @ivar failures: the failures of the handshake.
    @ivar middle: the attacker before this side.
    @ivar handshakeSize: the number of bytes that had arrived when the peer was
        authenticated.
    @ivar greeting: the bytes that the application sends at once.
    """

    middle: Middle
    handshakeSize = 0
    greeting = b""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.failures: list[Failure] = []
        self._application: Application | None = None

    def buildProtocol(self, addr: IAddress | None) -> Application:
        """
        Build the application: the peer is authenticated.
        """
        if self._application is not None:
            raise AssertionError("one connection, one application")
        self.handshakeSize = len(self.middle.heard)
        self._application = Application()
        self._application.connectionMade = self._greet  # type: ignore[method-assign]
        return self._application

    def _greet(self) -> None:
        if self.greeting:
            self.transport.write(self.greeting)

    @property
    def authenticated(self) -> bool:
        """
        Whether the peer is authenticated.
        """
        return self._application is not None

    @property
    def application(self) -> Application:
        """
        The application of the authenticated connection.
        """
        assert self._application is not None, self.failures
        return self._application

    @property
    def transport(self) -> Any:
        """
        The secure transport.
        """
        return self.application.transport

    @property
    def secured(self) -> Secured:
        """
        The outcome of the handshake.
        """
        secured: Secured = self.transport.secured
        return secured
