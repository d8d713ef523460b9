# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on what every peer serves.
"""

from __future__ import annotations

import os
import random
import time
from typing import Any

from tests.attacks.arena import Arena
from tests.attacks.raw import multistream
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.peer import PING, PUSH, Peer, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import DATA, FIN, SYN, WINDOW, Session, frame

__all__ = [
    "identify",
    "manyComponents",
    "mergedMessages",
    "peerstore",
    "perf",
    "ping",
]


def _addresses(count: int) -> list[bytes]:
    return [multiaddr("127.0.0.1", 1024 + number) for number in range(count)]


def _protocols(count: int) -> list[str]:
    return [f"/p/{number}" for number in range(count)]


def _message(
    addresses: list[bytes] | None = None,
    protocols: list[str] | None = None,
    **others: int | bytes,
) -> bytes:
    """
    Make a message of identify.

    @param others: further fields, as C{f8=...}.
    """
    return (
        b"".join(field(2, each) for each in addresses or ())
        + b"".join(field(3, each.encode()) for each in protocols or ())
        + b"".join(field(int(name[1:]), value) for name, value in others.items())
    )


def _push(session: Session, *messages: bytes) -> None:
    """
    Push what one is, without waiting.
    """
    stream = session.take()[0]
    proposal = multistream.HEADER + multistream.message(PUSH)
    session.send(
        frame(WINDOW, SYN, stream, 0),
        *_data(stream, proposal + b"".join(map(delimited, messages))),
        frame(WINDOW, FIN, stream, 0),
    )


def _data(stream: int, data: bytes) -> list[bytes]:
    return [
        frame(DATA, 0, stream, body=data[start : start + 32768])
        for start in range(0, len(data), 32768)
    ]


def identify(arena: Arena) -> None:
    """
    Play C{identify.messages}.
    """
    chance = random.Random(12)
    identity, other = Identity(), Identity()
    good = _message(_addresses(3), ["/a", "/b"])
    record = identity.record(10, _addresses(1))
    tried: dict[str, tuple[bytes, ...]] = {
        "9 KiB": (_message(protocols=["/x"], f6=bytes(9000)),),
        "11 messages": (good,) * 11,
        "5000 protocols": tuple(
            _message(protocols=_protocols(5000)[start : start + 600])
            for start in range(0, 5000, 600)
        ),
        "2000 addresses": tuple(
            _message(_addresses(2000)[start : start + 500])
            for start in range(0, 2000, 500)
        ),
        "no multiaddrs": (_message([chance.randbytes(20) for _ in range(100)]),),
        "no message": (chance.randbytes(1000),),
        "a garbled observation": (good + field(4, chance.randbytes(30)),),
        "another's key": (good + field(1, other.publicKey),),
        "a broken record": (good + field(8, record[:-1] + b"\0"),),
        "another's record": (
            good + field(8, other.record(99, _addresses(2), about=identity)),
        ),
        "a record about another": (
            good + field(8, identity.record(99, _addresses(2), about=other)),
        ),
    }
    survived = 0
    for name, messages in tried.items():
        peer = Peer()
        session = peer.dial(arena.address)
        try:
            _push(session, *messages)
            session.synchronize()
            pingOn(session)
            survived += 1
        except Ended as end:
            arena.expect(f"{name} survived by the connection", False, end.how)
        if arena.ours:
            known = arena.target.ask("known", base58(peer.identity.peerID))
            arena.expect(
                f"no more than 64 addresses after {name}", len(known["addresses"]) <= 64
            )
            arena.expect(
                f"no more than 1024 protocols after {name}",
                len(known["protocols"]) <= 1024,
            )
        session.close()
    arena.saw(f"{survived} of {len(tried)} survived by their connections")
    if arena.ours:
        arena.expect(
            "ignorant of invented peers",
            not arena.target.ask("known", base58(other.peerID))["addresses"],
        )
        _oldRecord(arena, identity)
    _manyPushes(arena)


def _oldRecord(arena: Arena, identity: Identity) -> None:
    """
    Tell of an older state than before.
    """
    session = Peer(identity).dial(arena.address)
    for sequence, port in ((10, 7000), (9, 8000)):
        sealed = identity.record(sequence, [multiaddr("127.0.0.1", port)])
        _push(session, _message(protocols=["/a"], f8=sealed))
        session.synchronize()
    known = arena.target.ask("known", base58(identity.peerID))["addresses"]
    arena.expect(
        "true to the newer record",
        any("7000" in each for each in known)
        and not any("8000" in each for each in known),
        known,
    )
    session.close()


def _manyPushes(arena: Arena) -> None:
    """
    Push a thousand times, each time something else.
    """
    peer = Peer()
    session = peer.dial(arena.address)
    cpu = arena.target.cpu
    try:
        for number in range(1000):
            some = [f"/push/{number}/{each}" for each in range(20)]
            _push(session, _message(_addresses(number % 60 + 1), some))
            if not number % 50:
                session.synchronize()
        session.synchronize()
        pingOn(session)
        refused = len(session.resets)
        arena.saw(f"of 1000 pushes {1000 - refused} taken")
        if arena.ours:
            arena.expect("taking 10 pushes, not more", 985 <= refused <= 990, refused)
            known = arena.target.ask("known", base58(peer.identity.peerID))
            arena.expect(
                "knowing what was told last, alone",
                len({each.split("/")[2] for each in known["protocols"]}) == 1
                and len(known["protocols"]) == 20,
                known["protocols"][:3],
            )
    except Ended as end:
        arena.saw(f"1000 pushes: {end.how}")
    arena.saw(f"{arena.target.cpu - cpu:.1f} s of its time")
    session.close()


def manyComponents(arena: Arena) -> None:
    """
    Play C{identify.many_components}.
    """
    grown = []
    for number in range(60):
        peer = Peer()
        session = peer.dial(arena.address)
        # /ws, a component of two bytes without a value, time and again.
        long = [
            multiaddr("127.0.0.1", 1024 + 80 * number + each) + b"\xdd\x03" * 500
            for each in range(80)
        ]
        _push(
            session, *(_message(long[start : start + 8]) for start in range(0, 80, 8))
        )
        session.synchronize()
        grown.append(arena.target.memory)
        if arena.ours:
            known = arena.target.ask("known", base58(peer.identity.peerID))["addresses"]
            most = max((each.count("/") for each in known), default=0)
            arena.expect("ignorant of an address of 502 components", most <= 33, most)
        session.close()
        if arena.result.failures:
            break
    arena.saw(f"{(grown[-1] - grown[0]) // len(grown) // 1024} KiB for each peer")


def mergedMessages(arena: Arena) -> None:
    """
    Play C{identify.merged_messages}.
    """
    before = arena.target.memory
    peers = [Peer() for _ in range(60)]
    sessions = []
    for peer in peers:
        session = peer.dial(arena.address)
        sessions.append(session)
        for item in (b"\x1a\x00", b"\x12\x00"):
            stream = session.take()[0]
            proposal = multistream.HEADER + multistream.message(PUSH)
            messages = delimited(item * 4000) * 10
            session.send(
                frame(WINDOW, SYN, stream, 0), *_data(stream, proposal + messages)
            )
        session.synchronize()
    grown = arena.target.memory - before
    arena.saw(f"{grown // len(peers) // 1024} KiB for each peer")
    arena.newcomer()
    for session in sessions:
        session.close()


def peerstore(arena: Arena) -> None:
    """
    Play C{peerstore.flood}.
    """
    invented = [Identity() for _ in range(20)]
    told: list[Identity] = []
    grown: list[int] = []
    for number in range(200):
        peer = Peer()
        protocols = [f"/flood/{number}/{each}/{'x' * 40}" for each in range(240)]
        addresses = [
            multiaddr(f"10.{number}.{each >> 8}.{each & 255}", 4001)
            for each in range(500)
        ]
        session = peer.dial(arena.address)
        other = invented[number % 20]
        # Each close to the bound of what is merged on a stream: 16 KiB.
        _push(session, *(_message(protocols=protocols[at::2]) for at in (0, 1)))
        _push(
            session, _message(addresses), _message(f8=other.record(1, addresses[:50]))
        )
        session.synchronize()
        told.append(peer.identity)
        grown.append(arena.target.memory)
        session.close()
    arena.saw(
        f"{(grown[-1] - grown[99]) // 100 // 1024} KiB for each of the last 100 peers"
    )
    if arena.ours:
        known = arena.target.ask("known", base58(told[-1].peerID))
        arena.expect(
            "content with 64 addresses of a peer",
            len(known["addresses"]) <= 64,
            len(known["addresses"]),
        )
        strangers = sum(
            bool(arena.target.ask("known", base58(each.peerID))["addresses"])
            for each in invented
        )
        arena.expect("ignorant of invented peers", not strangers, strangers)


def ping(arena: Arena) -> None:
    """
    Play C{ping.abuse}.
    """
    session = Peer().dial(arena.address)
    streams: list[Any] = []
    for _ in range(3):
        try:
            stream = session.open(PING)
            stream.patience(2.0)
            stream.send(os.urandom(32))
            stream.exactly(32)
            streams.append(stream)
        except (Ended, multistream.Refused):
            break
    arena.saw(f"{len(streams)} streams served")
    if arena.ours:
        arena.expect("serving two streams, not three", len(streams) == 2, len(streams))
    session.close()
    session = Peer().dial(arena.address)
    stream = session.open(PING)
    stream.send(os.urandom(31))
    began = time.monotonic()
    try:
        session.until(
            lambda got: got.stream == stream.id and bool(got.flags & (8 | FIN)), 14.0
        )
        seconds = time.monotonic() - began
        arena.saw(f"31 bytes ended after {seconds:.1f} s")
        if arena.ours:
            arena.expect("patient for 10 s", 9.5 < seconds < 11.5, seconds)
    except Ended as end:
        arena.saw(f"31 bytes: {end.how} after 14 s")
        arena.expect("rid of 31 bytes within 14 s", not arena.ours, end.how)
    session.close()
    session = Peer().dial(arena.address)
    stream = session.open(PING)
    stream.grant(1 << 30)
    other = Peer().dial(arena.address)
    worst = 0.0
    sent = turn = 0
    try:
        while sent < 16 << 20:
            piece = min(65536, stream.credit)
            stream.send(bytes(piece))
            sent += piece
            if not piece:
                session.until(lambda got: stream.credit > 0)
            if sent >> 20 > turn:
                turn = sent >> 20
                began = time.monotonic()
                echo = other.open("/echo/1.0.0")
                echo.send(b"word")
                echo.exactly(4)
                echo.close()
                worst = max(worst, time.monotonic() - began)
        arena.saw(f"16 MiB of pings; meanwhile an echo takes {worst * 1000:.0f} ms")
        arena.expect("ready for another protocol in 0.2 s", worst < 0.2, worst)
    except Ended as end:
        arena.saw(f"a flood of pings: {end.how} after {sent >> 20} MiB")
    session.close()
    other.close()


def perf(arena: Arena) -> None:
    """
    Play C{perf.amplifier}.
    """
    session = Peer().dial(arena.address)
    try:
        stream = session.open("/perf/1.0.0")
        stream.send(b"\xff" * 8)
        stream.finish()
        arena.expect("refusing", False)
    except multistream.Refused as refused:
        arena.saw(str(refused))
        arena.expect("refusing by na", str(refused).endswith("na"), refused)
    session.close()
