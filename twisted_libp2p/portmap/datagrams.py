# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Questions to the gateway in datagrams, which are repeated until they are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, Final, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from twisted_libp2p.errors import NoGateway, ProtocolViolation
from twisted_libp2p.portmap.natpmp import PORT

__all__ = ["FIRST_WAIT", "TRIES", "Questions"]

#: How often a question is sent, and the seconds until it is sent for the second time;
#: they double each time.
TRIES: Final = 4
FIRST_WAIT: Final = 0.25

T = TypeVar("T")


class _Question(Generic[T]):
    """
    A question that waits for its answer.
    """

    def __init__(
        self, data: bytes, read: Callable[[bytes], T | None], answered: Deferred[T]
    ) -> None:
        self.data = data
        self.read = read
        self.answered = answered
        self.sent = 0
        self.call: IDelayedCall | None = None

    def stop(self) -> None:
        """
        Send it no longer.
        """
        call, self.call = self.call, None
        if call is not None:
            call.cancel()


class Questions(DatagramProtocol):
    """
    Asks one gateway, from a socket that takes datagrams of this gateway alone.
    """

    noisy = False
    transport: Any = None

    def __init__(self, reactor: Any, gateway: IPv4Address) -> None:
        """
        @param reactor: gives the socket and the time.
        """
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._address = (str(gateway), PORT)
        self._waiting: list[_Question[Any]] = []
        self._port: Any = None

    def startProtocol(self) -> None:
        """
        Leave it to the kernel to drop the datagrams of others.
        """
        self.transport.connect(*self._address)

    def ask(self, data: bytes, read: Callable[[bytes], T | None]) -> Deferred[T]:
        """
        Send a question until it is answered.

        @param read: reads an answer; returns None if it answers another question.  Its
            L{ProtocolViolation} means that the datagram is ignored.
        @return: fires with the first answer that is read.  Fails with L{NoGateway} if
            there is none within 4 seconds.
        """
        answered: Deferred[T] = Deferred(lambda _: self._end(question))
        question = _Question(data, read, answered)
        self._waiting.append(question)
        try:
            if self._port is None:
                self._port = self._reactor.listenUDP(0, self)
            self._send(question)
        except OSError as error:
            self._fail(question, f"{self._address[0]}: {error}")
        return answered

    def close(self) -> None:
        """
        Close the socket, and give up all questions.
        """
        for each in list(self._waiting):
            self._fail(each, "this node no longer asks")
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Take an answer of the gateway.
        """
        if addr[:2] != self._address:
            # It was on its way before the socket was connected.
            return
        for each in list(self._waiting):
            try:
                answer = each.read(datagram)
            except ProtocolViolation:
                continue
            if answer is not None:
                self._end(each)
                each.answered.callback(answer)
                return

    def connectionRefused(self) -> None:
        """
        Give up all questions: no program of the gateway reads them.
        """
        for each in list(self._waiting):
            self._fail(each, f"{self._address[0]} answers neither PCP nor NAT-PMP")

    def _send(self, question: _Question[Any]) -> None:
        question.call = None
        if question.sent == TRIES:
            self._fail(question, f"{self._address[0]} answers neither PCP nor NAT-PMP")
            return
        wait = FIRST_WAIT * 2.0**question.sent
        question.sent += 1
        question.call = self._clock.callLater(wait, self._again, question)
        self.transport.write(question.data)

    def _again(self, question: _Question[Any]) -> None:
        try:
            self._send(question)
        except OSError as error:
            self._fail(question, f"{self._address[0]}: {error}")

    def _end(self, question: _Question[Any]) -> None:
        question.stop()
        if question in self._waiting:
            self._waiting.remove(question)

    def _fail(self, question: _Question[Any], message: str) -> None:
        if question in self._waiting:
            self._end(question)
            question.answered.errback(NoGateway(message))
