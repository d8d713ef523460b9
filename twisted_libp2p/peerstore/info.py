# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
All that is known of a peer, for people and for other stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import Source
from twisted_libp2p.printable import brief

__all__ = ["AddressInfo", "PeerInfo", "TagInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressInfo:
    """
    An address of a peer.  Times are seconds since the epoch, None is never.

    @ivar address: the address, without the id of the peer.
    @ivar source: who says so.
    @ivar learnt: when this was said last.
    @ivar expires: when it expires; infinite if it does not.
    @ivar succeeded: when the peer was reached there last.
    @ivar failed: when it could not be reached there last.
    """

    address: Multiaddr
    source: Source
    learnt: float
    expires: float
    succeeded: float | None = None
    failed: float | None = None

    def __post_init__(self) -> None:
        """
        Take an address in text.
        """
        object.__setattr__(self, "address", Multiaddr.of(self.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class TagInfo:
    """
    A tag.

    @ivar value: how much it counts.
    @ivar learnt: when it was set.
    @ivar expires: when it expires; infinite if it does not.
    """

    value: int
    learnt: float
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerInfo:
    """
    A peer.  Times are seconds since the epoch, None is never.

    @ivar peer: its id.
    @ivar addresses: where it may be dialed, the most promising first.
    @ivar connected: whether it is, just now.
    @ivar met: when it was connected last.
    @ivar publicKey: its key.
    @ivar identified: when it has said last what it is.
    @ivar agent: the software it says it is.
    @ivar protocolVersion: the network it says it belongs to.
    @ivar protocols: what it serves.
    @ivar record: the envelope of its signed record.
    @ivar dialect: how it negotiates on a fresh transport.
    @ivar dialectLearnt: when that was learnt.
    @ivar tags: by their names.
    @ivar metadata: what the application has said of it.
    """

    peer: PeerID
    addresses: tuple[AddressInfo, ...] = ()
    connected: bool = False
    met: float | None = None
    publicKey: PublicKey | None = None
    identified: float | None = None
    agent: str = ""
    protocolVersion: str = ""
    protocols: tuple[str, ...] = ()
    record: bytes | None = None
    dialect: str | None = None
    dialectLearnt: float | None = None
    tags: Mapping[str, TagInfo] = field(default_factory=lambda: MappingProxyType({}))
    metadata: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """
        Take a peer id in text.
        """
        object.__setattr__(self, "peer", PeerID.of(self.peer))

    def __repr__(self) -> str:
        return brief(self)
