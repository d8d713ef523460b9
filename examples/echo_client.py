# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Say something to an echo, and print what comes back:

    python examples/echo_client.py \
        libp2p:/ip4/127.0.0.1/tcp/4001/p2p/12D3Koo...:protocol=/echo/1.0.0 hello

Any libp2p peer that serves /echo/1.0.0 answers, in whatever language it is written.
"""

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import react
from twisted.python.failure import Failure


class Caller(Protocol):
    def __init__(self) -> None:
        self.received, self.finished = b"", Deferred[bytes]()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.finished.callback(self.received)


async def main(reactor: Any, description: str, text: str) -> None:
    endpoint: Any = clientFromString(reactor, description)
    caller = await endpoint.connect(Factory.forProtocol(Caller))
    caller.transport.write(text.encode())
    caller.transport.loseWriteConnection()  # no more to say; still listening
    print((await caller.finished).decode())


react(main, sys.argv[1:])
