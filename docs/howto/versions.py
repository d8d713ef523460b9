# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react
from zope.interface import implementer

from twisted_libp2p import Identity, Node


@implementer(IHalfCloseableProtocol)
class Count(Protocol):
    """
    Count what the peer sends until it half-closes, then answer.
    """

    def __init__(self, unit):
        self.unit = unit
        self.count = 0

    def dataReceived(self, data):
        self.count += len(data) if self.unit == "bytes" else data.count(b"\n")

    def readConnectionLost(self):
        self.transport.write(f"{self.count} {self.unit}\n".encode())
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


class CountFactory(Factory):
    """
    Serve two versions of one protocol.
    """

    def buildProtocol(self, address):
        newer = address.protocolID == "/count/2.0.0"
        return Count("lines" if newer else "bytes")


async def main(reactor):
    node = Node(
        reactor,
        identity=Identity.fromFile("count.key"),
        listen=["/ip4/0.0.0.0/tcp/4002"],
    )
    await node.listener(["/count/2.0.0", "/count/1.0.0"]).listen(CountFactory())
    node.startService()
    reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
    for address in await node.whenListening():
        print("listening on", address)
    await Deferred()  # until it is interrupted


react(main)
