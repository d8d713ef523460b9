# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of reachability and of hole punching.
"""

from __future__ import annotations

from tests.attacks.rows import dialing, judging, punching, relayed
from tests.attacks.rows.places import PUBLIC
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["REACH_ROWS"]

#: A node in the internet.
_PUBLIC = ("--host", PUBLIC)

REACH_ROWS = (
    Row(
        "reachability.lying_servers",
        "two of five servers of AutoNAT say that a node cannot be dialed, others claim"
        " success, 2^63 bytes, another index, garbage; 200 sybils of two networks see"
        " it elsewhere; guessed numbers",
        judging.liars,
        once=True,
        long=15,
        others=NOBODY,
        network=True,
        node=_PUBLIC,
    ),
    Row(
        "reachability.dial_data",
        "a peer has the node dial another host without the demanded data, with bytes"
        " one at a time, garbage, and too much at once; and scans its own ports",
        dialing.amplifier,
        once=True,
        long=30,
        others=NOBODY,
        network=True,
        node=_PUBLIC,
    ),
    Row(
        "holepunch.exchanges",
        "peers behind a relay name 66 addresses to dial, inside, of a third party and"
        " below port 1024; send 5 KiB, garbage, messages out of turn; begin where the"
        " node should, 200 times, and more often than it should answer",
        punching.exchanges,
        once=True,
        long=75,
        others=NOBODY,
        network=True,
        node=_PUBLIC,
    ),
    Row(
        "relay.hostile_path",
        "a relay puts another peer at the end, flips a bit, cuts, sends garbage and"
        " plaintext, resets, or says nothing",
        punching.paths,
        once=True,
        long=25,
        others=NOBODY,
        network=True,
        node=_PUBLIC,
    ),
    Row(
        "relay.crowd",
        "a relay brings 160 peers, and one that is blocked",
        relayed.crowd,
        once=True,
        long=30,
        others=NOBODY,
        network=True,
        node=_PUBLIC,
    ),
    Row(
        "holepunch.refused",
        "peers behind a relay ask a node that punches no holes for its addresses",
        relayed.refused,
        once=True,
        long=20,
        others=NOBODY,
        network=True,
        node=(*_PUBLIC, "--no-punching"),
    ),
    Row(
        "holepunch.roles",
        "the peer of an exchange takes the role of the node: two servers, two clients,"
        " and a mirror",
        relayed.roles,
        once=True,
        long=50,
        others=NOBODY,
        network=True,
        node=_PUBLIC,
    ),
)
