# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by the ways in which a node finds peers.
"""

from __future__ import annotations

import time

from tests.attacks.arena import Arena, within
from tests.attacks.raw.dns import (
    PTR,
    SERVICE,
    TXT,
    asked,
    name,
    named,
    neighbour,
    packet,
    record,
)
from tests.attacks.raw.identity import Identity, base58
from tests.attacks.rows.places import ATTACKER, HOST, NEWCOMER

__all__ = ["neighbours"]


def _text(identity: Identity) -> str:
    return base58(identity.peerID)


def _junk() -> list[bytes]:
    """
    Make packets that are broken in several ways.
    """
    loop = packet(0, [b"\xc0\x0c\0\x0c\0\1"], [])
    chain = packet(
        0x8400, [], [b"\xc0\x0c" + record("x", PTR, b"\xc0\x0c")[3:] for _ in range(99)]
    )
    many = packet(0x8400, [], [record("x", TXT, b"")] * 2000)
    strings = packet(0x8400, [], [record(f"x.{SERVICE}", TXT, b"\x01a" * 4000)])
    return [
        b"",
        b"\xff" * 12,
        b"\0" * 65000,
        loop,
        chain,
        many,
        strings,
        packet(0x8400, [], [record("x", PTR, name(SERVICE) * 50)]),
    ]


def neighbours(arena: Arena) -> None:
    """
    Play C{discovery.neighbours}.
    """
    arena.target.ask("multicast", "on")
    honest, hostile = Identity(), Identity()
    pipe, other = neighbour(ATTACKER), neighbour(NEWCOMER)
    cpu = arena.target.cpu
    names = [
        named(f"x{number}", [f"/ip4/{ATTACKER}/tcp/1/p2p/{_text(Identity())}"], 1 << 31)
        for number in range(500)
    ]
    sent = 0
    began = time.monotonic()
    while time.monotonic() < began + 4.0:
        for data in names:
            pipe.send(data)
            sent += 1
        for data in [*_junk(), *[asked()] * 50]:
            pipe.send(data)
            sent += 1
    cost = (arena.target.cpu - cpu) / sent
    arena.expect("cheap: 100 µs a packet", cost < 0.0001, f"{cost * 1e6:.0f} µs")
    address = f"/ip4/{NEWCOMER}/tcp/4001"
    # The buffer of the socket may still be full; peers repeat their answers.
    answer = named("honest", [f"{address}/p2p/{_text(honest)}"])
    arena.expect(
        "an honest peer found",
        within(
            5.0, lambda: other.send(answer) > 0 and address in _known(arena, honest)
        ),
        _known(arena, honest),
    )
    pipe.send(named("honest", [f"{address}/p2p/{_text(honest)}"], 0))
    far = [
        f"/ip4/{each}/tcp/80/p2p/{_text(hostile)}"
        for each in ("8.8.8.8", "192.168.0.1", "169.254.169.254", "0.0.0.0")
    ]
    far.append(f"/dns4/localhost/tcp/80/p2p/{_text(hostile)}")
    time.sleep(1.0)
    pipe.send(named("far", far))
    pipe.send(named("ours", [f"/ip4/{ATTACKER}/tcp/1/p2p/{arena.target.peerID}"]))
    time.sleep(0.5)
    arena.expect(
        "no address beyond the link", not _known(arena, hostile), _known(arena, hostile)
    )
    arena.expect("the honest peer there still", address in _known(arena, honest))
    arena.newcomer(HOST)
    arena.saw(
        f"{sent} packets in 4 s, {cost * 1e6:.0f} µs each; an honest peer found; no"
        " address beyond the link taken"
    )
    pipe.close()
    other.close()
    arena.target.ask("multicast", "off")


def _known(arena: Arena, identity: Identity) -> list[str]:
    """
    Ask the node for the addresses of a peer.
    """
    found: list[str] = arena.target.ask("known", _text(identity))["addresses"]
    return found
