# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

import sys

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import react

from twisted_libp2p import Node
from twisted_libp2p.errors import DialFailed, UnsupportedProtocol


class Lines(Protocol):
    """
    Send some lines, half-close, and print the answer.
    """

    def __init__(self):
        self.finished = Deferred()

    def connectionMade(self):
        self.transport.write(b"one\ntwo\nthree\n")
        self.transport.loseWriteConnection()

    def dataReceived(self, data):
        print(data.decode(), end="")

    def connectionLost(self, reason):
        self.finished.callback(None)


async def main(reactor, address):
    versions = ["/count/3.0.0", "/count/2.0.0"]
    async with Node(reactor) as node:
        try:
            lines = await node.openStream(address, versions, Lines)
            print("agreed on", lines.transport.getPeer().protocolID)
            await lines.finished
        except DialFailed as error:
            for where, cause in error.causes:
                print(f"{where}: {cause}")
        except UnsupportedProtocol as error:
            print("the peer speaks none of", *error.proposed)


react(main, sys.argv[1:])
