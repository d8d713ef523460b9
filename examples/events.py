# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Run a node, and print what happens to it:

    python examples/events.py /ip4/127.0.0.1/tcp/4003

The second argument, if there is one, is the address of a peer to connect to.
"""

import sys
from typing import Any

from twisted.internet.task import react

from twisted_libp2p import Node
from twisted_libp2p.events import ClosedConn, Event, Identified


def tell(event: Event) -> None:
    print(type(event).__name__, getattr(event, "peer", ""), flush=True)


async def main(reactor: Any, listen: str, *peers: str) -> None:
    node = Node(reactor, listen=listen)
    node.events.subscribe(Event, tell)  # a base class stands for all below it
    node.events.subscribe(Identified, lambda event: print("it is", event.agent))
    node.events.subscribe(ClosedConn, lambda event: print("as", event.reason.value))
    async with node:
        print("listening on", *node.addresses, flush=True)
        for peer in peers:
            print("round trip:", await node.ping(peer), "seconds", flush=True)
        await node.whenStopped()  # by Ctrl-C


react(main, sys.argv[1:])
