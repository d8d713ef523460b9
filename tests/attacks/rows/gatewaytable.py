# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of port mapping.
"""

from __future__ import annotations

from tests.attacks.rows import gateways
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["PORTMAP_ROWS"]

PORTMAP_ROWS = (
    Row(
        "portmap.devices",
        "a device on the local network names documents elsewhere, in 1000 answers; has"
        " one of 10 MB, with entities that grow, a redirect, chunks without end, a"
        " service elsewhere",
        gateways.devices,
        once=True,
        long=60,
        others=NOBODY,
        network=True,
    ),
    Row(
        "portmap.mappings",
        "answers of PCP by another machine, with another nonce, port or kind, for ever,"
        " with addresses of others and inside",
        gateways.mappings,
        once=True,
        long=50,
        others=NOBODY,
        network=True,
    ),
)
