# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses of peers: multiaddrs, their scopes, and signed records of them.

Text and bytes from users and peers come in; well-formed addresses go out.  Anything
else raises one of the L{InvalidInput<twisted_libp2p.errors.InvalidInput>} errors.

See multiformats/multiaddr, and libp2p/specs, addressing/README.md and
RFC/0003-routing-records.md.
"""

from __future__ import annotations

from twisted_libp2p.address.multiaddr import Component, Multiaddr
from twisted_libp2p.address.origin import Origin
from twisted_libp2p.address.peeraddress import PeerAddress
from twisted_libp2p.address.record import PeerRecord
from twisted_libp2p.address.scope import (
    Scope,
    interfaceAddresses,
    ipOf,
    isWildcard,
    unmapped,
)

__all__ = [
    "Component",
    "Multiaddr",
    "Origin",
    "PeerAddress",
    "PeerRecord",
    "Scope",
    "interfaceAddresses",
    "ipOf",
    "isWildcard",
    "unmapped",
]
