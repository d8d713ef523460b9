# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by QUIC.
"""

from __future__ import annotations

import socket
import time

from tests.attacks.arena import Arena
from tests.attacks.raw.quic import Dialer, certificate, garbage, hello, initial
from twisted_libp2p.errors import ErrorCode

__all__ = ["certificates", "datagrams", "hellos", "streams"]

#: Seconds that an upgrade may last, and some more.
DEADLINE = 12.0

_MULTISTREAM = b"\x13/multistream/1.0.0\n\x0c/echo/1.0.0\n"


def _address(arena: Arena) -> tuple[str, int]:
    """
    Return where the node listens by QUIC.
    """
    (text,) = (each for each in arena.target.first["addrs"] if "/quic-v1" in each)
    parts = text.split("/")
    return parts[2], int(parts[4])


def _guest(arena: Arena, limit: float = 5.0) -> Dialer:
    """
    Expect that an honest peer can connect by QUIC, and return it.
    """
    began = time.monotonic()
    dialer = Dialer(_address(arena), hello(certificate("good")))
    while not dialer.confirmed and time.monotonic() < began + limit:
        dialer.run(0.02)
        if dialer.ended is not None:
            break
    arena.expect("open to a newcomer by QUIC", dialer.confirmed, dialer.ended)
    return dialer


def _answers(pipe: socket.socket, seconds: float) -> list[bytes]:
    """
    Return what a socket receives in some time.
    """
    found = []
    pipe.settimeout(seconds)
    try:
        while True:
            found.append(pipe.recv(65535))
    except TimeoutError:
        return found


def datagrams(arena: Arena) -> None:
    """
    Play C{quic.datagrams}.
    """
    address = _address(arena)
    sent = received = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pipe:
        for number, data in enumerate(garbage(20_000)):
            pipe.sendto(data, address)
            sent += len(data)
            if not number % 100:
                received += sum(map(len, _answers(pipe, 0.005)))
        first = initial(hello(), address)
        other = first[:1] + b"\x0a\x0a\x0a\x0a" + first[5:]
        for data in (b"", b"\xc0", first[:20], other[:600]):
            pipe.sendto(data, address)
        received += sum(map(len, _answers(pipe, 0.5)))
        pipe.sendto(other, address)
        versions = _answers(pipe, 0.5)
    arena.expect("answers smaller than the garbage", received < sent, received)
    arena.expect("the versions told", b"\0\0\0\1" in b"".join(versions))
    arena.expect("that answer short", sum(map(len, versions)) < 100)
    _guest(arena).close()
    share = 100 * received / sent
    arena.saw(f"20000 datagrams; answers of {share:.1f} % of their bytes")


def hellos(arena: Arena) -> None:
    """
    Play C{quic.hellos}.
    """
    address = _address(arena)
    retries = answered = sent = 0
    pipes = []
    for _ in range(1500):
        pipe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        data = initial(hello(), address)
        pipe.sendto(data, address)
        sent += len(data)
        pipes.append(pipe)
    time.sleep(1)
    for pipe in pipes:
        for each in _answers(pipe, 0.001):
            answered += len(each)
            retries += each[0] & 0xF0 == 0xF0
        pipe.close()
    arena.expect("most asked to prove their address", retries > 1000, retries)
    # Those that were let in have so long for their handshakes.
    time.sleep(DEADLINE)
    arena.expect("at most 3 times the bytes", answered <= 3.3 * sent, answered)
    _guest(arena).close()
    arena.saw(f"{retries} of 1500 got a Retry, {answered / sent:.2f} x in all")


def certificates(arena: Arena) -> None:
    """
    Play C{quic.certificates}.
    """
    address = _address(arena)
    before = arena.target.opened
    wrong = {
        "no certificate": hello(),
        "an expired one": hello(certificate("expired")),
        "one of the future": hello(certificate("future")),
        "one without extension": hello(certificate("no extension")),
        "one of another key": hello(certificate("other key")),
        "no ALPN": hello(certificate("good"), alpn=None),
        "another ALPN": hello(certificate("good"), alpn="h3"),
    }
    for name, quic in wrong.items():
        dialer = Dialer(address, quic)
        quic.send_stream_data(0, _MULTISTREAM)
        dialer.run(3)
        arena.expect(f"{name} refused", dialer.ended is not None, dialer.confirmed)
        arena.expect(f"{name} never confirmed", not dialer.confirmed)
        arena.expect(f"{name} served nothing", not dialer.received)
        dialer.close()
    arena.expect("no connection", arena.target.opened == before)
    _guest(arena).close()
    arena.saw(f"{len(wrong)} of {len(wrong)} refused")


def streams(arena: Arena) -> None:
    """
    Play C{quic.streams}.
    """
    dialer = _guest(arena)
    quic = dialer.quic
    for _ in range(40):
        for _ in range(100):
            number = quic.get_next_available_stream_id()
            if number // 4 >= quic._remote_max_streams_bidi:
                break
            quic.send_stream_data(number, b"\x13")
            quic.reset_stream(number, 7)
        dialer.run(0.05)
        dialer.received.clear()
    opened = quic.get_next_available_stream_id() // 4
    arena.expect("resets served", opened > 200, opened)
    arena.expect(
        "the flood unharmful, or ended",
        dialer.ended in (None, ErrorCode.RATE_LIMITED),
        dialer.ended,
    )
    dialer.close()
    dialer = _guest(arena)
    quic = dialer.quic
    # An echo whose answers nobody takes: the windows of both sides stop it.
    number = quic.get_next_available_stream_id()
    quic._local_max_data.value = quic._local_max_data.sent = 1 << 20
    quic.send_stream_data(number, _MULTISTREAM + bytes(64 << 20))
    for _ in range(20):
        dialer.run(0.05)
    arena.expect("the connection there", dialer.ended is None, dialer.ended)
    beyond = Dialer(_address(arena), hello(certificate("good")))
    beyond.run(0.5)
    beyond.quic.send_stream_data(4 * 100_000, b"x")
    stream = beyond.quic._streams[400_000]
    stream.is_blocked = False
    beyond.run(2)
    arena.expect("a stream beyond the limit ended it", beyond.ended == 4, beyond.ended)
    dialer.close()
    beyond.close()
    _guest(arena).close()
    arena.saw(f"{opened} streams opened and reset; 64 MiB stopped by windows")
