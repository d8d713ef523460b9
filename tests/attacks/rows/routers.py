# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by servers of a DHT on the peers that ask them, and by peers that store.
"""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress
from typing import Any

from tests.attacks.arena import Arena, within
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.serving import Server
from tests.attacks.raw.wire import delimited, field, fields
from tests.attacks.rows.places import ATTACKER, HOST, NEWCOMER
from tests.attacks.rows.routing import ADD, FIND, KAD, PROVIDERS, PUT

__all__ = [
    "LOOKUP",
    "answers",
    "crowd",
    "enter",
    "found",
    "lies",
    "named",
    "posers",
    "silence",
    "values",
]

#: Seconds for a lookup, whatever the servers do.
LOOKUP = 62.0


def named(identity: Identity, *addresses: bytes) -> bytes:
    """
    Return a peer as an answer names it.
    """
    listed = b"".join(field(2, each) for each in addresses)
    return field(8, field(1, identity.peerID) + listed)


def found(*named: bytes) -> bytes:
    """
    Make an answer.
    """
    return delimited(field(1, FIND) + b"".join(named))


def enter(arena: Arena, *servers: Server) -> None:
    """
    Wait until servers are in the table.
    """
    names = {base58(each.identity.peerID) for each in servers}
    arena.expect(
        "servers that answer in the table",
        within(20, lambda: names <= set(arena.target.ask("table")["peers"])),
        arena.target.ask("table"),
    )


def _lookUp(arena: Arena) -> dict[str, Any]:
    """
    Let the node look up a random key.
    """
    looked = arena.target.ask("lookup", (b"\x12\x20" + os.urandom(32)).hex())
    arena.expect("an end in time", looked["seconds"] < LOOKUP, looked["seconds"])
    return looked


def lies(arena: Arena) -> None:
    """
    Play C{dht.lies}.
    """
    trap = socket.create_server(("127.0.0.1", 0))
    port = trap.getsockname()[1]
    ours = multiaddr("1.2.3.4", 4001)
    inside = [
        multiaddr("127.0.0.1", port),
        multiaddr("169.254.169.254", 80),
        multiaddr("0.0.0.0", port),
        multiaddr(ATTACKER, 0),
        b"\x36\x09localhost\x06" + port.to_bytes(2, "big"),
    ]
    decoy = Identity()
    asked = dict[str, Any](arena.target.ask("identity"))
    own = bytes.fromhex(asked["peer"])

    def lie(_: bytes) -> bytes:
        return found(
            *(named(Identity(), *inside) for _ in range(10)),
            named(decoy, multiaddr(NEWCOMER, arena.address[1])),
            field(8, field(1, own) + field(2, ours)),
            *(field(8, field(1, os.urandom(20))) for _ in range(10)),
        )

    liar = Server(arena.address, KAD, lie, ATTACKER)
    enter(arena, liar)
    for _ in range(5):
        looked = _lookUp(arena)
        arena.expect("no invented peer", len(looked["nearest"]) <= 1, looked["nearest"])
    dialed = bool(select.select([trap], [], [], 1.0)[0])
    arena.expect("no dial to an address inside", not dialed)
    addresses = arena.target.ask("addresses")["addresses"]
    arena.expect("its own addresses", "1.2.3.4" not in str(addresses), addresses)
    arena.saw(f"{liar.requests} lies, none of which was believed; nobody inside dialed")
    liar.close()
    trap.close()


def silence(arena: Arena) -> None:
    """
    Play C{dht.silence}.
    """
    hole = socket.create_server((ATTACKER, 0), backlog=500)
    place = multiaddr(ATTACKER, hole.getsockname()[1])

    def endless(_: bytes) -> bytes:
        return found(*(named(Identity(), place) for _ in range(3)))

    servers = [Server(arena.address, KAD, endless, ATTACKER) for _ in range(3)]
    enter(arena, *servers)
    looked = _lookUp(arena)
    arena.expect("256 requests at most", looked["asked"] <= 256, looked["asked"])
    arena.expect("over in 30 s", looked["seconds"] < 30, looked["seconds"])
    arena.newcomer(HOST)
    arena.saw(
        f"{looked['asked']} of {looked['heard']} peers asked in"
        f" {looked['seconds']:.0f} s"
    )
    for each in servers:
        each.close()
    hole.close()


def answers(arena: Arena) -> None:
    """
    Play C{dht.answers}.
    """
    place = multiaddr(ATTACKER, 1)
    many = b"".join(field(2, multiaddr(ATTACKER, each + 1)) for each in range(10_000))
    crowd = b"".join(named(Identity(), place) for _ in range(1000))
    played: list[tuple[str, bytes | None]] = [
        ("4 MiB of peers", delimited(field(1, FIND) + (crowd * 100)[: 4 << 20])),
        ("10,000 addresses", found(field(8, field(1, Identity().peerID) + many))),
        ("an address of 1 MiB", found(named(Identity(), b"\x36" * (1 << 20)))),
        ("another type", delimited(field(1, PROVIDERS))),
        ("two answers", found() * 2),
        ("garbage", delimited(b"\xff" * 50)),
        ("a length of 2^60", b"\xff" * 8 + b"\x0f"),
        ("a reset", None),
    ]
    now: list[bytes | None] = [found(named(Identity(), place))]
    for name, data in played:
        now[0] = found(named(Identity(), place))
        server = Server(arena.address, KAD, lambda _: now[0], ATTACKER)
        enter(arena, server)
        now[0] = data
        looked = _lookUp(arena)
        # One bogus peer may be dialed, which nobody answers.
        arena.expect(f"quick after {name}", looked["seconds"] < 15, looked["seconds"])
        server.close()
    arena.saw(f"{len(played)} kinds of wrong answers: lookups end, memory stays")


def posers(arena: Arena) -> None:
    """
    Play C{dht.posers}.
    """
    poser = Server(arena.address, KAD, lambda _: None, ATTACKER)
    arena.expect("a request that checks it", poser.asked.wait(20))
    session = Peer(source=NEWCOMER).dial(arena.address)
    stream = session.open(KAD)
    stream.send(delimited(field(1, FIND) + field(2, b"any key")))
    answer = stream.message()
    others = [value for number, value in fields(answer) if number == 8]
    arena.expect("no poser in an answer", not others, others)
    peers = arena.target.ask("table")["peers"]
    arena.expect("no poser in the table", not peers, peers)
    pingOn(session)
    arena.saw("a peer that resets requests is never named to others")
    session.close()
    poser.close()


def crowd(arena: Arena) -> None:
    """
    Play C{dht.crowd}.
    """
    key = b"\x12\x20" + os.urandom(32)
    honest = Peer(source=NEWCOMER)
    session = honest.dial(arena.address)
    own = field(1, honest.identity.peerID) + field(2, multiaddr(NEWCOMER, 4001))
    session.open(KAD).send(delimited(field(1, ADD) + field(2, key) + field(9, own)))
    place = multiaddr(ATTACKER, 4001)
    let = 0
    for _ in range(300):
        peer = Peer(source=ATTACKER)
        # The node lets in only so many peers of one address in a second.
        with suppress(Ended):
            other = peer.dial(arena.address)
            stream = other.open(KAD)
            about = field(1, peer.identity.peerID) + field(2, place)
            stream.send(delimited(field(1, ADD) + field(2, key) + field(9, about)))
            stream.finish()
            with suppress(Ended):
                stream.exactly(1)
            let += 1
            other.close()
    stream = session.open(KAD)
    stream.send(delimited(field(1, PROVIDERS) + field(2, key)))
    answer = stream.message()
    arena.expect("the honest provider named", honest.identity.peerID in answer)
    held = arena.target.ask("state")["providers"]
    arena.expect("256 providers of a key at most", held <= 256, held)
    arena.saw(
        f"{let} of 300 peers let in, {held} providers stored, the honest one named"
    )
    session.close()


def values(arena: Arena) -> None:
    """
    Play C{dht.values}.
    """
    session = Peer(source=ATTACKER).dial(arena.address)
    stream = session.open(KAD)
    stored = 0
    began = time.monotonic()
    try:
        for _ in range(1100):
            made = Identity()
            key = b"/pk/" + made.peerID
            record = field(1, key) + field(2, made.publicKey)
            stream.send(delimited(field(1, PUT) + field(2, key) + field(3, record)))
            stream.message()
            stored += 1
            # The node takes 100 requests of a peer in a second.
            if stored > 150:
                time.sleep(max(0.0, began + stored / 90 - 2 - time.monotonic()))
    except Ended as end:
        arena.expect("a reset at the limit", end.how == "reset", end.how)
    arena.expect("1024 values of a peer", stored == 1024, stored)
    name = Identity()
    key = b"/ipns/" + name.peerID
    junk = os.urandom(1000)
    for what, value in (
        ("junk", junk),
        ("an old signature alone", field(1, junk) + field(2, name.sign(junk))),
        ("11 KiB", bytes(11 << 10)),
        ("65 KiB", bytes(65 << 10)),
    ):
        refused = Peer(source=NEWCOMER).dial(arena.address)
        stream = refused.open(KAD)
        record = field(1, key) + field(2, value)
        stream.send(delimited(field(1, PUT) + field(2, key) + field(3, record)))
        try:
            stream.exactly(1)
            arena.expect(f"a reset for {what}", False)
        except Ended as end:
            arena.expect(f"a reset for {what}", end.how == "reset", end.how)
        refused.close()
    arena.saw(f"{stored} values of one peer are stored; 4 bad records were reset")
    session.close()
