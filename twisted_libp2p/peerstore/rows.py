# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Rows: the facts about peers, in the pieces that stores exchange.

A row holds groups of values, each with the time (or, for signed records, the
sequence number) at which it was learnt.  Of two versions of a group the later one
wins, in memory and in the database, so the order in which rows arrive does not
matter, nor how often they do.

Times are seconds since the epoch; 0 is never.  A row that expires at 0 was removed:
such a row has to be passed on, or other programs would keep the earlier version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = [
    "FORGOTTEN",
    "TIMES",
    "AddressRow",
    "Key",
    "MetadataRow",
    "PeerRow",
    "Row",
    "TagRow",
]

#: When the row of a peer expires that was forgotten on purpose.
FORGOTTEN: Final = 0.0


class PeerRow(NamedTuple):
    """
    The facts about a peer itself.

    @ivar peer: its id.
    @ivar recordedAt: when C{expires} was calculated.
    @ivar expires: when no fact about the peer will be worth keeping any longer.
    @ivar lastConnected: when it was last connected.
    @ivar publicKey: its public key; empty if the key is not known, or is in the id.
    @ivar identifiedAt: when it last identified itself.
    @ivar agent: the software that it says it is.
    @ivar protocolVersion: the network that it says it belongs to.
    @ivar protocols: the protocols that it serves, one a line.
    @ivar sequence: the sequence number of its signed record, in eight bytes; empty
        without a record.
    @ivar envelope: the signed record in its envelope.
    @ivar dialectLearntAt: when its dialect was learnt.
    @ivar dialect: how it negotiates on a fresh transport.
    """

    peer: bytes
    recordedAt: float
    expires: float
    lastConnected: float
    publicKey: bytes
    identifiedAt: float
    agent: str
    protocolVersion: str
    protocols: str
    sequence: bytes
    envelope: bytes
    dialectLearntAt: float
    dialect: str

    @property
    def latest(self) -> float:
        """
        The latest of its times of learning.
        """
        return max(
            self.recordedAt, self.lastConnected, self.identifiedAt, self.dialectLearntAt
        )

    @property
    def key(self) -> None:
        """
        None: a peer has one such row.
        """
        return None

    @classmethod
    def forgotten(cls, peer: bytes, stamp: float) -> PeerRow:
        """
        Return the row of a peer that was forgotten.

        @param stamp: the time, later than all that was read.
        """
        return cls(peer, stamp, FORGOTTEN, 0.0, b"", 0.0, "", "", "", b"", b"", 0.0, "")


class AddressRow(NamedTuple):
    """
    The facts about one address of a peer.

    @ivar peer: the id of the peer.
    @ivar address: the address in binary form, without C{/p2p/...}.
    @ivar learnt: when it was last reported.
    @ivar source: the sources that reported it: flags of
        L{Source<twisted_libp2p.interfaces.Source>}.
    @ivar expires: when it expires.
    @ivar succeeded: when the peer was last reached there.
    @ivar failed: when an attempt to reach the peer there last failed.
    """

    peer: bytes
    address: bytes
    learnt: float
    source: int
    expires: float
    succeeded: float
    failed: float

    @property
    def latest(self) -> float:
        """
        The latest of its times of learning.
        """
        return max(self.learnt, self.succeeded, self.failed)

    @property
    def key(self) -> Key:
        """
        The row among those of its peer.
        """
        return AddressRow, self.address


class TagRow(NamedTuple):
    """
    A tag of a peer.
    """

    peer: bytes
    name: str
    learnt: float
    value: int
    expires: float

    @property
    def latest(self) -> float:
        """
        The time at which it was set.
        """
        return self.learnt

    @property
    def key(self) -> Key:
        """
        The row among those of its peer.
        """
        return TagRow, self.name


class MetadataRow(NamedTuple):
    """
    Metadata of a peer under one name: the application's own note.
    """

    peer: bytes
    name: str
    learnt: float
    value: bytes
    expires: float

    @property
    def latest(self) -> float:
        """
        The time at which it was set.
        """
        return self.learnt

    @property
    def key(self) -> Key:
        """
        The row among those of its peer.
        """
        return MetadataRow, self.name


Row = PeerRow | AddressRow | TagRow | MetadataRow

#: A row among those of one peer: its type, and its address or name.
Key = tuple[type[Row], bytes | str]

#: The names of the times at which something was learnt, for each kind of row.
TIMES: Final[Mapping[type[Row], tuple[str, ...]]] = {
    PeerRow: ("recordedAt", "lastConnected", "identifiedAt", "dialectLearntAt"),
    AddressRow: ("learnt", "succeeded", "failed"),
    TagRow: ("learnt",),
    MetadataRow: ("learnt",),
}
