# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the messages of discovery.
"""

from __future__ import annotations

from tests.fuzz.target import target
from twisted_libp2p.discovery.mdns.packet import (
    MAX_PEERS,
    MAX_RECORDS,
    SERVICE,
    Answer,
    parse,
)
from twisted_libp2p.errors import InvalidInput

__all__ = ["multicasts"]


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
        assert len(parsed.names) + len(parsed.known) <= MAX_RECORDS
        parsed.wants(SERVICE, b"label")
