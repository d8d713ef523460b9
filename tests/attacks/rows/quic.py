# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by QUIC, before a peer has proven its identity.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial

from aioquic.quic.connection import QuicConnection

from tests.attacks.arena import Arena, within
from tests.attacks.raw import packets
from tests.attacks.raw.certificates import WRONG, shown
from tests.attacks.raw.packets import crypto
from tests.attacks.raw.quic import (
    Dialer,
    Listener,
    forgedTicket,
    garbage,
    hello,
    initial,
)
from twisted_libp2p.identity import Identity

__all__ = [
    "ECHO",
    "address",
    "brokenHellos",
    "certificates",
    "datagrams",
    "guest",
    "hellos",
    "listeners",
    "onlookers",
    "tickets",
    "tokens",
]

#: Seconds that an upgrade may last, and some more.
DEADLINE = 12.0

#: How a stream of echoes begins.
ECHO = b"\x13/multistream/1.0.0\n\x0c/echo/1.0.0\n"

#: Handshakes under way, above which peers have to prove their addresses.
_MARK = 64


def address(arena: Arena, kind: str = "/quic-v1/p2p") -> tuple[str, int]:
    """
    Return where the node listens by QUIC.

    @param kind: a part of the address.
    """
    (text,) = (each for each in arena.target.first["addrs"] if kind in each)
    parts = text.split("/")
    return parts[2], int(parts[4])


def guest(arena: Arena, limit: float = 5.0) -> Dialer:
    """
    Expect that an honest peer can connect by QUIC, and return it.
    """
    dialer = Dialer(address(arena), hello(shown()))
    dialer.run(limit, lambda: dialer.confirmed)
    arena.expect("open to a newcomer by QUIC", dialer.confirmed, dialer.ended)
    return dialer


def _pipe() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _answers(pipe: socket.socket, seconds: float) -> list[bytes]:
    """
    Return what a socket receives in some time.
    """
    found = []
    pipe.settimeout(seconds)
    try:
        while True:
            found.append(pipe.recv(65535))
    except (TimeoutError, BlockingIOError):
        return found


def datagrams(arena: Arena) -> None:
    """
    Play C{quic.datagrams}.
    """
    where = address(arena)
    sent = received = 0
    with _pipe() as pipe:
        for number, data in enumerate(garbage(20_000)):
            pipe.sendto(data, where)
            sent += len(data)
            if not number % 100:
                received += sum(map(len, _answers(pipe, 0.005)))
        first = initial(hello(), where)
        other = first[:1] + b"\x0a\x0a\x0a\x0a" + first[5:]
        for data in (b"", b"\xc0", first[:20], first[:600], other[:600]):
            pipe.sendto(data, where)
        received += sum(map(len, _answers(pipe, 0.5)))
        pipe.sendto(other, where)
        versions = _answers(pipe, 0.5)
    arena.expect("answers smaller than the garbage", received < sent, received)
    arena.expect("the versions told", b"\0\0\0\1" in b"".join(versions))
    arena.expect("that answer short", sum(map(len, versions)) < 100)
    guest(arena).close()
    share = 100 * received / sent
    arena.saw(f"20000 datagrams; answers of {share:.1f} % of their bytes")


def _crowd(where: tuple[str, int], made: Iterable[bytes]) -> list[socket.socket]:
    """
    Send datagrams, each from a socket of its own.
    """
    pipes = []
    for data in made:
        pipe = _pipe()
        pipe.sendto(data, where)
        pipes.append(pipe)
    return pipes


def hellos(arena: Arena) -> None:
    """
    Play C{quic.hellos}.
    """
    where = address(arena)
    made = [initial(hello(), where) for _ in range(1500)]
    sent, answers = sum(map(len, made)), list[bytes]()
    pipes = _crowd(where, made)

    def retries() -> int:
        for pipe in pipes:
            answers.extend(_answers(pipe, 0.0))
        return sum(each[0] & 0xF0 == 0xF0 for each in answers)

    # On a busy machine aioquic takes seconds for the handshakes before the mark.
    asked = within(DEADLINE, lambda: retries() > 1000)
    arena.expect("most asked to prove their address", asked, retries())
    # Those that were let in have so long for their handshakes.
    time.sleep(DEADLINE)
    found, answered = retries(), sum(map(len, answers))
    for pipe in pipes:
        pipe.close()
    arena.expect("at most 3 times the bytes", answered <= 3.3 * sent, answered)
    guest(arena).close()
    arena.saw(f"{found} of 1500 got a Retry, {answered / sent:.2f} x in all")


class _Begun:
    """
    A handshake whose packets are made by hand.
    """

    def __init__(self, where: tuple[str, int]) -> None:
        self._where = where
        self._number = 0
        self.quic = hello(shown())
        self.quic.connect(where, time.monotonic())
        self.message = packets.helloOf(self.quic)
        self.pipe = _pipe()

    def say(self, frames: bytes) -> None:
        """
        Send one packet.
        """
        target = self.quic._peer_cid.cid
        data = packets.onlooker(
            target, target, self.quic.host_cid, frames, number=self._number
        )
        self._number += 1
        self.pipe.sendto(data, self._where)


def _gaps(begun: _Begun) -> None:
    """
    Leave out every second byte of the handshake.
    """
    for first in range(0, 8000, 100):
        begun.say(b"".join(crypto(1 + 2 * (first + n), b"x") for n in range(100)))


def _endless(begun: _Begun) -> None:
    """
    Announce 16 MiB, and send a part of them.
    """
    for number in range(1000):
        head = b"\x01\xff\xff\xff" if not number else b""
        begun.say(crypto(number * 1000, head.ljust(1000, b"\0")))


def _wrong(begun: _Begun) -> None:
    """
    Send a message that is none, which ends the handshake at once.
    """
    begun.say(crypto(0, b"\x01\0\0\x20" + os.urandom(32)))


def brokenHellos(arena: Arena) -> None:
    """
    Play C{quic.broken_hellos}.
    """
    where = address(arena)
    kinds: tuple[Callable[[_Begun], None], ...] = (_gaps, _endless)
    some = [(each, _Begun(where)) for each in kinds for _ in range(4)]
    for each, begun in some:
        each(begun)
    slow = _Begun(where)
    failing = [_Begun(where) for _ in range(1000)]
    for offset in range(8):
        slow.say(crypto(offset, slow.message[offset : offset + 1]))
        if offset == 1:
            for begun in failing:
                _wrong(begun)
        time.sleep(1)
    time.sleep(DEADLINE - 8)
    upgrading = arena.target.ask("state")["upgrading"]
    arena.expect("no upgrade left after the deadline", not upgrading, upgrading)
    answers = [data for each in failing for data in _answers(each.pipe, 0.001)]
    retries = sum(data[0] & 0xF0 == 0xF0 for data in answers)
    for begun in [slow, *failing, *(begun for _, begun in some)]:
        begun.pipe.close()
    guest(arena).close()
    arena.saw(
        "a byte a second given up by the deadline; of 1000 that fail at once"
        f" {retries} got a Retry"
    )


def certificates(arena: Arena) -> None:
    """
    Play C{quic.certificates}.
    """
    where = address(arena)
    before = arena.target.opened
    wrong: dict[str, QuicConnection] = {kind: hello(shown(kind)) for kind in WRONG}
    wrong |= {
        "an empty list": hello(),
        "no list": hello(shown(), silent=True),
        "no ALPN": hello(shown(), ()),
        "h3": hello(shown(), ("h3",)),
        "h3 without a certificate": hello(None, ("h3",)),
    }
    for name, quic in wrong.items():
        dialer = Dialer(where, quic)
        quic.send_stream_data(0, ECHO)
        dialer.run(3)
        arena.expect(f"{name} refused", dialer.ended is not None, dialer.confirmed)
        arena.expect(f"{name} never confirmed", not dialer.confirmed)
        arena.expect(f"{name} served nothing", not dialer.received)
        dialer.close()
    arena.expect("no connection", arena.target.opened == before)
    both = Dialer(where, hello(shown(), ("h3", "libp2p")))
    both.run(3, lambda: both.confirmed)
    arena.expect("h3 beside libp2p accepted as libp2p", both.confirmed, both.ended)
    both.close()
    arena.saw(f"{len(wrong)} of {len(wrong)} refused")


def listeners(arena: Arena) -> None:
    """
    Play C{quic.listeners}.
    """
    kinds = (*WRONG, "another peer", "h3", *_SILENT)
    for kind in kinds:
        identity = Identity.generate()
        listener = Listener(
            shown(kind if kind in WRONG else "good", identity),
            ("h3",) if kind == "h3" else ("libp2p",),
        )
        silent = _SILENT.get(kind)
        if silent is not None:
            listener.first = partial(silent, listener)
        peer = Identity.generate().peerID if "another" in kind else identity.peerID
        arena.target.tell(
            "dial", f"/ip4/127.0.0.1/udp/{listener.port}/quic-v1/p2p/{peer}"
        )
        listener.run(3 if silent is None else 11)
        answer = arena.target.hear()
        arena.expect(f"a listener with {kind} refused", not answer["ok"])
        arena.expect(f"nothing sent to one with {kind}", not listener.received)
        listener.close()
    arena.saw(f"{len(kinds)} of {len(kinds)} refused, before a stream is opened")


def tickets(arena: Arena) -> None:
    """
    Play C{quic.tickets}.
    """
    dialer = Dialer(address(arena), hello(shown(), ticket=forgedTicket()))
    # Sent at once, by keys that the ticket would give.
    dialer.quic.send_stream_data(0, ECHO + b"early")
    dialer.run(5, lambda: dialer.received.get(0, b"").endswith(b"early"))
    arena.expect("a full handshake", dialer.resumed is False, dialer.resumed)
    arena.expect("connected", dialer.confirmed, dialer.ended)
    arena.expect("early data not accepted", not dialer.quic.tls.early_data_accepted)
    echoed = dialer.received.get(0, b"").endswith(b"early")
    arena.expect("the data served after the handshake", echoed, dialer.received)
    dialer.close()
    arena.saw("a full handshake; the early data served when it was sent again")


def _retryOf(where: tuple[str, int], pipe: socket.socket) -> tuple[bytes, bytes]:
    """
    Get a Retry packet for a new connection.

    @return: the token, and the connection id that belongs to it.
    """
    pipe.sendto(initial(hello(shown()), where), where)
    for data in _answers(pipe, 0.5):
        if data[0] & 0xF0 == 0xF0:
            at = 6 + data[5]
            source = data[at + 1 : at + 1 + data[at]]
            return data[at + 1 + data[at] : -16], source
    return b"", b""


def tokens(arena: Arena) -> None:
    """
    Play C{quic.tokens}.
    """
    where = address(arena)
    crowd = _crowd(where, [initial(hello(), where) for _ in range(2 * _MARK)])
    time.sleep(0.5)
    ours, others = _pipe(), _pipe()
    token = target = b""
    for _ in range(20):
        if not token:
            token, target = _retryOf(where, ours)
    arena.expect("a Retry above the mark", bool(token))
    changed = token[:-1] + bytes((token[-1] ^ 1,)) if token else b""
    tries = {
        "of another address": (others, token, target),
        "for another connection id": (ours, token, os.urandom(8)),
        "that was changed": (ours, changed, target),
        "that is garbage": (ours, os.urandom(60), os.urandom(8)),
    }
    accepted = []
    for name, (pipe, shownToken, cid) in tries.items():
        _answers(pipe, 0.01)
        quic = hello(shown())
        quic.connect(where, time.monotonic())
        frames = crypto(0, packets.helloOf(quic)[:900])
        data = packets.onlooker(cid, cid, quic.host_cid, frames, token=shownToken)
        pipe.sendto(data, where)
        answers = _answers(pipe, 0.3)
        if any(each[0] & 0xF0 == 0xC0 and len(each) > 200 for each in answers):
            accepted.append(name)
    arena.expect("no wrong token accepted", not accepted, accepted)
    for each in (*crowd, ours, others):
        each.close()
    time.sleep(DEADLINE)
    guest(arena).close()
    arena.saw(f"{len(tries)} wrong tokens prove nothing")


def _retried(listener: Listener, data: bytes) -> bool:
    """
    Answer every first packet with a Retry.
    """
    target, source = packets.ids(data)
    fresh = os.urandom(8)
    listener.put(packets.retry(target, source, fresh, os.urandom(40)))
    return False


def _unversioned(listener: Listener, data: bytes) -> bool:
    """
    Answer every first packet with versions that nobody speaks.
    """
    target, source = packets.ids(data)
    listener.put(packets.versions(source, target))
    return False


#: Listeners that never accept a dial, by their answers to the first packet.
_SILENT = {"retries without end": _retried, "other versions": _unversioned}


def onlookers(arena: Arena) -> None:
    """
    Play C{quic.onlookers}.
    """
    where = address(arena)
    dialer = guest(arena)
    quic = dialer.quic
    original, ours = quic.original_destination_connection_id, quic.host_cid
    theirs = quic._peer_cid.cid
    forged = [
        packets.onlooker(original, target, ours, packets.close(0), number=number)
        for target in (original, theirs)
        for number in range(3)
    ]
    forged += [
        packets.versions(theirs, ours),
        packets.retry(original, theirs, ours, b"token"),
        *(b"\x40" + theirs + os.urandom(40) for _ in range(100)),
    ]
    with _pipe() as pipe:
        for each in forged:
            dialer.put(each)
            pipe.sendto(each, where)
    quic.send_stream_data(0, ECHO + b"alive")
    dialer.run(5, lambda: dialer.received.get(0, b"").endswith(b"alive"))
    echoed = dialer.received.get(0, b"").endswith(b"alive")
    arena.expect("the connection alive", echoed, dialer.ended)
    dialer.close()
    arena.saw(f"{len(forged)} forged packets did nothing")
