# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the connections to IP addresses.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionRefusedError,
    NoProtocol,
    TimeoutError,
)
from twisted.internet.interfaces import ILoggingContext
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.transport.ipclient import CONNECT_TIMEOUT, IPClient


class Transport(StringTransport):
    """
    A transport with the options of TCP, which a closed one refuses.
    """

    protocol: object = None

    def __init__(self, closed: bool = False) -> None:
        super().__init__()
        self.options: list[tuple[str, bool]] = []
        self.closed = closed

    def setTcpNoDelay(self, enabled: bool) -> None:
        if self.closed:
            raise OSError("Invalid argument")
        self.options.append(("no delay", enabled))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options.append(("keep alive", enabled))


class Builder(Factory[Protocol]):
    """
    Counts its starts, and builds what it is given.
    """

    def __init__(self, built: Protocol | Exception | None) -> None:
        self.built = built

    def buildProtocol(self, addr: object) -> Protocol | None:
        if isinstance(self.built, Exception):
            raise self.built
        return self.built


class Reached(Protocol):
    """
    Does something when it is connected.
    """

    meanwhile: Any = None

    def connectionMade(self) -> None:
        if self.meanwhile is not None:
            self.meanwhile()


class ClientTests(SynchronousTestCase):
    """
    One attempt, with a reactor in memory.
    """

    def setUp(self) -> None:
        """
        Have a reactor, and a protocol.
        """
        self.reactor = MemoryReactorClock()
        self.protocol = Reached()
        self.factory = Builder(self.protocol)

    def connect(self) -> Any:
        """
        Begin.
        """
        client = IPClient(self.reactor, "192.0.2.7", 9, ("192.0.2.1", 0))
        return client.connect(self.factory)

    def build(self) -> Any:
        """
        Have the connection built, as the reactor does.
        """
        peer = IPv4Address("TCP", "192.0.2.7", 9)
        return self.reactor.tcpClients[-1][2].buildProtocol(peer)

    def test_connected(self) -> None:
        """
        The protocol is connected, with the options of its transport set, and its bytes
        come to it directly.  No timer stays.
        """
        connecting = self.connect()
        host, port, factory, timeout, place = self.reactor.tcpClients[-1]
        self.assertEqual((host, port, timeout), ("192.0.2.7", 9, None))
        self.assertEqual(place, ("192.0.2.1", 0))
        factory.doStart()
        self.assertEqual(self.factory.numPorts, 1)
        arrival = self.build()
        self.assertNoResult(connecting)
        self.assertEqual(ILoggingContext(arrival).logPrefix(), "Reached")
        transport = Transport()
        arrival.makeConnection(transport)
        self.assertIs(self.successResultOf(connecting), self.protocol)
        self.assertIs(transport.protocol, self.protocol)
        self.assertIs(self.protocol.transport, transport)
        self.assertEqual(transport.options, [("no delay", True), ("keep alive", True)])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        factory.doStop()
        self.assertEqual(self.factory.numPorts, 0)

    def test_closed(self) -> None:
        """
        A transport that has no options, since the peer has closed it, is connected: it
        reports its end itself.
        """
        connecting = self.connect()
        self.build().makeConnection(Transport(closed=True))
        self.assertIs(self.successResultOf(connecting), self.protocol)

    def test_late(self) -> None:
        """
        An attempt without a connection is given up after some seconds.
        """
        connecting = self.connect()
        self.reactor.pump([CONNECT_TIMEOUT, 0.0])
        error = self.failureResultOf(connecting, TimeoutError).value
        self.assertIn("no connection in 5 seconds", str(error))
        self.assertTrue(self.reactor.connectors[-1].stoppedConnecting)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """
        An attempt can be given up; what the reactor reports afterwards is ignored.
        """
        connecting = self.connect()
        connecting.cancel()
        self.failureResultOf(connecting, ConnectingCancelledError)
        connector = self.reactor.connectors[-1]
        self.assertTrue(connector.stoppedConnecting)
        factory = self.reactor.tcpClients[-1][2]
        factory.clientConnectionFailed(connector, Failure(ConnectionRefusedError()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """
        The error of the reactor is reported.
        """
        connecting = self.connect()
        self.reactor.tcpClients[-1][2].clientConnectionFailed(
            self.reactor.connectors[-1], Failure(ConnectionRefusedError())
        )
        self.failureResultOf(connecting, ConnectionRefusedError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_impossible(self) -> None:
        """
        So is an error that the reactor raises.
        """

        def refuse(*args: object, **options: object) -> None:
            raise ValueError("no such place")

        self.patch(self.reactor, "connectTCP", refuse)
        self.failureResultOf(self.connect(), ValueError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_unbuilt(self) -> None:
        """
        A factory that fails, or builds nothing, leaves no protocol.
        """
        for built, error in ((None, NoProtocol), (ValueError("no"), ValueError)):
            self.factory.built = built
            connecting = self.connect()
            self.assertIsNone(self.build())
            self.failureResultOf(connecting, error)
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelledMeanwhile(self) -> None:
        """
        An attempt that is given up while its protocol is being connected has failed.
        """
        connecting = self.connect()
        self.protocol.meanwhile = connecting.cancel
        self.build().makeConnection(Transport())
        self.failureResultOf(connecting)
        self.assertFalse(self.reactor.connectors[-1].stoppedConnecting)
