# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A hub that runs for good: twistd --nodaemon --python hub.tac

Settings come from the environment: HUB_DATA, HUB_LISTEN, HUB_FRIENDS, HUB_STATUS.
"""

import os

from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.protocol import Protocol
from twisted.logger import Logger

from twisted_libp2p import Identity, Node, Stream
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.events import PeerConnected, PeerDisconnected
from twisted_libp2p.status import serveStatus

log = Logger("hub")
data = os.environ.get("HUB_DATA", "data")
os.makedirs(data, mode=0o700, exist_ok=True)


class Count(Protocol):
    """Answer with how often we were asked."""

    transport: Stream
    asked = 0

    def connectionMade(self) -> None:
        Count.asked += 1
        self.transport.write(f"{Count.asked}\n".encode())
        self.transport.loseConnection()


node = Node(
    reactor,
    Identity.fromFile(os.path.join(data, "node.key")),
    os.environ.get("HUB_LISTEN", "/ip4/127.0.0.1/tcp/5401").split(","),
    peerstore=f"sqlite:{os.path.join(data, 'peers.db')}",
    policy=ConnectionPolicy(lowWater=50, highWater=80),
)
node.serve("/count/1.0.0", Count)
for friend in os.environ.get("HUB_FRIENDS", "").split():
    node.keep(friend, "friend")
node.events.subscribe(PeerConnected, lambda e: log.info("connected {e.peer}", e=e))
node.events.subscribe(PeerDisconnected, lambda e: log.info("{e.peer} {e.ending}", e=e))
serveStatus(reactor, node, os.environ.get("HUB_STATUS", "tcp:5403:interface=127.0.0.1"))
application = Application("hub")
node.setServiceParent(application)
