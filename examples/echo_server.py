# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Serve an echo to libp2p peers:

    python examples/echo_server.py \
        libp2p:/ip4/127.0.0.1/tcp/4001:protocol=/echo/1.0.0:identity=echo.key

It prints the address for echo_client.py.  Nothing in here knows of libp2p: given
tcp:4001 it is a TCP server.
"""

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react


class Echo(Protocol):
    transport: Any

    def connectionMade(self) -> None:
        print("serving", self.transport.getPeer(), flush=True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


async def main(reactor: Any, description: str) -> None:
    endpoint: Any = serverFromString(reactor, description)
    port = await endpoint.listen(Factory.forProtocol(Echo))
    print("listening on", port.getHost(), flush=True)
    await Deferred()  # until it is interrupted


react(main, sys.argv[1:])
