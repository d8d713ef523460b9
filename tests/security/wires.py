# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Secure transports of a simple protocol, on transports that record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
)
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.security.application import Application
from twisted_libp2p.errors import HandshakeFailed, ProtocolViolation
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Handshake,
    IFlushable,
    IHalfCloseable,
    Role,
    Secured,
)
from twisted_libp2p.security import (
    Channel,
    HandshakeMachine,
    SecureFactory,
)

__all__ = [
    "IDENTITY",
    "LARGE",
    "SECURED",
    "SMALL",
    "Bracketed",
    "Greeting",
    "Prompt",
    "Wire",
    "WrapperTestCase",
]

IDENTITY = Identity.generate()
SECURED = Secured("/bang", IDENTITY.peerID, IDENTITY.publicKey)
SMALL = b"small"
LARGE = b"x" * 32 * 1024


class Bracketed(Channel):
    """
    A channel whose frames are in brackets; a bang is a violation.
    """

    def __init__(self) -> None:
        self._partial = b""

    @property
    def truncated(self) -> bool:  # type: ignore[override]
        """
        Whether a bracket is open.
        """
        return bool(self._partial)

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Put brackets around what is to be sent.
        """
        return [b"[", *pieces, b"]"]

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Take the brackets off.
        """
        *frames, self._partial = (self._partial + data).split(b"]")
        for frame in frames:
            if b"!" in frame:
                raise ProtocolViolation("/bang", "a bang")
            opened.append(frame[1:])


class Greeting(HandshakeMachine):
    """
    A handshake: the responder says C{hello?} to the initiator's C{hello.}, and
    is answered C{hello!}; C{no} is a failure, C{oops} a fault of ours.
    """

    protocolID = "/bang"

    def __init__(self, initiator: bool, secured: Secured = SECURED) -> None:
        self._initiator = initiator
        self._secured = secured

    def start(self) -> bytes:
        """
        Greet, if it is for us to begin.
        """
        return b"hello." if self._initiator else b""

    def receive(self, data: bytes) -> bytes:
        """
        Greet back.
        """
        if data.startswith(b"no"):
            raise HandshakeFailed("/bang", "no")
        if data.startswith(b"oops"):
            raise ZeroDivisionError("oops")
        if data == b"hello.":
            return b"hello?"
        self.trailing = data[len(b"hello?") :]
        self.channel = Bracketed()
        self.secured = self._secured
        return b"hello!" if self._initiator else b""


@implementer(IHalfCloseable)
class Wire(StringTransport):
    """
    A transport that counts its writes, and tells what is done to it.
    """

    def __init__(self) -> None:
        super().__init__(lenient=True)
        self.calls: list[str] = []
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """
        Take one write.
        """
        self.writes.append(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Take one write, in pieces.
        """
        self.writes.append(b"".join(data))

    def loseConnection(self) -> None:
        """
        Note the order of things.
        """
        self.calls.append(f"lose after {len(self.writes)}")
        super().loseConnection()

    def loseWriteConnection(self) -> None:
        """
        Note the order of things.
        """
        self.calls.append(f"loseWrite after {len(self.writes)}")

    def abortConnection(self) -> None:
        """
        Note that there was no mercy.
        """
        self.calls.append("abort")
        self.disconnected = True

    def startTLS(self, *args: object) -> None:
        """
        What nobody above may call.
        """
        raise AssertionError("reached around the encryption")


@implementer(IFlushable)
class Prompt(Wire):
    """
    A transport that sends at once if it is asked to, and otherwise waits for the
    reactor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def writeNow(self, data: bytes) -> None:
        """
        Send after the earlier writes.
        """
        self.write(data)
        self.flush()

    def flush(self) -> None:
        """
        Send the earlier writes.
        """
        self.sent += self.writes
        self.writes.clear()


class WrapperTestCase(SynchronousTestCase):
    """
    A base: one wrapper, on a transport that records.
    """

    initiator = True
    secured = SECURED
    wire: type[Wire] = Wire

    def setUp(self) -> None:
        """
        Begin a handshake.
        """
        self.clock = Clock()
        self.failures: list[Failure] = []
        self.addresses: list[IAddress | None] = []
        self.application = Application()
        self.build: Callable[[], IProtocol | None] = lambda: self.application
        self.begin()

    def begin(self) -> None:
        """
        Begin a handshake on a new transport.
        """
        case = self

        class Applications(Factory):
            """
            Builds the application.
            """

            def buildProtocol(self, addr: IAddress | None) -> Any:
                """
                The peer is authenticated.
                """
                case.addresses.append(addr)
                return case.build()

        self.transport = self.wire()
        factory = SecureFactory(
            Handshake(
                IDENTITY,
                Role.CLIENT if self.initiator else Role.SERVER,
                None,
                (),
                self.failures.append,
            ),
            Applications(),
            lambda: Greeting(self.initiator, self.secured),
            self.clock,
        )
        self.address = self.transport.getPeer()
        self.wrapper = factory.buildProtocol(self.address)
        self.wrapper.makeConnection(self.transport)

    def secure(self, behind: bytes = b"") -> None:
        """
        Finish the handshake, and forget what was written for it.
        """
        self.wrapper.dataReceived(b"hello?" + behind)
        self.transport.writes.clear()

    def lose(self, error: Exception) -> None:
        """
        End the transport.
        """
        self.wrapper.connectionLost(Failure(error))

    def assertLost(self, error: type[Exception]) -> Failure:
        """
        The application was told once that it is over.
        """
        (reason,) = self.application.lost
        self.assertIsInstance(reason.value, error)
        return reason
