# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Rows: what is known of peers, in the pieces in which stores tell each other.

A row holds groups of values, each with the time (or, for signed records, the
number) at which it was learnt.  Of two versions of a group the later one wins,
in memory as in the database, so it does not matter in which order rows arrive,
nor how often.

Times are seconds since the epoch; 0 is never.  What expires at 0 was removed:
such a row has to be told, or others would go on believing the earlier one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["FORGOTTEN", "AddressRow", "Key", "MetadataRow", "PeerRow", "Row", "TagRow"]

#: When a peer is due that was forgotten on purpose.
FORGOTTEN: Final = 0.0


class PeerRow(NamedTuple):
    """
    What is known of a peer itself.

    @ivar peer: its id.
    @ivar noted: when C{due} was reckoned.
    @ivar due: when nothing of it will be worth keeping any more.
    @ivar met: when it was connected last.
    @ivar key: its public key; empty if that is not known, or is in the id.
    @ivar told: when it has identified itself last.
    @ivar agent: the software it says it is.
    @ivar network: the network it says it belongs to.
    @ivar protocols: the protocols it serves, one a line.
    @ivar sequence: the number of its signed record, in eight bytes; empty if
        there is none.
    @ivar envelope: that record.
    @ivar spoken: when its dialect was learnt.
    @ivar dialect: how it negotiates.
    """

    peer: bytes
    noted: float
    due: float
    met: float
    key: bytes
    told: float
    agent: str
    network: str
    protocols: str
    sequence: bytes
    envelope: bytes
    spoken: float
    dialect: str

    @property
    def latest(self) -> float:
        """
        The latest of its stamps.
        """
        return max(self.noted, self.met, self.told, self.spoken)


class AddressRow(NamedTuple):
    """
    What is known of one address of a peer.

    @ivar peer: the id of the peer.
    @ivar name: the address.
    @ivar learnt: when it was told of last.
    @ivar source: by whom: flags of
        L{Source<twisted_libp2p.interfaces.Source>}.
    @ivar expires: when it expires.
    @ivar succeeded: when the peer was reached there last.
    @ivar failed: when it could not be reached there last.
    """

    peer: bytes
    name: bytes
    learnt: float
    source: int
    expires: float
    succeeded: float
    failed: float

    @property
    def latest(self) -> float:
        """
        The latest of its stamps.
        """
        return max(self.learnt, self.succeeded, self.failed)


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
        Its stamp.
        """
        return self.learnt


class MetadataRow(NamedTuple):
    """
    Something that the application has said of a peer.
    """

    peer: bytes
    name: str
    learnt: float
    value: bytes
    expires: float

    @property
    def latest(self) -> float:
        """
        Its stamp.
        """
        return self.learnt


Row = PeerRow | AddressRow | TagRow | MetadataRow

#: Which row of a peer: its type, and its name among those of this type.
Key = tuple[type[Row], bytes | str]
