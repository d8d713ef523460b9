# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Transports: a multiaddr goes in, a Twisted endpoint comes out, for both
directions.

One module a transport; each provides
L{ITransport<twisted_libp2p.interfaces.ITransport>} and knows nothing of what
is done with the bytes.
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
