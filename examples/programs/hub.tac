# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A hub that runs for good: twistd --nodaemon --python hub.tac

Settings come from the environment: HUB_DATA, HUB_LISTEN, HUB_FRIENDS, HUB_STATUS.
SIGHUP has it read the list of blocked peers again: HUB_DATA/blocked.
"""

import os
from itertools import count

from twisted.application.service import Application
from twisted.internet import reactor
from twisted.logger import Logger

from twisted_libp2p import Identity, Node, Talk
from twisted_libp2p.connmanager import ConnectionPolicy, FileGater
from twisted_libp2p.daemon.signals import HangupService
from twisted_libp2p.events import PeerConnected, PeerDisconnected
from twisted_libp2p.status import serveStatus

log = Logger("hub")
data = os.environ.get("HUB_DATA", "data")
os.makedirs(data, mode=0o700, exist_ok=True)


asked = count(1)


async def answer(talk: Talk) -> None:
    """Answer with how often we were asked."""
    await talk.write(f"{next(asked)}\n".encode())


node = Node(
    reactor,
    Identity.fromFile(os.path.join(data, "node.key")),
    os.environ.get("HUB_LISTEN", "/ip4/127.0.0.1/tcp/5401").split(","),
    peerstore=f"sqlite:{os.path.join(data, 'peers.db')}",
    policy=ConnectionPolicy(lowWater=50, highWater=80),
    gater=FileGater(os.path.join(data, "blocked")),
)
node.serve("/count/1.0.0", answer)
for friend in os.environ.get("HUB_FRIENDS", "").split():
    node.keep(friend, "friend")
node.events.subscribe(PeerConnected, lambda e: log.info("connected {e.peer}", e=e))
node.events.subscribe(PeerDisconnected, lambda e: log.info("{e.peer} {e.ending}", e=e))
HangupService(reactor, node.reload).setServiceParent(node)
serveStatus(reactor, node, os.environ.get("HUB_STATUS", "tcp:5403:interface=127.0.0.1"))
application = Application("hub")
node.setServiceParent(application)
