# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on tunnels, on the door, and on web pages that a node serves.
"""

from __future__ import annotations

import time
from contextlib import suppress

from tests.attacks.arena import Arena, within
from tests.attacks.product import FLOOD, IDLE, LISTED, LISTED_WEB, MUTE
from tests.attacks.raw.multistream import Refused
from tests.attacks.raw.peer import Peer
from tests.attacks.raw.pipe import TCP, Ended, connect, watch
from tests.attacks.raw.yamux import Session
from tests.attacks.rows.gifts import offer

__all__ = ["doorRequests", "idleStreams", "unlisted", "webRequests"]

#: Streams of an attacker at once.
STREAMS = 64

#: Seconds for a refusal.
AT_ONCE = 2.0

#: Seconds that the door, and a web page, wait for a request.
DOOR_TIME, WEB_TIME = 30.0, 60.0

#: Seconds after which a stream whose peer does not end its half is reset.
LINGER = 30.0

HTTP = "/http/1.1"
FILES = "/twisted-libp2p/file/1.0.0"
PAIR = "/twisted-libp2p/pair/1.0.0"

#: Larger than the largest head of a request.
GIANT = b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * (1 << 20)


def idleStreams(arena: Arena) -> None:
    """
    Play C{tunnel.idle_streams}.
    """
    reader = Peer().dial(arena.address)
    for _ in range(STREAMS):
        reader.open(FLOOD)
    stayer = Peer().dial(arena.address)
    for _ in range(STREAMS):
        stream = stayer.open(MUTE)
        stream.send(b"x")
        stream.finish()
    opened = arena.target.ask("tunnels")["open"]
    arena.expect("tunnels open", opened > STREAMS, opened)
    arena.newcomer()
    began = time.monotonic()
    # Neither end of any of them does anything.
    over = within(IDLE + 15, lambda: not arena.target.ask("tunnels")["open"])
    arena.expect("every idle stream ended", over)
    arena.saw(
        f"{opened} tunnelled streams, of which none is read or ended by its peer, are"
        f" gone {time.monotonic() - began:.0f} s later, with a limit of {IDLE:g} s"
    )
    reader.close()
    stayer.close()


def _got(session: Session, protocol: str, data: bytes) -> bytes:
    """
    Send bytes on a stream of its own.

    @return: the answer; empty if the stream was refused.
    """
    answer = b""
    try:
        stream = session.open(protocol)
        # The node may have answered before.
        stream.send(data)
        stream.patience(AT_ONCE)
        while True:
            answer += stream.some()
    except (Ended, Refused):
        return answer


def unlisted(arena: Arena) -> None:
    """
    Play C{tunnel.unlisted_peer}.
    """
    session = Peer().dial(arena.address)
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for protocol, data in ((LISTED, b"x"), (LISTED_WEB, get), (PAIR, b"\x10" * 17)):
        answer = _got(session, protocol, data)
        arena.expect(f"nothing of {protocol}", not answer, answer[:40])
    answer = _got(session, FILES, offer("film", b"abc"))
    arena.expect("a refused file", b"not permitted" in answer, answer[:60])
    inbox = arena.target.ask("inbox")
    arena.expect("no file", not inbox["names"], inbox["names"])
    before = len(arena.target.log())
    for _ in range(500):
        _got(session, LISTED, b"x")
    arena.expect("no connection for it", not arena.target.ask("tunnels")["listed"])
    written = len(arena.target.log()) - before
    arena.expect("a short log of 500 refusals", written < 20_000, written)
    arena.saw(
        f"nothing of 4 protocols; 500 refusals are {written / 1000:.0f} kB of log;"
        " no server behind them was reached"
    )
    session.close()


def _door(arena: Arena) -> TCP:
    """
    Connect to the door.
    """
    return connect(("127.0.0.1", arena.target.ask("doors")["door"]))


def _tried(pipe: TCP, data: bytes) -> None:
    """
    Send bytes, or until the node hangs up.
    """
    with suppress(Ended):
        pipe.send(data)


def doorRequests(arena: Arena) -> None:
    """
    Play C{tunnel.door_requests}.
    """
    slow = [_door(arena) for _ in range(100)]
    began = time.monotonic()
    request = b"\x05\x01\x00\x05\x01\x00\x03\xff" + b"a" * 255
    wrong = {
        "no method": b"\x05\x01\x02",
        "a command to listen": b"\x05\x01\x00\x05\x02\x00\x03\x01a\x00\x50",
        "an address": b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
        "a host of the network": b"\x05\x01\x00\x05\x01\x00\x03\x09localhost\x00\x50",
        "another version": b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
        "a giant head": GIANT,
        "a host of HTTP": b"CONNECT localhost:22 HTTP/1.1\r\n\r\n",
        "a page of the door": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "no request": b"\xff" * 64,
    }
    for name, data in wrong.items():
        pipe = _door(arena)
        _tried(pipe, data)
        fate = watch([pipe], AT_ONCE)[0]
        arena.expect(f"{name} ended", fate.ended, str(fate))
    for turn in range(int(DOOR_TIME) + 4):
        for pipe in slow:
            _tried(pipe, request[turn : turn + 1])
        time.sleep(max(0.0, began + turn + 1 - time.monotonic()))
    fates = watch(slow, AT_ONCE)
    held = [each for each in fates if not each.ended]
    arena.expect("every slow request ended", not held, f"{len(held)} of 100 open")
    longest = max((each.seconds for each in fates if each.ended), default=0)
    arena.saw(
        f"{len(wrong)} of {len(wrong)} refused; requests of a byte a second are over"
        f" after {longest:.0f} s"
    )


def webRequests(arena: Arena) -> None:
    """
    Play C{web.requests}.
    """
    session = Peer().dial(arena.address)
    post = b"POST / HTTP/1.1\r\nHost: a\r\n"
    wrong = {
        "a giant head": (GIANT[:200_000], b""),
        "10,000 headers": (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000, b""),
        "a body of 1 TiB": (post + b"Content-Length: 1099511627776\r\n\r\n", b" 413 "),
        "two lengths": (
            post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b" 400 ",
        ),
        "a chunk of 2^64": (
            post + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
            b"",
        ),
        "no HTTP": (bytes(100) + b"\r\n\r\n", b" 400 "),
    }
    for name, (data, status) in wrong.items():
        answer = _got(session, HTTP, data)
        arena.expect(f"no page for {name}", b"page" not in answer, answer[:40])
        arena.expect(f"{name} answered", status in answer, answer[:40])
    twice = _got(session, HTTP, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    arena.expect("one answer on a stream", twice.count(b" 200 ") == 1, twice[:200])
    silent = [session.open(HTTP) for _ in range(STREAMS)]
    for each in silent[::2]:
        each.send(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    ended = within(
        WEB_TIME + LINGER + 15,
        lambda: _ping(session) and arena.target.ask("state")["streams"] <= 1,
    )
    arena.expect("every silent stream ended", ended)
    arena.saw(
        f"{len(wrong)} of {len(wrong)} get no page; {STREAMS} requests that never end"
        f" are over {time.monotonic() - began:.0f} s later"
    )
    session.close()


def _ping(session: Session) -> bool:
    """
    Answer the pings of the node.
    """
    session.synchronize()
    return True
