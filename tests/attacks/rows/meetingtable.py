# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of rendezvous and of delegated routing.
"""

from __future__ import annotations

from tests.attacks.rows import meeting
from tests.attacks.rows.places import PUBLIC
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["MEETING_ROWS"]

MEETING_ROWS = (
    Row(
        "discovery.registrants",
        "foreign, old and broken records, wrong names, times and cookies; 2000"
        " registrations at once",
        meeting.registrants,
        once=True,
        others=NOBODY,
        network=True,
        node=("--point",),
    ),
    Row(
        "discovery.points",
        "a rendezvous point names peers that have not signed, addresses inside, 10,000"
        " of garbage; ends in no page; answers of another type, and of 2 MiB",
        meeting.points,
        once=True,
        others=NOBODY,
        network=True,
        node=("--host", PUBLIC),
    ),
    Row(
        "discovery.http_servers",
        "a server of routing sends lines, heads and documents without end, redirects"
        " inside, other peers, addresses inside, no JSON",
        meeting.servers,
        once=True,
        long=40,
        others=NOBODY,
        network=True,
        node=("--dht",),
    ),
)
