# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of relays.
"""

from __future__ import annotations

from tests.attacks.rows import relaying
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["RELAY_ROWS"]

RELAY_ROWS = (
    Row(
        "relay.messages",
        "requests that are none, of an unknown type, without a peer, for the relay's"
        " own source, of 5 KiB, of 2^60 bytes; 60 streams that say nothing or half",
        relaying.messages,
        others=NOBODY,
        node=("--relay",),
    ),
    Row(
        "relay.slots",
        "40 ids at one address ask for a place, each 70 times over",
        relaying.slots,
        once=True,
        others=NOBODY,
        network=True,
        node=("--relay",),
    ),
    Row(
        "relay.circuits",
        "16 circuits to a peer that reads nothing, 120 KiB in each, and then more than"
        " the relay allows",
        relaying.circuits,
        once=True,
        others=NOBODY,
        node=("--relay",),
    ),
    Row(
        "relay.half_open",
        "50 requests for a circuit to a peer that never answers the relay",
        relaying.halfOpen,
        once=True,
        long=17,
        others=NOBODY,
        node=("--relay",),
    ),
    Row(
        "relay.reservations",
        "a relay that grants places with addresses of others, private ones, 300; that"
        " end at 0, in the past, at 2^64; with vouchers of others",
        relaying.reservations,
        others=NOBODY,
        network=True,
    ),
    Row(
        "relay.stops",
        "connections through a relay that holds no place, with broken messages, and 100"
        " of invented peers",
        relaying.stops,
        once=True,
        others=NOBODY,
        network=True,
    ),
)
