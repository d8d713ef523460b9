# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of discovery.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import Event
from twisted_libp2p.identity import PeerID

__all__ = ["PeerDiscovered", "PeerExpired"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerDiscovered(Event):
    """
    A discovery has found a peer, or new addresses of it.  It is a hint: only a
    connection proves that the peer is there.

    @ivar peer: the peer.
    @ivar addresses: its addresses, as far as they may be dialed, without its id.
    @ivar source: the discovery, such as C{"mdns"}.
    """

    peer: PeerID
    addresses: tuple[Multiaddr, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerExpired(Event):
    """
    A discovery no longer finds a peer: it has said goodbye, or it is silent.

    @ivar peer: the peer.
    @ivar source: the discovery, such as C{"mdns"}.
    """

    peer: PeerID
    source: str
