# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Messages of relays.
"""

from __future__ import annotations

import time

from tests.attacks.raw import multistream
from tests.attacks.raw.pipe import Pipe
from tests.attacks.raw.wire import delimited, field, fields
from tests.attacks.raw.yamux import DATA, RST, SYN, WINDOW, Session, Stream, frame

__all__ = [
    "HOP",
    "OK",
    "STOP",
    "ask",
    "connect",
    "grant",
    "reserve",
    "rush",
    "status",
    "stop",
]

HOP = "/libp2p/circuit/relay/0.2.0/hop"
STOP = "/libp2p/circuit/relay/0.2.0/stop"

# The types of HOP and STOP.
RESERVE, CONNECT, STATUS = range(3)
STOP_CONNECT, STOP_STATUS = range(2)

OK = 100


def connect(peerID: bytes) -> bytes:
    """
    Encode a request for a circuit to a peer.
    """
    return field(1, CONNECT) + field(2, field(1, peerID))


def stop(peerID: bytes) -> bytes:
    """
    Encode the message that a relay has somebody for a peer.
    """
    return field(1, STOP_CONNECT) + field(2, field(1, peerID))


def reserve() -> bytes:
    """
    Encode a request for a reservation.
    """
    return field(1, RESERVE)


def grant(expire: int, addresses: list[bytes], voucher: bytes | None = None) -> bytes:
    """
    Encode the answer to it.
    """
    reservation = field(1, expire) + b"".join(field(2, each) for each in addresses)
    if voucher is not None:
        reservation += field(3, voucher)
    return field(1, STATUS) + field(3, reservation) + field(5, OK)


def status(pipe: Pipe, number: int = 5) -> int:
    """
    Receive a message that is a status.

    @param number: the field of the status: 5 of HOP, 4 of STOP.
    """
    found = dict(fields(pipe.message()))
    return int(found[number])


def ask(session: Session, message: bytes) -> tuple[Stream, int]:
    """
    Ask a relay.

    @return: the stream, and the status.
    """
    stream = session.open(HOP)
    stream.send(delimited(message))
    return stream, status(stream)


def rush(
    session: Session, message: bytes, count: int, seconds: float
) -> dict[int, int | None]:
    """
    Ask a relay many times at once.

    @return: the statuses by stream; None for a stream that was reset.
    """
    agreed = multistream.HEADER + multistream.message(HOP)
    wanted = session.take(count)
    for each in wanted:
        session.send(
            frame(WINDOW, SYN, each, 0),
            frame(DATA, 0, each, body=agreed + delimited(message)),
        )
    heard = dict.fromkeys(wanted, b"")
    found: dict[int, int | None] = {}
    deadline = time.monotonic() + seconds
    while len(found) < count:
        got = session.until(
            lambda each: each.stream in heard, deadline - time.monotonic()
        )
        data = heard[got.stream] = heard[got.stream] + got.body
        if len(data) > len(agreed) and got.stream not in found:
            answer = dict(fields(data[len(agreed) + 1 :]))
            found[got.stream] = int(answer[5])
        elif got.flags & RST:
            found.setdefault(got.stream, None)
    return found
