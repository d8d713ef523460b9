# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.protocol import Protocol

from twisted_libp2p import Identity, Node


class Greeter(Protocol):
    def connectionMade(self):
        self.transport.write(f"hello, {self.transport.getPeer()}\n".encode())
        self.transport.loseConnection()


node = Node(
    reactor,
    identity=Identity.fromFile("node.key"),
    listen=["/ip4/0.0.0.0/tcp/4001"],
)
node.serve("/greeting/1.0.0", Greeter)

application = Application("greeter")
node.setServiceParent(application)
