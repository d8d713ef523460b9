# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of a server of a DHT.
"""

from __future__ import annotations

from tests.attacks.rows import routing
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["DHT_ROWS"]

DHT_ROWS = (
    Row(
        "dht.messages",
        "requests that are none, of an unknown type, without a key, with values of"
        " other keys and of unknown namespaces, of 100 KiB, of 2^60 bytes",
        routing.messages,
        others=NOBODY,
        node=("--dht",),
    ),
    Row(
        "dht.announcements",
        "another peer announced as a provider; 150 keys on one stream at once",
        routing.announcements,
        once=True,
        others=NOBODY,
        node=("--dht",),
    ),
    Row(
        "dht.flood",
        "20 streams with 1000 lookups each, as fast as they go",
        routing.flood,
        others=NOBODY,
        node=("--dht",),
    ),
)
