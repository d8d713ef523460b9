# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Transports: each makes Twisted endpoints of multiaddrs, for both directions.

There is one module for each transport, which provides
L{ITransport<twisted_libp2p.interfaces.ITransport>} and does not know how the bytes are
used.
"""

from twisted_libp2p.transport.descriptor import SocketSwitch, SocketWriter
from twisted_libp2p.transport.memory import MemoryNetwork, MemoryTransport
from twisted_libp2p.transport.tcp import TCPTransport

__all__ = [
    "MemoryNetwork",
    "MemoryTransport",
    "SocketSwitch",
    "SocketWriter",
    "TCPTransport",
]
