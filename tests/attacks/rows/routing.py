# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on a server of a DHT.
"""

from __future__ import annotations

import os

from tests.attacks.arena import Arena
from tests.attacks.raw.identity import Identity
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import Session

__all__ = [
    "ADD",
    "FIND",
    "GET",
    "KAD",
    "PROVIDERS",
    "PUT",
    "announcements",
    "flood",
    "messages",
]

KAD = "/attacked/kad/1.0.0"

PUT, GET, ADD, PROVIDERS, FIND = range(5)

# /ip4/45.45.0.1/tcp/4001.
ADDRESS = bytes.fromhex("042d2d0001060fa1")


def _refused(session: Session, data: bytes) -> str:
    """
    Send bytes on a stream of their own.

    @return: how the stream ended; empty if it got an answer.
    """
    stream = session.open(KAD)
    stream.send(data)
    try:
        stream.exactly(1)
    except Ended as end:
        return end.how
    return ""


def messages(arena: Arena) -> None:
    """
    Play C{dht.messages}.
    """
    session = Peer().dial(arena.address)
    record = field(1, b"/v/a") + field(2, b"1")
    for name, message in (
        ("no message", b"\xff" + os.urandom(63)),
        ("an unknown type", field(1, 77)),
        ("no key", field(1, FIND)),
        ("a value without a record", field(1, PUT) + field(2, b"/v/a")),
        (
            "a value of another key",
            field(1, PUT) + field(2, b"/v/b") + field(3, record),
        ),
        ("an unknown namespace", field(1, PUT) + field(2, b"/v/a") + field(3, record)),
        ("a key of 81 bytes", field(1, PROVIDERS) + field(2, bytes(81))),
    ):
        how = _refused(session, delimited(message))
        arena.expect(f"a reset for {name}", how == "reset", how)
    for name, data in (
        ("100 KiB", delimited(bytes(100 << 10))[:4]),
        ("2^60 bytes", b"\xff" * 8 + b"\x0f"),
    ):
        how = _refused(session, data)
        arena.expect(f"a reset for {name}", how == "reset", how)
    request = delimited(field(1, FIND) + field(2, b"key"))
    arena.expect("an answer to a request", _refused(session, request) == "")
    pingOn(session)
    arena.saw("9 requests that break the rules were reset, a right one was answered")
    session.close()


def announcements(arena: Arena) -> None:
    """
    Play C{dht.announcements}.
    """
    peer, other = Peer(), Identity()
    session = peer.dial(arena.address)
    own = field(1, peer.identity.peerID) + field(2, ADDRESS)
    stranger = field(1, other.peerID) + field(2, ADDRESS)
    how = _refused(
        session, delimited(field(1, ADD) + field(2, b"key") + field(9, stranger))
    )
    arena.expect("a reset for the announcement of another", how == "reset", how)
    stream = session.open(KAD)
    for number in range(150):
        stream.send(
            delimited(field(1, ADD) + field(2, b"key %d" % number) + field(9, own))
        )
    stream.send(delimited(field(1, PROVIDERS) + field(2, b"key 149")))
    stream.exactly(1)
    held = arena.target.ask("state")["providers"]
    arena.expect("150 announcements", held == 150, held)
    arena.saw("another peer is not announced; 150 keys of a peer are stored")
    session.close()


def flood(arena: Arena) -> None:
    """
    Play C{dht.flood}.
    """
    session = Peer().dial(arena.address)
    request = delimited(field(1, FIND) + field(2, b"key"))
    resets = 0
    for _ in range(20):
        stream = session.open(KAD)
        try:
            for _ in range(10):
                stream.send(request * 100)
            while True:
                stream.exactly(1)
        except Ended as end:
            resets += end.how == "reset"
    arena.expect("resets for requests beyond the limit", resets == 20, resets)
    pingOn(session)
    arena.saw(f"of 20 streams with 1000 requests each, {resets} were reset")
    session.close()
