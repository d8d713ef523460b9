# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The address of the other, or this, end of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from twisted_libp2p.address.multiaddr import Multiaddr
from twisted_libp2p.identity import PeerID

__all__ = ["PeerAddress"]


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class PeerAddress:
    """
    One end of a stream: what C{getPeer} and C{getHost} of its transport give.

    @ivar peerID: who is there.
    @ivar multiaddr: where that is, as far as it is known.
    @ivar protocolID: what the stream speaks, once that is agreed.
    """

    peerID: PeerID
    multiaddr: Multiaddr | None = None
    protocolID: str | None = None

    def __str__(self) -> str:
        where = self.multiaddr.withoutPeer() if self.multiaddr else None
        return f"{where or ''}/p2p/{self.peerID}"
