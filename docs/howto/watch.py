# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_libp2p import Identity, Node
from twisted_libp2p.events import ClosedConn, Identified, OpenedConn


def opened(event):
    print(event.direction, event.security, event.muxer)


def identified(event):
    print("it is", event.agent)


def closed(event):
    print("gone:", event.reason.getErrorMessage())


async def main(reactor):
    node = Node(
        reactor,
        identity=Identity.fromFile("watch.key"),
        listen=["/ip4/0.0.0.0/tcp/4001"],
    )
    node.events.subscribe(OpenedConn, opened)
    node.events.subscribe(Identified, identified)
    node.events.subscribe(ClosedConn, closed, where=lambda event: event.peer)
    node.startService()
    reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
    for address in await node.whenListening():
        print("listening on", address)
    await Deferred()  # until it is interrupted


react(main)
