# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of a node by which a person reaches his machine.
"""

from __future__ import annotations

from tests.attacks.rows import gifts, tunnelling
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["PRODUCT_ROWS"]

_NODE = ("--product",)

PRODUCT_ROWS = (
    Row(
        "tunnel.idle_streams",
        "64 streams to a server that sends without an end are not read; 64 streams to a"
        " server that says nothing are half-closed, and stay",
        tunnelling.idleStreams,
        memory=24,
        once=True,
        long=5,
        others=NOBODY,
        node=_NODE,
    ),
    Row(
        "tunnel.unlisted_peer",
        "a peer that is on no list asks for a tunnel, web pages, pairing, and offers a"
        " file; 500 times",
        tunnelling.unlisted,
        once=True,
        others=NOBODY,
        node=_NODE,
    ),
    Row(
        "tunnel.door_requests",
        "100 programs send a byte of SOCKS5 a second; other hosts, commands and"
        " protocols, a head of 1 MiB",
        tunnelling.doorRequests,
        once=True,
        long=36,
        others=NOBODY,
        node=_NODE,
    ),
    Row(
        "web.requests",
        "a head without an end, 10,000 headers, a body of 1 TiB, two lengths, a chunk"
        " of 2^64, two requests on a stream, 64 requests that never end",
        tunnelling.webRequests,
        once=True,
        long=95,
        others=NOBODY,
        node=_NODE,
    ),
    Row(
        "access.guessed_tickets",
        "1000 guesses of a secret; a ticket is stolen, and used by the thief, by"
        " another one, and by its owner",
        gifts.guesses,
        once=True,
        others=NOBODY,
        node=_NODE,
    ),
    Row(
        "control.other_users",
        "another user, before and after the mode of the socket is lost; 100 silent"
        " programs, an endless line, garbage, unknown commands",
        gifts.control,
        once=True,
        long=12,
        others=NOBODY,
        node=_NODE,
    ),
    Row(
        "transfer.offers",
        "names that lead elsewhere, sizes and digests that are none, more bytes than"
        " offered, other bytes than offered",
        gifts.offers,
        others=NOBODY,
        node=_NODE,
    ),
    Row(
        "transfer.stalling_peers",
        "9 permitted senders offer a file and send nothing; a receiver asks for a file"
        " and reads nothing",
        gifts.stalls,
        once=True,
        long=65,
        others=NOBODY,
        node=_NODE,
    ),
)
