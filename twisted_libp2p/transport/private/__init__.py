# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Private networks: connections that only the owners of a key can make
(libp2p/specs, pnet/Private-Networks-PSK-V1.md).
"""

from twisted_libp2p.transport.private.layer import PrivateConnection, PrivateFactory
from twisted_libp2p.transport.private.network import PrivateNetwork
from twisted_libp2p.transport.private.transport import PrivateTransport, protect

__all__ = [
    "PrivateConnection",
    "PrivateFactory",
    "PrivateNetwork",
    "PrivateTransport",
    "protect",
]
