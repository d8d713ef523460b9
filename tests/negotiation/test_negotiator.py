# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the wrapper that negotiates, over an in-memory transport.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.negotiation.test_multistream import HEADER, NA, NOISE, TLS
from twisted_libp2p.errors import (
    NegotiationEnded,
    NegotiationFailed,
    StreamReset,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.negotiation import Negotiation, Negotiator, multistream
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.pacing.below import Switchable


class Recorder(Protocol):
    """
    Notes what happens to it.
    """

    transport: Any

    def __init__(self, first: bytes = b"") -> None:
        self.calls: list[object] = []
        self.first = first

    def connectionMade(self) -> None:
        self.calls.append("made")
        if self.first:
            self.transport.write(self.first)

    def dataReceived(self, data: bytes) -> None:
        self.calls.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.calls.append(type(reason.value))


@implementer(IHalfCloseableProtocol)
class HalfRecorder(Recorder):
    """
    Notes half-closes as well.
    """

    def readConnectionLost(self) -> None:
        self.calls.append("read lost")

    def writeConnectionLost(self) -> None:
        self.calls.append("write lost")


class Transport(StringTransport, Switchable):
    """
    A transport whose protocol can be exchanged, as that of TCP.
    """

    protocol: Any = None

    def connect(self, protocol: IProtocol) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)


class Noted(Negotiation):
    """
    A negotiation that notes its results.
    """

    def __init__(
        self,
        case: NegotiatorTests,
        machine: Any,
        choose: Callable[[str, Any], IProtocolFactory | None],
        already: Callable[[Any], str | None] = lambda transport: None,
        optimistic: str | None = None,
    ) -> None:
        self._case = case
        self._machine = machine
        self._choose = choose
        self._already = already
        self.optimistic = optimistic
        self.clock = case.clock
        self.deadlines = Deadlines(case.clock, 10.0)

    def machine(self) -> Any:
        return self._machine

    def choose(self, agreed: str, transport: Any) -> IProtocolFactory | None:
        return self._choose(agreed, transport)

    def already(self, transport: Any) -> str | None:
        return self._already(transport)

    def agreed(self, protocol: IProtocol, transport: Any) -> None:
        self._case.agreements.append(protocol)

    def failed(self, reason: Failure, protocol: IProtocol | None) -> None:
        self._case.failures.append(reason)


class NegotiatorTests(SynchronousTestCase):
    """
    A negotiator runs its machine, and steps aside.
    """

    def setUp(self) -> None:
        """
        Have a transport, a clock, and notes of what was told.
        """
        self.transport = Transport()
        self.clock = Clock()
        self.inner = Recorder()
        self.failures: list[Failure] = []
        self.agreements: list[IProtocol] = []

    def negotiator(self, machine: Any, **options: Any) -> Negotiator:
        """
        Make a negotiator that builds L{inner}, and connect it.
        """
        factory = Factory()
        factory.buildProtocol = lambda addr: self.inner  # type: ignore[method-assign]
        negotiation = Noted(
            self,
            machine,
            options.pop("choose", lambda name, transport: factory),
            **options,
        )
        negotiator = negotiation.buildProtocol(None)
        self.transport.connect(negotiator)
        return negotiator

    def initiator(self, *protocols: str, **options: Any) -> Negotiator:
        """
        Make the negotiator of an initiator.
        """
        return self.negotiator(multistream.Initiator(protocols), **options)

    def responder(self, *protocols: str, **options: Any) -> Negotiator:
        """
        Make the negotiator of a responder.
        """
        return self.negotiator(
            multistream.Responder(protocols.__contains__, lambda: protocols), **options
        )

    def assertOver(self) -> None:
        """
        Whatever time brings, nothing more happens.
        """
        before = (len(self.failures), len(self.inner.calls))
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual((len(self.failures), len(self.inner.calls)), before)

    def receive(self, data: bytes) -> None:
        """
        Let data arrive, as a transport does.
        """
        self.transport.protocol.dataReceived(data)

    def test_trailingNotKept(self) -> None:
        """
        The bytes that came after the agreement are handed on, and not kept by a
        machine that may stay as long as its transport.
        """
        machine = multistream.Initiator(["/a"])
        self.negotiator(machine)
        self.receive(multistream.opening("/a") + b"trailing")
        self.assertEqual(self.inner.calls, ["made", b"trailing"])
        self.assertEqual(machine.trailing, b"")

    def test_agreement(self) -> None:
        """
        The agreed protocol is connected to the transport itself, gets what
        came behind the agreement, and receives directly from then on.
        """
        self.responder("/noise")
        self.receive(HEADER + NOISE + b"early")
        self.assertEqual(self.transport.value(), HEADER + NOISE)
        self.assertIs(self.transport.protocol, self.inner)
        self.assertIs(self.inner.transport, self.transport)
        self.receive(b"late")
        self.assertEqual(self.inner.calls, ["made", b"early", b"late"])
        self.assertEqual(self.agreements, [self.inner])
        self.assertEqual(self.failures, [])
        self.assertOver()

    def test_passOn(self) -> None:
        """
        Over a transport whose protocol cannot be exchanged, bytes and the end
        are passed on.
        """
        negotiator = self.responder("/noise")
        self.transport.protocol = None
        negotiator.dataReceived(HEADER + NOISE)
        negotiator.dataReceived(b"data")
        negotiator.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.inner.calls, ["made", b"data", ConnectionDone])
        self.assertEqual(self.failures, [])

    def test_initiator(self) -> None:
        """
        The initiator connects its protocol when the peer has agreed.
        """
        self.initiator("/tls/1.0.0", "/noise")
        self.assertEqual(self.transport.value(), HEADER + TLS)
        self.receive(HEADER + NA)
        self.assertEqual(self.inner.calls, [])
        self.receive(NOISE)
        self.assertEqual(self.inner.calls, ["made"])

    def test_optimistic(self) -> None:
        """
        An optimistic initiator connects its protocol at once: what that
        writes travels with the proposal; it receives when the peer agreed.
        """
        self.inner = Recorder(b"request")
        self.initiator("/noise", optimistic="/noise")
        self.assertEqual(self.transport.value(), HEADER + NOISE + b"request")
        self.assertEqual(self.agreements, [])
        self.receive(HEADER)
        self.receive(NOISE + b"response")
        self.assertEqual(self.inner.calls, ["made", b"response"])
        self.assertEqual(self.agreements, [self.inner])
        self.assertIs(self.transport.protocol, self.inner)

    def test_optimisticRefused(self) -> None:
        """
        If the peer does not agree, the optimistic protocol loses its
        connection for that reason, and the transport is dropped.
        """
        self.initiator("/noise", optimistic="/noise")
        self.receive(HEADER + NA)
        self.assertEqual(self.inner.calls, ["made", UnsupportedProtocol])
        self.assertTrue(self.failures[0].check(UnsupportedProtocol))
        self.assertTrue(self.transport.disconnected)
        self.transport.protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(len(self.failures), 1)
        self.assertEqual(len(self.inner.calls), 2)

    def test_already(self) -> None:
        """
        What is agreed by other means is connected without a word.
        """
        self.initiator("/a", already=lambda transport: "/a")
        self.assertEqual(self.transport.value(), b"")
        self.assertEqual(self.inner.calls, ["made"])
        self.assertIs(self.transport.protocol, self.inner)
        self.assertOver()

    def test_alreadyFailed(self) -> None:
        """
        There is no agreement with a protocol that fails to start.
        """
        self.patch(Recorder, "connectionMade", lambda recorder: 1 / 0)
        self.initiator("/a", already=lambda transport: "/a")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.transport.disconnected)
        self.assertEqual(self.agreements, [])

    def test_deadline(self) -> None:
        """
        At its deadline, and not before, a negotiation has failed, however
        regularly bytes come.
        """
        self.responder("/noise")
        for byte in HEADER[:9]:
            self.receive(bytes([byte]))
            self.clock.advance(1)
        self.assertEqual(self.failures, [])
        self.clock.advance(1)
        self.assertTrue(self.failures[0].check(UpgradeTimeout))
        self.assertTrue(self.transport.disconnected)

    def test_lost(self) -> None:
        """
        A transport that ends too early is a failure that says so, once.
        """
        negotiator = self.responder("/noise")
        negotiator.connectionLost(Failure(ConnectionLost()))
        self.assertTrue(self.failures[0].check(NegotiationEnded))
        broken = negotiator.factory.explain(Failure(ValueError("TLS is broken")))
        self.assertIs(type(broken), NegotiationFailed)
        self.assertEqual(self.inner.calls, [])
        self.assertOver()

    def test_lostForAReason(self) -> None:
        """
        A typed reason stays what it is.
        """
        negotiator = self.responder("/noise")
        negotiator.connectionLost(Failure(StreamReset(7)))
        self.assertTrue(self.failures[0].check(StreamReset))

    def test_readLost(self) -> None:
        """
        A peer that half-closes before there is an agreement wants none.
        """
        negotiator = self.responder("/noise")
        negotiator.readConnectionLost()
        self.assertTrue(self.failures[0].check(NegotiationEnded))
        self.assertTrue(self.transport.disconnected)

    def test_halfCloseOfOptimistic(self) -> None:
        """
        An optimistic protocol may half-close, and hears of it.
        """
        self.inner = HalfRecorder()
        negotiator = self.initiator("/noise", optimistic="/noise")
        negotiator.writeConnectionLost()
        self.receive(HEADER + NOISE)
        self.assertEqual(self.inner.calls, ["made", "write lost"])

    def test_noFactory(self) -> None:
        """
        An agreement for which our own side has no protocol is none.
        """
        self.responder("/noise", choose=lambda name, transport: None)
        self.receive(HEADER + NOISE)
        self.assertTrue(self.failures[0].check(NegotiationFailed))
        self.assertTrue(self.transport.disconnected)

    def test_failingFactory(self) -> None:
        """
        A factory that raises is logged, and ends this transport alone.
        """

        class Failing(Factory):
            def buildProtocol(self, addr: object) -> Any:
                raise RuntimeError("no")

        self.responder("/noise", choose=lambda name, transport: Failing())
        self.receive(HEADER + NOISE)
        self.assertTrue(self.transport.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_failingProtocol(self) -> None:
        """
        A protocol that raises when it is connected is logged, and ends this
        transport alone; no timer is left.
        """

        class Failing(Recorder):
            def connectionMade(self) -> None:
                raise RuntimeError("no")

        for options in ({}, {"optimistic": "/noise"}):
            self.transport = Transport()
            self.inner = Failing()
            negotiator = self.initiator("/noise", **options)
            self.receive(HEADER + NOISE)
            self.assertTrue(self.transport.disconnected)
            negotiator.connectionLost(Failure(ConnectionLost()))
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
            self.assertOver()

    def test_farewell(self) -> None:
        """
        The refusal of a lazy proposal is still told; who does not take it
        within a second is dropped.
        """
        self.responder("/noise")
        self.receive(HEADER + TLS + b"\x00\x20handshake")
        self.assertEqual(self.transport.value(), HEADER + NA)
        self.assertTrue(self.failures[0].check(NegotiationFailed))
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(self.transport.disconnected)

    def test_farewellTaken(self) -> None:
        """
        Who takes it leaves nothing behind.
        """
        negotiator = self.responder("/noise")
        self.receive(HEADER + TLS + b"\x00\x20handshake")
        negotiator.connectionLost(Failure(ConnectionDone()))
        self.assertOver()
        self.assertEqual(len(self.failures), 1)

    def test_silentAfterFailure(self) -> None:
        """
        What arrives after a failure is nobody's.
        """
        self.responder("/noise")
        self.receive(b"\xff\xff\xff")
        before = self.transport.value()
        self.receive(HEADER + NOISE)
        self.assertEqual(self.transport.value(), before)
        self.assertEqual(self.inner.calls, [])
        self.assertEqual(len(self.failures), 1)

    def test_closingOverdue(self) -> None:
        """
        A transport whose end waits to be read when the time to close is overdue is
        not aborted.
        """
        aborted: list[int] = []
        self.patch(self.transport, "abortConnection", lambda: aborted.append(1))
        negotiator = self.responder("/a")
        negotiator.dataReceived(HEADER + multistream.encode("/b") + b"\xff\xff\xff")
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)
        self.clock.callLater(60, negotiator.connectionLost, Failure(ConnectionDone()))
        self.clock.advance(60)
        self.assertEqual(aborted, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
