# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react

from twisted_libp2p import Identity, Node, PeerID
from twisted_libp2p.connmanager import ConnectionPolicy, ListGater, halving
from twisted_libp2p.events import ConnectionTrimmed, LimitReached, OpenedConn
from twisted_libp2p.limits import Limits

FRIEND = PeerID.fromText("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")


class Questions(Protocol):
    """
    Answer questions.  Who asks is worth more, and half of that an hour later.
    """

    def __init__(self, tags):
        self.tags = tags

    def connectionMade(self):
        self.tags.add(self.transport.getPeer().peerID, "asks", 1.0, halving(3600.0))

    def dataReceived(self, data):
        self.transport.write(data.upper())
        self.transport.loseConnection()


def opened(event):
    print(event.direction, "connection")


def trimmed(event):
    print("trimmed:", event.peer, "is worth", event.value)


def reached(event):
    print(f"{event.count} refused, {event.scope}: {event.option} is {event.limit}")


async def main(reactor):
    limits = Limits.scaled(connections=1000)
    node = Node(
        reactor,
        identity=Identity.fromFile("connections.key"),
        listen=["/ip4/0.0.0.0/tcp/4001"],
        policy=ConnectionPolicy(lowWater=400, highWater=500, idleTimeout=600.0),
        limits=replace(limits, peer=limits.peer._replace(connections=2)),
        gater=ListGater(blocked=["198.51.100.0/24"]),
    )
    node.connections.protect(FRIEND, "friends")
    node.events.subscribe(OpenedConn, opened)
    node.events.subscribe(ConnectionTrimmed, trimmed)
    node.events.subscribe(LimitReached, reached)
    factory = Factory.forProtocol(lambda: Questions(node.connections.tags))
    await node.listener("/question/1.0.0").listen(factory)
    node.startService()
    reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
    for address in await node.whenListening():
        print("listening on", address)
    await Deferred()  # until it is interrupted


react(main)
