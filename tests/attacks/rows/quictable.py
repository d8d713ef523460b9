# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of QUIC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.attacks.arena import Arena
from tests.attacks.rows import quic, quicpeers, quicresumption, quicweb
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["QUIC_ROWS"]


def _both(
    name: str,
    tried: str,
    attack: Callable[[Arena], None],
    *,
    memory: int = 16,
    once: bool = True,
    long: int = 0,
    node: tuple[str, ...] = (),
) -> tuple[Row, Row]:
    """
    Make a row for the backend that is used by default, the native one where it is
    installed, and one for aioquic.
    """
    row = Row(
        f"quic.{name}",
        tried,
        attack,
        memory=memory,
        once=once,
        long=long,
        others=NOBODY,
        node=("--quic", *node),
    )
    return row, replace(
        row,
        name=f"{row.name}_aioquic",
        tried="the same, over aioquic",
        node=("--quic", "--backend", "aioquic", *node),
    )


QUIC_ROWS = (
    *_both(
        "datagrams",
        "20000 datagrams of garbage, a quarter of them like the first of a connection;"
        " empty ones, cut ones, another version",
        quic.datagrams,
    ),
    *_both(
        "hellos",
        "1500 first packets that are right, and nothing after them",
        quic.hellos,
        memory=48,
        long=12,
    ),
    *_both(
        "broken_hellos",
        "a ClientHello with gaps, one of 16 MiB, one of a byte a second; 1000 that fail"
        " at once",
        quic.brokenHellos,
        memory=48,
        long=15,
    ),
    *_both(
        "certificates",
        "no certificate, none at all, two, eight wrong ones, a foreign proof; no ALPN,"
        " another ALPN, two; with a stream behind each",
        quic.certificates,
    ),
    *_both(
        "listeners",
        "the node dials peers with such certificates, another peer, h3, endless"
        " Retries, other versions",
        quic.listeners,
        long=60,
    ),
    *_both(
        "tickets",
        "a ticket that nobody has issued, with early data",
        quic.tickets,
        once=False,
    ),
    *_both(
        "resumption",
        "a session is resumed after its peer was gated, or its certificate has expired",
        quicresumption.resumption,
        long=8,
        node=("--tickets",),
    ),
    *_both(
        "tokens",
        "above the mark: a token of another address, for another connection, changed,"
        " and garbage",
        quic.tokens,
        long=15,
        memory=48,
    ),
    *_both(
        "onlookers",
        "closes, Retries, version negotiations and stateless resets by somebody who"
        " sees all, on a connection that is established",
        quic.onlookers,
    ),
    *_both(
        "frames",
        "31 violations: windows, final sizes, limits and ids of streams, connection"
        " ids, handshake messages, frames that a dialer may not send",
        quicpeers.frames,
        memory=32,
    ),
    *_both(
        "floods",
        "100 000 each of gaps, pieces of a byte, challenges, windows and wishes; a"
        " million pings",
        quicpeers.floods,
        memory=32,
    ),
    *_both(
        "streams",
        "an echo of 64 MiB that nobody takes; 256 streams that say nothing, and one"
        " more",
        quicpeers.streams,
        memory=32,
    ),
    *_both(
        "stream_flood",
        "100 000 streams opened and reset",
        quicpeers.streamFlood,
        memory=32,
    ),
    *_both(
        "addresses",
        "500 source ports in a row; 4 MiB asked for, for the address of a victim",
        quicpeers.addresses,
        memory=48,
    ),
    *_both(
        "deaf",
        "10 peers ask for 16 MiB each, and acknowledge nothing; one sends pings",
        quicpeers.deaf,
        memory=96,
        long=40,
    ),
    *_both(
        "web_requests",
        "WebTransport: other paths, protocols and methods, a second session, 200"
        " requests that go on, a head of 16 MiB",
        quicweb.requests,
        node=("--web",),
    ),
    *_both(
        "web_floods",
        "WebTransport: 20 000 capsules, one of 4 GiB, streams of one direction, 200"
        " streams before the proof, 5000 datagrams",
        quicweb.floods,
        memory=32,
        node=("--web",),
    ),
    *_both(
        "web_proofs",
        "WebTransport: streams of libp2p without a session, garbage, an end or nothing"
        " in place of the proof",
        quicweb.proofs,
        long=15,
        node=("--web",),
    ),
    *_both(
        "web_listeners",
        "the node dials WebTransport of a listener with another certificate, and of one"
        " whose address names none",
        quicweb.listeners,
        long=4,
        node=("--web",),
    ),
)
