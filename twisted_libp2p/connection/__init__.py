# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections: from an address, or an accepted transport, to a peer.

L{dialer} finds a transport for each address of a peer, and L{upgrader} connects and
listens over it.  L{stack} is the way of a byte over a raw transport; L{upgrade} is the
life of one connection until its session has started.  What leaves this room is a
L{Connection}: authenticated, encrypted, and open for L{streams} on both sides.
"""

from twisted_libp2p.connection.connection import Connection
from twisted_libp2p.connection.context import ConnectionContext
from twisted_libp2p.connection.dialer import Dialer
from twisted_libp2p.connection.upgrader import Upgrader

__all__ = ["Connection", "ConnectionContext", "Dialer", "Upgrader"]
