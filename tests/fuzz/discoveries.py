# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the messages of discovery.
"""

from __future__ import annotations

import json
from contextlib import suppress

from tests.fuzz.target import target
from twisted_libp2p.discovery.delegated.records import (
    MAX_RECORDS,
    AnswerReader,
    writeRecord,
)
from twisted_libp2p.discovery.mdns import packet
from twisted_libp2p.discovery.mdns.packet import (
    MAX_PEERS,
    SERVICE,
    Answer,
    parse,
)
from twisted_libp2p.discovery.rendezvous.messages import (
    MAX_ADDRESSES,
    Layout,
    Place,
    readMessage,
    registrationsIn,
)
from twisted_libp2p.errors import InvalidInput, InvalidRecord, ProtocolViolation

__all__ = ["delegated", "multicasts", "rendezvous"]


@target
def delegated(data: bytes) -> None:
    """
    An answer of delegated routing is refused, or has few records, whichever form it
    has.
    """
    for inLines in (False, True):
        reader = AnswerReader("Peers", inLines)
        try:
            reader.feed(data)
            found = reader.end()
        except InvalidInput:
            continue
        assert len(found) <= MAX_RECORDS
        for each in found:
            assert len(each.addresses) <= MAX_RECORDS
            again = AnswerReader("Peers", True)
            again.feed(json.dumps(writeRecord(each)).encode())
            assert again.end() == [each]


@target
def multicasts(data: bytes) -> None:
    """
    A packet of multicast DNS is refused, or has few names, and peers with their own
    addresses.
    """
    try:
        parsed = parse(data)
    except InvalidInput:
        return
    if isinstance(parsed, Answer):
        assert len(parsed.peers) <= MAX_PEERS
        for each in parsed.peers:
            assert each.addresses
            assert all(address.peerID is None for address in each.addresses)
    else:
        assert len(parsed.names) + len(parsed.known) <= packet.MAX_RECORDS
        parsed.wants(SERVICE, b"label")


@target
def rendezvous(data: bytes) -> None:
    """
    A message of rendezvous is a violation, or has few registrations, each of which is
    read again as it was written.
    """
    with suppress(InvalidRecord):
        Place.fromBytes(data)
    try:
        message = readMessage(data)
    except ProtocolViolation:
        return
    found = registrationsIn(message.discoverResponse.registrations, 5)
    assert len(found) <= 5
    for each in found:
        assert len(each.place.addresses) <= MAX_ADDRESSES
        old = each.place.layout is Layout.OLD
        assert Place.fromBytes(each.place.toBytes(old)) == each.place
