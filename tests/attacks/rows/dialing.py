# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by peers that have a node dial others: amplifiers, and scans of ports.
"""

from __future__ import annotations

import os
import socket
import time

from tests.attacks.arena import Arena
from tests.attacks.raw.identity import multiaddr
from tests.attacks.raw.peer import Peer
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.wire import delimited, field, fields
from tests.attacks.raw.yamux import Session, Stream
from tests.attacks.rows.places import PLACES
from tests.attacks.rows.reaching import REQUEST

__all__ = ["amplifier"]

#: Bytes that a server may demand before it dials another host.
LEAST, MOST = 30_000, 100_000

#: Bytes that one dial may send.
DIALED = 10_000


def _ask(session: Session, host: str, port: int) -> Stream:
    """
    Ask to be dialed at an address.
    """
    stream = session.open(REQUEST)
    request = field(1, multiaddr(host, port)) + b"\x11" + os.urandom(8)
    stream.send(delimited(field(1, request)))
    return stream


def _answer(stream: Stream, seconds: float) -> tuple[int, dict[int, int | bytes]]:
    """
    Receive a message: the number of its kind, and its fields.
    """
    stream.patience(seconds)
    ((kind, content),) = fields(stream.message())
    assert isinstance(content, bytes)
    return kind, dict(fields(content))


def _dials(trap: socket.socket, seconds: float) -> list[int]:
    """
    Count the bytes that are sent in each connection to a trap.
    """
    sizes = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        trap.settimeout(left)
        try:
            dialed = trap.accept()[0]
        except TimeoutError:
            break
        size = 0
        dialed.settimeout(1.0)
        try:
            while data := dialed.recv(65536):
                size += len(data)
        except (TimeoutError, ConnectionError):
            pass
        dialed.close()
        sizes.append(size)
    return sizes


def _unpaid(arena: Arena, session: Session, host: str, port: int) -> None:
    """
    Ask for dials of another host, and do not pay as demanded.
    """
    for name, pieces in (
        ("nothing", []),
        ("30 messages of 1 byte", [field(4, field(1, b"x"))] * 30),
        ("garbage", [os.urandom(200)]),
        ("64 KiB at once", [field(4, field(1, bytes(65536)))]),
    ):
        stream = _ask(session, host, port)
        kind, demand = _answer(stream, 5.0)
        arena.expect("a demand for data", kind == 3, kind)
        size = int(demand.get(2, 0))
        arena.expect("30 to 100 kB demanded", LEAST <= size <= MOST, size)
        try:
            for each in pieces:
                stream.send(delimited(each))
            kind, found = _answer(stream, 20.0)
            arena.expect(f"without an answer to {name}", False, (kind, found))
        except Ended as end:
            arena.expect(f"a reset for {name}", end.how == "reset", end.how)


def amplifier(arena: Arena) -> None:
    """
    Play C{reachability.dial_data}.
    """
    asker, victim = PLACES[0], PLACES[1]
    session = Peer(source=asker).dial(arena.address)
    with socket.create_server((victim, 0)) as trap:
        port = trap.getsockname()[1]
        _unpaid(arena, session, victim, port)
        unpaid = _dials(trap, 4.0)
        arena.expect("no dial that was not paid for", not unpaid, unpaid)
        stream = _ask(session, victim, port)
        _, demand = _answer(stream, 5.0)
        paid = 0
        while paid < int(demand[2]):
            stream.send(delimited(field(4, field(1, bytes(4000)))))
            paid += 4000
        sent = _dials(trap, 6.0)
        arena.expect("one dial that was paid for", len(sent) == 1, sent)
        arena.expect(
            "less sent in a dial than received for it",
            all(each < min(DIALED, paid) for each in sent),
            sent,
        )
    # Our own ports tell nothing that we do not know; those of others cost as above.
    statuses = []
    for number in range(30):
        stream = _ask(session, asker, 2000 + number)
        try:
            statuses.append(_answer(stream, 15.0)[1].get(1))
        except Ended:
            statuses.append(None)
    answered = sum(each == 200 for each in statuses)
    arena.expect("at most 12 dials a minute for a peer", answered <= 12, answered)
    session.close()
    arena.newcomer()
    arena.saw(
        f"4 ways not to pay, no dial; {paid} bytes paid for a dial of {sum(sent)};"
        f" {answered} of 30 ports of the asker dialed"
    )
