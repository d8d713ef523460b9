# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import StreamReset
from twisted_libp2p.testing import MemoryNodes


class Greeter(Protocol):
    """
    Greet a peer; hang up on one that says nothing for ten seconds.
    """

    def __init__(self, clock):
        self.patience = clock.callLater(10.0, self.timeOut)

    def timeOut(self):
        self.transport.abortConnection()

    def dataReceived(self, data):
        self.transport.write(b"hello, " + data)

    def connectionLost(self, reason):
        if self.patience.active():
            self.patience.cancel()


class Guest(Protocol):
    received = b""
    reason = None

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason):
        self.reason = reason


class GreeterTests(SynchronousTestCase):
    def setUp(self):
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        server, client = self.nodes.start(), self.nodes.start()
        clock = self.nodes.clock
        server.listener("/greeting/1.0.0").listen(
            Factory.forProtocol(lambda: Greeter(clock))
        )
        endpoint = client.connector(server.addresses[0], "/greeting/1.0.0")
        self.guest = self.nodes.result(endpoint.connect(Factory.forProtocol(Guest)))

    def test_greeting(self):
        """
        A guest that tells its name is greeted by it.
        """
        self.guest.transport.write(b"Ada")
        self.nodes.settle()
        self.assertEqual(self.guest.received, b"hello, Ada")

    def test_silence(self):
        """
        A guest that says nothing is reset after ten seconds, not earlier.
        """
        self.nodes.advance(9.0)
        self.assertIsNone(self.guest.reason)
        self.nodes.advance(1.0)
        self.assertTrue(self.guest.reason.check(StreamReset))
