# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a DHT would do: keep a table of the peers that speak a protocol, from the
events of a node alone.

    python examples/routing_table.py /ip4/127.0.0.1/tcp/4004 /kad/1.0.0
"""

import sys
from typing import Any

from twisted.internet.task import react

from twisted_libp2p import Node, PeerID
from twisted_libp2p.events import ClosedConn, Identified, ProtocolsChanged


class RoutingTable(set[PeerID]):
    def __init__(self, node: Node, protocol: str) -> None:
        subscribe = node.events.subscribe
        subscribe(Identified, self.enter, lambda e: protocol in e.protocols)
        subscribe(ProtocolsChanged, self.leave, lambda e: protocol in e.removed)
        # A peer may have another connection.
        subscribe(ClosedConn, self.leave, lambda e: not node.connections.to(e.peer))

    def enter(self, event: Identified) -> None:
        self.add(event.peer)

    def leave(self, event: ProtocolsChanged | ClosedConn) -> None:
        self.discard(event.peer)


async def main(reactor: Any, listen: str, protocol: str) -> None:
    async with Node(reactor, listen=listen) as node:
        table = RoutingTable(node, protocol)
        node.events.subscribe(Identified, lambda event: print(*table, flush=True))
        print("listening on", *node.addresses, flush=True)
        await node.whenStopped()  # by Ctrl-C


if __name__ == "__main__":
    react(main, sys.argv[1:])
