# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.test_pressure} and L{tests.quic.test_pressure}: a node in a
process of its own, whose streams are not read until it is told to.  Its argument is the
name of a muxer, or that of a backend of QUIC after C{quic:}.

It prints the address to dial, then answers each line of its standard input:
C{rss} with its resident memory in bytes, C{read} with the number of bytes that
were read to the end of the stream, and their digest.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from tests.account import residentBytes
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.quic.transport import QuicProvider

UNREAD = "/test/unread/1.0.0"


@implementer(IHalfCloseableProtocol)
class Unread(Protocol):
    """
    Reads nothing until it is told to.
    """

    transport: Any

    def connectionMade(self) -> None:
        self.transport.pauseProducing()
        self.size = 0
        self.digest = hashlib.sha256()
        self.end: Deferred[None] = Deferred()
        streams.append(self)

    def dataReceived(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)

    def readConnectionLost(self) -> None:
        self.transport.loseConnection()
        self.end.callback(None)

    def writeConnectionLost(self) -> None:
        pass


streams: list[Unread] = []


class Console(LineReceiver):
    """
    Answers the test.
    """

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        if line == b"rss":
            self.say(str(residentBytes(os.getpid())))
        elif line == b"read":
            stream = streams.pop(0)
            stream.end.addCallback(
                lambda _: self.say(f"{stream.size} {stream.digest.hexdigest()}")
            )
            stream.transport.resumeProducing()

    def say(self, text: str) -> None:
        """
        Answer with a line.
        """
        self.sendLine(text.encode("ascii"))

    def connectionLost(self, reason: object = None) -> None:
        loop: Any = reactor
        if loop.running:
            loop.stop()


def makeNode(path: str, listen: bool = False) -> Node:
    """
    Make a node.

    @param path: the name of a muxer, or C{quic:} and that of a backend.
    """
    kind, _, backend = path.partition(":")
    if not backend:
        addresses = ["/ip4/127.0.0.1/tcp/0"] if listen else []
        return Node(reactor, listen=addresses, muxers=[kind])
    addresses = ["/ip4/127.0.0.1/udp/0/quic-v1"] if listen else []
    return Node(reactor, listen=addresses, transports=[QuicProvider(backend)])


def main(arguments: list[str]) -> None:
    """
    Run until standard input ends.
    """
    node = makeNode(arguments[0], listen=True)
    node.registry.register(UNREAD, Factory.forProtocol(Unread))
    node.registry.register(PROTOCOL_ID, EchoFactory())
    node.startService()
    console = Console()
    StandardIO(console)
    node.whenListening().addCallback(lambda addresses: console.say(str(addresses[0])))
    loop: Any = reactor
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1:])
