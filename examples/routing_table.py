# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a DHT would do: keep a table of the peers that speak a protocol, from the
events of a node alone.

    python examples/routing_table.py /ip4/127.0.0.1/tcp/4004 /kad/1.0.0
"""

import sys

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_libp2p.events import ClosedConn, Identified, ProtocolsChanged
from twisted_libp2p.node import Node


class RoutingTable(set):
    def __init__(self, node, protocol):
        subscribe = node.events.subscribe
        subscribe(Identified, self.enter, lambda e: protocol in e.protocols)
        subscribe(ProtocolsChanged, self.leave, lambda e: protocol in e.removed)
        # A peer may have another connection.
        subscribe(ClosedConn, self.leave, lambda e: not node.connections.to(e.peer))

    def enter(self, event):
        self.add(event.peer)

    def leave(self, event):
        self.discard(event.peer)


async def main(reactor, listen, protocol):
    node = Node(reactor, listen=[listen])
    table = RoutingTable(node, protocol)
    node.events.subscribe(Identified, lambda event: print(*table, flush=True))
    node.startService()
    print("listening on", *await node.whenListening(), flush=True)
    await Deferred()  # until it is interrupted


if __name__ == "__main__":
    react(main, sys.argv[1:])
