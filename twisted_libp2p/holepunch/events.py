# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of hole punching.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.events import Event
from twisted_libp2p.identity import PeerID

__all__ = ["DirectConnection", "HolePunchFailed"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DirectConnection(Event):
    """
    A relayed connection to a peer has got a direct one beside it.

    @ivar peer: the peer.
    @ivar seconds: the time since the relayed connection was identified.
    @ivar attempts: how many exchanges it took; 0 if the peer could be dialed.
    """

    peer: PeerID
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HolePunchFailed(Event):
    """
    A peer is still reached through a relay alone.

    @ivar peer: the peer.
    @ivar reason: the last error.
    @ivar attempts: the number of exchanges.
    """

    peer: PeerID
    reason: BaseException
    attempts: int
