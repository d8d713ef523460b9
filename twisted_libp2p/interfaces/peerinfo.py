# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Values of the peerstore's contract: the facts about one peer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from types import MappingProxyType

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.printable import brief

__all__ = ["AddressInfo", "Identification", "PeerInfo", "Source", "TagInfo"]


class Source(IntFlag):
    """
    Where an address of a peer comes from.  An address that comes from several
    sources has all of their flags.
    """

    #: The user or the application named it; it never expires.
    CONFIGURED = 1
    #: We dialed it; it expires 15 minutes after the last connection.
    DIALED = 2
    #: The peer reported it on an authenticated connection; it expires in an hour.
    IDENTIFY = 4
    #: The peer signed it; it expires in an hour.
    RECORD = 8
    #: Other peers reported it; it expires in an hour.  If it is a name, it may
    #: lead to public addresses only.
    DISCOVERED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressInfo:
    """
    An address of a peer.  Times are seconds since the epoch; None means never.

    @ivar address: the address, without the id of the peer.
    @ivar source: the sources that reported it.
    @ivar learnt: when it was last reported.
    @ivar expires: when it expires; infinite if it does not.
    @ivar succeeded: when the peer was last reached there.
    @ivar failed: when an attempt to reach the peer there last failed.
    """

    address: Multiaddr
    source: Source
    learnt: float
    expires: float
    succeeded: float | None = None
    failed: float | None = None

    def __post_init__(self) -> None:
        """
        Accept an address in text.
        """
        object.__setattr__(self, "address", Multiaddr.of(self.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class TagInfo:
    """
    A tag.

    @ivar value: its weight.
    @ivar learnt: when it was set.
    @ivar expires: when it expires; infinite if it does not.
    """

    value: int
    learnt: float
    expires: float


@dataclass(frozen=True, slots=True, repr=False)
class Identification:
    """
    The facts that a peer reports about itself
    (libp2p/specs, identify/README.md); None, or empty, if it reports none.

    @ivar agent: the software that it says it is.
    @ivar protocolVersion: the network that it says it belongs to.
    @ivar protocols: the protocols that it serves.
    @ivar listenAddresses: the addresses at which it says it listens; those of its
        signed record if there is one.
    @ivar observedAddress: our end of the connection as the peer sees it.
    @ivar record: its signed record, verified: the bytes of the envelope.
    @ivar sequence: the sequence number of that record.
    """

    agent: str = ""
    protocolVersion: str = ""
    protocols: tuple[str, ...] = ()
    listenAddresses: tuple[Multiaddr, ...] = ()
    observedAddress: Multiaddr | None = None
    record: bytes | None = None
    sequence: int | None = None

    def __repr__(self) -> str:
        return brief(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerInfo:
    """
    A peer.  Times are seconds since the epoch; None means never.

    @ivar peer: its id.
    @ivar addresses: the addresses where it may be dialed, most promising first.
    @ivar connected: whether it is connected now.
    @ivar lastConnected: when it was last connected.
    @ivar publicKey: its key.
    @ivar identifiedAt: when it last identified itself.
    @ivar agent: the software that it says it is.
    @ivar protocolVersion: the network that it says it belongs to.
    @ivar protocols: the protocols that it serves.
    @ivar record: the envelope of its signed record.
    @ivar dialect: how it negotiates on a fresh transport: C{"multistream"},
        C{"sequential"} or C{"bootstrap"}.
    @ivar dialectLearntAt: when its dialect was learnt.
    @ivar tags: its tags by name.
    @ivar metadata: the application's notes on the peer, by name.
    """

    peer: PeerID
    addresses: tuple[AddressInfo, ...] = ()
    connected: bool = False
    lastConnected: float | None = None
    publicKey: PublicKey | None = None
    identifiedAt: float | None = None
    agent: str = ""
    protocolVersion: str = ""
    protocols: tuple[str, ...] = ()
    record: bytes | None = None
    dialect: str | None = None
    dialectLearntAt: float | None = None
    tags: Mapping[str, TagInfo] = field(default_factory=lambda: MappingProxyType({}))
    metadata: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """
        Accept a peer id in text.
        """
        object.__setattr__(self, "peer", PeerID.of(self.peer))

    def __repr__(self) -> str:
        return brief(self)
