# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on rendezvous points, and by them; and by servers of delegated routing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from typing import Any

from tests.attacks.arena import Arena
from tests.attacks.raw import multistream
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.peer import Peer, Trap, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.serving import Server, serve
from tests.attacks.raw.wire import delimited, field, fields
from tests.attacks.raw.yamux import Session, Stream
from tests.attacks.rows.places import ATTACKER, HOST, NEWCOMER, PLACES
from tests.attacks.rows.routers import enter, found, named
from tests.attacks.rows.routing import KAD

__all__ = ["points", "registrants", "servers"]

RENDEZVOUS = "/rendezvous/1.0.0"

# The types of requests and answers.
REGISTER, REGISTERED, _, DISCOVER, DISCOVERED = range(5)

# The statuses of a point.
OK, NAMESPACE, RECORD, TTL, COOKIE = 0, 100, 101, 102, 103
NOT_AUTHORIZED, UNAVAILABLE = 200, 400

#: Two hours.
HOURS = 7200

#: Requests that a point answers at once, and in a second.
BURST = RATE = 32

Fields = dict[int, int | bytes]


def _registration(name: bytes, record: bytes, ttl: int = HOURS) -> bytes:
    content = field(1, name) + field(2, record) + field(3, ttl)
    return field(1, REGISTER) + field(2, content)


def _search(name: bytes, limit: int = 0, cookie: bytes = b"") -> bytes:
    content = field(1, name) if name else b""
    content += field(2, limit) if limit else b""
    content += field(3, cookie) if cookie else b""
    return field(1, DISCOVER) + field(5, content)


def _inner(stream: Stream, number: int) -> tuple[bytes, Fields]:
    """
    Receive an answer.

    @param number: its field in the message.
    """
    answer = dict(fields(stream.message()))[number]
    assert isinstance(answer, bytes)
    return answer, dict(fields(answer))


def registrants(arena: Arena) -> None:
    """
    Play C{discovery.registrants}.
    """
    peer, foreign = Peer(source=NEWCOMER), Identity()
    session = peer.dial(arena.address)
    own = peer.identity
    here = [multiaddr(NEWCOMER, 4001)]
    right = own.record(5, here)
    old = field(1, foreign.peerID) + field(2, here[0])
    stream = session.open(RENDEZVOUS)
    for name, request, status in (
        ("a right one", _registration(b"chess", right), OK),
        ("another's", _registration(b"chess", foreign.record(1, here)), NOT_AUTHORIZED),
        ("another's, unsigned", _registration(b"chess", old), NOT_AUTHORIZED),
        ("an old one", _registration(b"chess", own.record(4, here)), RECORD),
        (
            "signed by another",
            _registration(b"x", own.record(6, here, foreign)),
            RECORD,
        ),
        ("garbage", _registration(b"chess", os.urandom(99)), RECORD),
        ("5 KiB", _registration(b"chess", right + field(9, bytes(5000))), RECORD),
        ("for ever", _registration(b"chess", right, (1 << 63) - 1), TTL),
        ("for a minute", _registration(b"chess", right, 60), TTL),
        ("without a name", _registration(b"", right), NAMESPACE),
        ("a name of 256 bytes", _registration(b"x" * 256, right), NAMESPACE),
    ):
        stream.send(delimited(request))
        got = _inner(stream, 3)[1].get(1, 0)
        arena.expect(f"{status} for {name}", got == status, got)
    stream.send(delimited(_search(b"chess")))
    cookie = _inner(stream, 6)[1][2]
    assert isinstance(cookie, bytes)
    for name, request, status in (
        ("all, without end", _search(b"", (1 << 64) - 1), OK),
        ("a cookie of another name", _search(b"go", 0, cookie), COOKIE),
        ("an invented cookie", _search(b"chess", 0, os.urandom(40)), COOKIE),
    ):
        stream.send(delimited(request))
        answer, got_ = _inner(stream, 6)
        arena.expect(f"{status} for {name}", got_.get(3, 0) == status, got_.get(3, 0))
        arena.expect("an answer of 1 MiB at most", len(answer) <= 1 << 20, len(answer))
    statuses, seconds = _flood(arena)
    taken = statuses[OK]
    bound = BURST + RATE * (seconds + 1)
    arena.expect("no more than 32 a second", taken <= bound, f"{taken} in {seconds} s")
    arena.expect("the others told", statuses[UNAVAILABLE] > 0, dict(statuses))
    held = arena.target.ask("register")["registrations"]
    arena.expect("as many registrations as were taken", held == taken + 1, held)
    stream.send(delimited(_search(b"chess")))
    arena.expect("the first one found", own.peerID in _inner(stream, 6)[0])
    pingOn(session)
    arena.saw(
        f"14 requests have their statuses; of {statuses.total()} registrations"
        f" {taken} taken in {seconds:.0f} s"
    )
    session.close()


def _flood(arena: Arena) -> tuple[Counter[int], float]:
    """
    Register under 2000 names, as fast as can be.

    @return: the statuses, and the seconds that it took.
    """
    began = time.monotonic()
    peer = Peer(source=ATTACKER)
    session = peer.dial(arena.address)
    record = peer.identity.record(1, [multiaddr(ATTACKER, 4001)])
    stream = session.open(RENDEZVOUS)
    statuses: Counter[int] = Counter()
    for _ in range(20):
        names = [os.urandom(8).hex().encode() for _ in range(100)]
        stream.send(b"".join(delimited(_registration(each, record)) for each in names))
        for _ in names:
            status = _inner(stream, 3)[1].get(1, 0)
            assert isinstance(status, int)
            statuses[status] += 1
        stream.grant(16 << 10)
    session.close()
    return statuses, time.monotonic() - began


def _page(entries: list[bytes], cookie: bytes = b"", name: bytes = b"chess") -> bytes:
    """
    Make an answer of a point.
    """
    content = b"".join(
        field(1, field(1, name) + field(2, each) + field(3, HOURS)) for each in entries
    )
    return delimited(field(1, DISCOVERED) + field(6, content + field(2, cookie)))


def points(arena: Arena) -> None:
    """
    Play C{discovery.points}.
    """
    one, other = Identity(), Identity()
    here = [multiaddr(PLACES[1], 4001)]
    inside = [multiaddr(each, 4001) for each in ("127.0.0.1", "10.0.0.1", "0.0.0.0")]
    broken = bytearray(one.record(1, here))
    broken[-1] ^= 1
    forged = other.record(1, here, about=one)
    lies: list[tuple[str, bytes]] = [
        ("a broken signature", _page([bytes(broken)])),
        ("a record signed by another", _page([forged])),
        ("addresses inside", _page([one.record(1, inside)])),
        ("another name", _page([one.record(1, here)], name=b"go")),
        ("ourselves", _page([b"OWN"])),
        ("10,000 of garbage", _page([os.urandom(20)] * 10_000)),
        ("another type", delimited(field(1, REGISTERED))),
        ("a status", delimited(field(1, DISCOVERED) + field(6, field(3, 12345)))),
        ("garbage", delimited(b"\xff" * 99)),
        ("2^60 bytes", b"\xff" * 8 + b"\x0f"),
        ("2 MiB", delimited(bytes(2 << 20))),
    ]
    for name, answer in lies:

        def lie(_: bytes, data: bytes = answer) -> bytes:
            return data

        asked, answered = _asked(arena, lie)
        arena.expect(f"nobody found in {name}", not asked["peers"], asked)
        arena.expect(f"1 request for {name}", answered == 1, answered)
        quick = asked["seconds"] < 25
        arena.expect(f"an end of {name}", quick, asked["seconds"])
    pages = [0]

    def more(_: bytes) -> bytes:
        pages[0] += 1
        return _page([Identity().record(1, here)], os.urandom(8))

    asked, answered = _asked(arena, more)
    arena.expect("10 pages at most", answered <= 10, answered)
    arena.expect("their peers", len(asked["peers"]) == answered, len(asked["peers"]))
    arena.newcomer(HOST)
    arena.saw(
        f"{len(lies)} wrong answers name nobody; of endless pages {answered} were read"
    )


def _asked(
    arena: Arena, answer: Callable[[bytes], bytes]
) -> tuple[dict[str, Any], int]:
    """
    Let the node ask a point.

    @return: the result of the node, and the number of its requests.
    """
    trap = Trap(host=PLACES[0])
    count = 0

    def respond(stream: Stream) -> None:
        nonlocal count
        count += 1
        data = answer(stream.message())
        stream.send(data)
        stream.finish()

    arena.target.tell("meet", trap.address(), "chess")
    secure = trap.secure()
    if "/yamux/1.0.0" not in secure.muxers:
        multistream.answer(secure, "/yamux/1.0.0")
    session = Session(secure, initiator=False)
    serving = Thread(target=_serve, args=(session, {RENDEZVOUS: respond}), daemon=True)
    serving.start()
    asked = arena.target.hear()
    session.close()
    serving.join()
    trap.close()
    return asked, count


def _serve(session: Session, handlers: dict[str, Callable[[Stream], None]]) -> None:
    with contextlib.suppress(Ended):
        serve(session, handlers, 30.0)


class _Web:
    """
    A server of HTTP that answers each request alike.

    @ivar url: its place.
    @ivar sent: the bytes that it could send.
    """

    def __init__(self, answer: Callable[[], Iterator[bytes]]) -> None:
        self._answer = answer
        self._socket = socket.create_server((ATTACKER, 0))
        self.url = f"http://{ATTACKER}:{self._socket.getsockname()[1]}"
        self.sent = 0
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                pipe = self._socket.accept()[0]
                pipe.settimeout(40)
                with pipe, contextlib.suppress(OSError):
                    pipe.recv(4096)
                    for each in self._answer():
                        pipe.sendall(each)
                        self.sent += len(each)

    def close(self) -> None:
        """
        Listen no longer.
        """
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def _headed(kind: str, *pieces: bytes, times: int = 1) -> Iterator[bytes]:
    """
    Answer with pieces, over and over.
    """
    yield f"HTTP/1.1 200 OK\r\nContent-Type: application/{kind}\r\n\r\n".encode()
    for _ in range(times):
        yield from pieces


def servers(arena: Arena) -> None:
    """
    Play C{discovery.http_servers}.
    """
    # The DHT knows the wanted peer.
    wanted = Identity()
    place = multiaddr(PLACES[2], 4001)
    router = Server(
        arena.address, KAD, lambda _: found(named(wanted, place)), PLACES[1]
    )
    enter(arena, router)
    trap = socket.create_server(("127.0.0.1", 0))
    trap.setblocking(False)
    port = trap.getsockname()[1]
    who = base58(wanted.peerID)
    entry = {
        "Schema": "peer",
        "ID": who,
        "Addrs": [f"/ip4/127.0.0.1/tcp/{port}", "/ip4/169.254.169.254/tcp/80"],
    }
    other = {**entry, "ID": base58(Identity().peerID)}
    long = [b"x" * 9999] * 999
    redirect = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/\r\n\r\n"
    lies: list[tuple[str, Callable[[], Iterator[bytes]]]] = [
        ("a line without end", lambda: _headed("x-ndjson", b"x" * 65536, times=9999)),
        ("10 GB", lambda: _headed("json", b" " * 65536, times=160_000)),
        ("a redirect", lambda: iter([redirect.encode()])),
        ("another peer", lambda: _headed("json", _peers(other))),
        ("addresses inside", lambda: _headed("json", _peers(entry))),
        ("100,000 peers", lambda: _headed("x-ndjson", _line(other), times=100_000)),
        ("no JSON", lambda: _headed("json", b"\xff" * 500)),
        ("deep JSON", lambda: _headed("json", b"[" * 500_000)),
        (
            "a head without end",
            lambda: iter([b"HTTP/1.1 200 OK\r\nX: ", *long]),
        ),
        ("status 500", lambda: iter([b"HTTP/1.1 500 No\r\n\r\n"])),
        ("nothing", lambda: iter([])),
    ]
    # These have the right form.
    proper = ("another peer", "addresses inside", "100,000 peers")
    for name, answer in lies:
        web = _Web(answer)
        asked = arena.target.ask("route", web.url, who)
        web.close()
        there = f"/ip4/{PLACES[2]}/tcp/4001" in str(asked["addresses"])
        arena.expect(f"found by the DHT beside {name}", there, asked)
        arena.expect(
            f"few bytes of {name} read", web.sent <= 8 << 20, f"{web.sent >> 20} MiB"
        )
        arena.expect(f"an end of {name}", asked["alone"] < 35, asked)
        wrong = bool(asked["error"]) != (name in proper)
        arena.expect(f"an error for {name}", wrong, asked)
        reached = arena.target.ask("reach", who)
        arena.expect("nobody connected", not reached["ok"], reached)
    try:
        trap.accept()
    except BlockingIOError:
        dialed = False
    else:
        dialed = True
    arena.expect("nobody inside dialed", not dialed)
    trap.close()
    arena.newcomer(HOST)
    arena.saw(
        f"{len(lies)} wrong answers; beside each the DHT finds the peer, and nobody"
        " inside is dialed"
    )
    router.close()


def _line(entry: Mapping[str, object]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _peers(entry: Mapping[str, object]) -> bytes:
    return json.dumps({"Peers": [entry]}).encode()
