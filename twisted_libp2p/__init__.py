# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
libp2p for Twisted: any C{Factory}, any peer, one endpoint string.

Most applications need only these names; each is loaded when it is first used:

  - L{Node<twisted_libp2p.node.Node>}: the object that an application holds; it
    listens, dials and serves
  - L{Connection<twisted_libp2p.interfaces.IConnection>}: the result of
    C{node.connect}
  - L{Stream<twisted_libp2p.interfaces.IStream>}: the C{transport} of a protocol;
    L{Talk<twisted_libp2p.connection.talk.Talk>} for coroutines
  - L{PeerAddress<twisted_libp2p.address.PeerAddress>}: the address of a stream, with
    the proven id of the peer; L{Multiaddr<twisted_libp2p.address.Multiaddr>}
  - L{Identity<twisted_libp2p.identity.Identity>}: the private key of a node;
    L{PeerID<twisted_libp2p.identity.PeerID>}
  - L{twisted_libp2p.events}: all events of a node
  - L{twisted_libp2p.errors}: all errors, in one tree

C{docs/architecture.rst} lists the rooms from which they come.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted_libp2p.address import Multiaddr, PeerAddress
    from twisted_libp2p.connection.talk import Talk
    from twisted_libp2p.endpoints import Libp2pClientEndpoint, Libp2pServerEndpoint
    from twisted_libp2p.errors import Libp2pError
    from twisted_libp2p.identity import Identity, KeyType, PeerID, PublicKey
    from twisted_libp2p.interfaces import Connection, Stream
    from twisted_libp2p.node import Node

__all__ = [
    "Connection",
    "Identity",
    "KeyType",
    "Libp2pClientEndpoint",
    "Libp2pError",
    "Libp2pServerEndpoint",
    "Multiaddr",
    "Node",
    "PeerAddress",
    "PeerID",
    "PublicKey",
    "Stream",
    "Talk",
    "__version__",
]

__version__ = "0.1.0"

_WHERE = {
    "Connection": "interfaces",
    "Identity": "identity",
    "KeyType": "identity",
    "Libp2pClientEndpoint": "endpoints",
    "Libp2pError": "errors",
    "Libp2pServerEndpoint": "endpoints",
    "Multiaddr": "address",
    "Node": "node",
    "PeerAddress": "address",
    "PeerID": "identity",
    "PublicKey": "identity",
    "Stream": "interfaces",
    "Talk": "connection.talk",
}


def __getattr__(name: str) -> Any:
    """
    Load a public name from its room.
    """
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
