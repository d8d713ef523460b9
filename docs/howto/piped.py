# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

import os
import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import ProcessEndpoint
from twisted.internet.task import react

from twisted_libp2p import Node

LISTENER = """
from twisted.internet import reactor
from twisted_libp2p import Node
from twisted_libp2p.events import ClosedConn

node = Node(reactor, listen=["endpoint:stdio:"])
node.events.subscribe(ClosedConn, lambda event: reactor.stop())
node.startService()
reactor.run()
"""


async def main(reactor):
    node = Node(reactor)
    node.startService()
    endpoint = ProcessEndpoint(
        reactor, sys.executable, [sys.executable, "-c", LISTENER], env=os.environ
    )
    connection = await node.connect(endpoint)
    await node.ping(connection.remotePeer)
    print("pinged", connection.remotePeer, "over", connection.transport)
    await connection.close()
    await node.stopService()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
