# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Private networks: connections that only the owners of a key can make
(libp2p/specs, pnet/Private-Networks-PSK-V1.md).
"""

from twisted_libp2p.transport.private.network import (
    PrivateConnection,
    PrivateFactory,
    PrivateNetwork,
    protect,
)

__all__ = ["PrivateConnection", "PrivateFactory", "PrivateNetwork", "protect"]
