# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections: from an address, or an accepted transport, to a peer.

L{upgrader} turns a raw transport into a L{Connection} by stacking the rooms
below: negotiate, secure, negotiate, multiplex.  L{dialer} finds the transport
for a peer and dials its addresses.  What leaves this room is a
L{Connection}: authenticated, encrypted, and open for streams on both sides.
"""

from twisted_libp2p.connection.connection import Connection, ConnectionContext
from twisted_libp2p.connection.dialer import Dialer
from twisted_libp2p.connection.upgrader import Upgrader

__all__ = ["Connection", "ConnectionContext", "Dialer", "Upgrader"]
