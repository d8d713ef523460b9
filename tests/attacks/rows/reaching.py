# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on the answers of a node to peers that ask whether they are reachable.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter

from tests.attacks.arena import Arena
from tests.attacks.raw.identity import multiaddr
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.wire import delimited, field, fields

__all__ = ["REQUEST", "dialRequests"]

REQUEST = "/libp2p/autonat/2/dial-request"

#: The statuses by which a server refuses to dial.
REJECTED, REFUSED = 100, 101


def _request(*addresses: bytes) -> bytes:
    """
    Make a request.
    """
    inner = b"".join(field(1, each) for each in addresses) + b"\x11" + os.urandom(8)
    return delimited(field(1, inner))


def _inside(port: int) -> list[bytes]:
    """
    Return addresses in our networks, and one that is none.
    """
    hosts = ("127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0")
    mapped = b"\x29" + bytes(10) + b"\xff\xff\x7f\0\0\1" + b"\x06"
    name = b"\x36\x09localhost\x06"
    return [
        *(multiaddr(host, port) for host in hosts),
        mapped + port.to_bytes(2, "big"),
        name + port.to_bytes(2, "big"),
        b"\xff" * 20,
    ]


def dialRequests(arena: Arena) -> None:
    """
    Play C{reachability.dial_requests}.
    """
    arena.target.ask("announce", "/ip4/7.7.7.7/tcp/4001")
    trap = socket.create_server(("127.0.0.1", 0))
    trap.setblocking(False)
    inside = _inside(trap.getsockname()[1])
    junk = [
        b"\xff\xff\x7f",
        delimited(b"\xff"),
        delimited(b""),
        delimited(field(4, field(1, bytes(99)))),
        delimited(field(1, b"")),
        _request(*inside)[:9],
        _request(*[multiaddr("127.0.0.1", 1)] * 300),
    ]
    statuses: Counter[int] = Counter()
    ended = 0
    began = time.monotonic()
    while time.monotonic() < began + 4.0:
        session = Peer().dial(arena.address)
        for data in (*junk, *[_request(*inside)] * 30):
            stream = session.open(REQUEST)
            stream.patience(5.0)
            stream.send(data)
            stream.finish()
            try:
                answer = dict(fields(stream.message()))[2]
            except Ended:
                ended += 1
                continue
            assert isinstance(answer, bytes)
            statuses[int(dict(fields(answer))[1])] += 1
        pingOn(session)
        session.close()
    arena.expect("refusals alone", set(statuses) <= {REJECTED, REFUSED}, dict(statuses))
    arena.expect("junk reset", ended > 0, ended)
    try:
        trap.accept()
    except BlockingIOError:
        dialed = False
    else:
        dialed = True
    arena.expect("nobody dialed", not dialed)
    trap.close()
    arena.newcomer()
    arena.saw(
        f"{statuses.total()} requests refused, {ended} streams of junk reset in 4 s;"
        " nothing dialed"
    )
