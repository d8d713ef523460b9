# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The application at both ends of the streams of the suite.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Application", "Applications"]


@implementer(IHalfCloseableProtocol)
class Application(Protocol):
    """
    An application that stores its received bytes, and records the ends of both halves.

    @ivar data: the received bytes.
    @ivar ends: C{"read"}, C{"write"} and C{"lost"}, in order.
    @ivar reason: the reason of the loss.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.ends: list[str] = []
        self.reason: Failure | None = None
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def when(self, condition: Callable[[], bool]) -> Deferred[None]:
        """
        Wait until a condition holds, which is checked after each event.
        """
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self._check()
        return waiting

    def received(self, size: int) -> Deferred[None]:
        """
        Wait for a number of bytes.
        """
        return self.when(lambda: len(self.data) >= size)

    def ended(self, end: str) -> Deferred[None]:
        """
        Wait for an end.
        """
        return self.when(lambda: end in self.ends)

    def _check(self) -> None:
        for each in list(self._waiting):
            condition, waiting = each
            if condition():
                self._waiting.remove(each)
                waiting.callback(None)

    def _happened(self, end: str) -> None:
        self.ends.append(end)
        self._check()

    def dataReceived(self, data: bytes) -> None:
        """
        Store the bytes.
        """
        self.data += data
        self._check()

    def readConnectionLost(self) -> None:
        """
        Record the end of the peer's half.
        """
        self._happened("read")

    def writeConnectionLost(self) -> None:
        """
        Record the end of our half.
        """
        self._happened("write")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Record the loss.
        """
        self.reason = reason
        self._happened("lost")


class Applications(Factory):
    """
    Builds applications.

    @ivar next: fires with the next application, once it is connected.
    """

    noisy = False

    def __init__(self) -> None:
        self.next: Deferred[Application] = Deferred()

    def buildProtocol(self, addr: object) -> Application:
        """
        Build one, and report it when it is connected.
        """
        application = Application()
        waiting, self.next = self.next, Deferred()
        application.connectionMade = (  # type: ignore[method-assign]
            lambda: waiting.callback(application)
        )
        return application
