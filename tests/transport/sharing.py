# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node that shares its port, and tells on C{/pid} which process it is::

    python -m tests.transport.sharing KEY ADDRESS
"""

from __future__ import annotations

import os
import sys

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from twisted_libp2p.identity import Identity
from twisted_libp2p.node import Node
from twisted_libp2p.transport.ports import SharedPorts


class Pid(Protocol):
    """
    Tells which process this is.
    """

    def connectionMade(self) -> None:
        """
        Tell it, and no more.
        """
        assert self.transport is not None
        self.transport.write(b"%d" % os.getpid())
        self.transport.loseConnection()


def main(key: str, address: str) -> None:
    """
    Run until the end.
    """
    node = Node(SharedPorts(reactor), Identity.fromFile(key), [address])
    node.registry.register("/pid", Factory.forProtocol(Pid))
    node.startService()
    node.whenListening().addCallback(lambda found: print(found[0], flush=True))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
