# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

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
    key = Identity.fromFile("count.key")
    async with Node(reactor, key, "/ip4/0.0.0.0/tcp/4002") as node:
        node.serve(["/count/2.0.0", "/count/1.0.0"], CountFactory())
        for address in node.addresses:
            print("listening on", address)
        await node.whenStopped()  # by Ctrl-C


react(main)
