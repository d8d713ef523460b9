# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peers, addresses and messages for the tests of identify.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.connection.addressfilter import AddressFilter
from twisted_libp2p.events import EventBus
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.node.addresses import OwnAddresses
from twisted_libp2p.protocols.identify.reader import (
    Reader,
)
from twisted_libp2p.wire.frames import delimit
from twisted_libp2p.wire.identify_pb2 import Identify as Message

PEER = Identity.generate()
STRANGER = Identity.generate()
NOTHING = Identification()

#: The filter of a node without addresses.
FILTER = AddressFilter(OwnAddresses(STRANGER.peerID, Clock(), EventBus()), lambda: 0.0)

LOOPBACK = Multiaddr("/ip4/127.0.0.1/tcp/4001")
LOOPBACK6 = Multiaddr("/ip6/::1/tcp/4001")
LINK_LOCAL = Multiaddr("/ip4/169.254.7.7/tcp/4001")
PRIVATE = Multiaddr("/ip4/192.168.1.7/tcp/4001")
PUBLIC = Multiaddr("/ip4/8.8.8.8/tcp/4001")
NAMED = Multiaddr("/dns4/example.org/tcp/4001")
ALL = [LOOPBACK, LOOPBACK6, LINK_LOCAL, PRIVATE, PUBLIC, NAMED]


def message(**fields: Any) -> bytes:
    """
    Encode a message, with its length before it.
    """
    return delimit(Message(**fields).SerializeToString())


def record(
    *addresses: Multiaddr, sequence: int = 1, identity: Identity = PEER
) -> bytes:
    """
    Sign a record.
    """
    return PeerRecord(identity.peerID, sequence, addresses).seal(identity)


def public(number: int) -> Multiaddr:
    """
    Give one of many public addresses.
    """
    return Multiaddr(f"/ip4/8.8.{number >> 8}.{number & 255}/tcp/4001")


def read(
    data: bytes,
    before: Identification = NOTHING,
    remote: Multiaddr | None = PUBLIC,
    peer: Identity = PEER,
) -> Identification:
    """
    Read all that a peer tells.
    """
    reader = Reader(peer.publicKey, remote, FILTER)
    reader.feed(data)
    return reader.finish(before)
