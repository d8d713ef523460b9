# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by QUIC, of peers that have proven their identity.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from tests.attacks.arena import Arena, within
from tests.attacks.raw.packets import PIECE, frame, sealed, stream
from tests.attacks.raw.quic import Dialer
from tests.attacks.raw.violations import VIOLATIONS
from tests.attacks.rows.quic import ECHO, address, guest
from twisted_libp2p.errors import ErrorCode

__all__ = ["addresses", "deaf", "floods", "frames", "streamFlood", "streams"]

#: Streams that are opened and reset.
FLOOD = 100_000

_RESET = 0x04


def streams(arena: Arena) -> None:
    """
    Play C{quic.streams}.
    """
    # An echo whose answers nobody takes: the windows of both sides stop it.
    dialer = guest(arena)
    quic = dialer.quic
    number = quic.get_next_available_stream_id()
    quic._local_max_data.value = quic._local_max_data.sent = 1 << 20
    quic.send_stream_data(number, ECHO + bytes(64 << 20))
    dialer.run(1)
    arena.expect("the connection there", dialer.ended is None, dialer.ended)
    # As many as there may be, of which nobody says what they are for.
    opened = guest(arena)
    opened.own(range(0, 1024, 4))
    count = 0
    for _ in range(20):
        allowed = min(opened.quic._remote_max_streams_bidi, 256)
        opened.frames(
            *_packed(stream(4 * each, 0, b"\x13") for each in range(count, allowed))
        )
        count = allowed
        opened.run(0.1)
    arena.expect("256 streams taken", count == 256 and opened.ended is None, count)
    beyond = guest(arena)
    beyond.frames(stream(4 * 256, 0, b"x"))
    beyond.run(2)
    arena.expect("a stream beyond the limit ended it", beyond.ended == 4, beyond.ended)
    for each in (dialer, opened, beyond):
        each.close()
    guest(arena).close()
    arena.saw("64 MiB stopped by windows; the 257th stream ended its connection")


def _packed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """
    Join frames to packets.
    """
    packet = b""
    for each in parts:
        if len(packet) + len(each) > PIECE:
            yield packet
            packet = b""
        packet += each
    if packet:
        yield packet


def streamFlood(arena: Arena) -> None:
    """
    Play C{quic.stream_flood}.
    """
    dialer = guest(arena)
    opened = 0
    until = time.monotonic() + 20
    while opened < FLOOD and dialer.ended is None and time.monotonic() < until:
        allowed = dialer.quic._remote_max_streams_bidi
        count = min(allowed - opened, 1000)
        dialer.own(range(4 * opened, 4 * (opened + count), 4))
        dialer.frames(
            *_packed(
                stream(4 * each, 0, b"\x13") + frame(_RESET, 4 * each, 7, 1)
                for each in range(opened, opened + count)
            )
        )
        opened += count
        dialer.run(0.01)
    arena.expect("resets served", opened > 200, opened)
    arena.expect(
        "the flood unharmful, or ended",
        dialer.ended in (None, ErrorCode.RATE_LIMITED),
        dialer.ended,
    )
    dialer.close()
    guest(arena).close()
    end = "" if dialer.ended is None else f"; ended with code {dialer.ended:#x}"
    arena.saw(f"{opened} streams opened and reset{end}")


def frames(arena: Arena) -> None:
    """
    Play C{quic.frames}.
    """
    for name, (broken, codes) in VIOLATIONS.items():
        dialer = guest(arena)
        dialer.own([0])
        # Together, so that nothing is forgotten between two of them.
        dialer.frames(*_packed(broken))
        dialer.run(1)
        # Its answer may go to a connection id that aioquic does not know.
        ended = dialer.ended in codes or (
            dialer.ended is None and within(2, lambda: arena.target.open == 1)
        )
        arena.expect(f"{name}: ended", ended, dialer.ended)
        dialer.close()
    guest(arena).close()
    arena.saw(f"{len(VIOLATIONS)} of {len(VIOLATIONS)} ended, with the code of the RFC")


def floods(arena: Arena) -> None:
    """
    Play C{quic.floods}.
    """
    many = range(100_000)
    letters = ECHO + bytes(100_000)
    kinds: dict[str, Iterable[bytes]] = {
        "gaps": (stream(0, 1 + 2 * each, b"x") for each in many),
        "pieces of a byte": (
            stream(0, each, letters[each : each + 1]) for each in range(len(letters))
        ),
        "pings": (b"\x01" for _ in range(1_000_000)),
        "challenges": (frame(0x1A, each.to_bytes(8, "big")) for each in many),
        "windows": (frame(0x10, each) for each in many),
        "wishes": (frame(0x14, each) for each in many),
    }
    told = []
    for name, parts in kinds.items():
        dialer = guest(arena)
        dialer.own([0])
        before, count = arena.target.cpu, 0
        until = time.monotonic() + 3
        for packet in _packed(parts):
            dialer.put(sealed(dialer.quic, packet))
            count += 1
            if not count % 8:
                dialer.run(0.002)
            if dialer.ended is not None or time.monotonic() > until:
                break
        dialer.run(0.2)
        used = (arena.target.cpu - before) / count
        end = "taken" if dialer.ended is None else "ended"
        told.append(f"{name} {end}, {used * 1e6:.0f} µs a packet")
        arena.expect(f"{name} cheap", used < 0.005, f"{used * 1e3:.1f} ms a packet")
        dialer.close()
    guest(arena).close()
    arena.saw("; ".join(told))


def addresses(arena: Arena) -> None:
    """
    Play C{quic.addresses}.
    """
    dialer = guest(arena)
    for number in range(500):
        dialer.move()
        dialer.frames(frame(0x14, number))
    dialer.quic.send_stream_data(0, ECHO + b"moved")
    dialer.run(5, lambda: dialer.received.get(0, b"").endswith(b"moved"))
    echoed = dialer.received.get(0, b"").endswith(b"moved")
    arena.expect("a peer of 500 ports served at the last one", echoed, dialer.ended)
    dialer.close()
    seen = [_victim(arena, guest(arena)) for _ in range(3)]
    arena.expect("3 times the bytes at the most", max(seen) <= 3.3, seen)
    guest(arena).close()
    arena.saw(f"500 ports in a row; a victim got {max(seen):.1f} x the bytes")


def _victim(arena: Arena, dialer: Dialer) -> float:
    """
    Ask for 4 MiB, and have them sent to somebody who asks for nothing.

    @return: the bytes that reach him, as a multiple of those that name him.
    """
    quic = dialer.quic
    quic._local_max_data.value = quic._local_max_data.sent = 1 << 24
    quic.send_stream_data(0, ECHO + bytes(4 << 20))
    dialer.run(0.1)
    victim = dialer.bind()
    told = sealed(quic, frame(0x14, 1).ljust(PIECE, b"\0"))
    victim.sendto(told, address(arena))
    got = 0
    victim.settimeout(1.0)
    try:
        while True:
            got += len(victim.recv(65535))
    except TimeoutError:
        victim.close()
    dialer.close()
    return got / len(told)


def deaf(arena: Arena) -> None:
    """
    Play C{quic.deaf}.
    """
    dialers = [guest(arena) for _ in range(10)]
    for each in dialers:
        each.quic._local_max_data.value = each.quic._local_max_data.sent = 1 << 26
        each.quic._local_max_stream_data_bidi_local = 1 << 26
        each.quic.send_stream_data(0, ECHO + bytes(16 << 20))
        each.run(0.05)
        each.acknowledges = False
    began = time.monotonic()
    talking, silent = dialers[0], dialers[1:]
    while time.monotonic() < began + 35:
        talking.frames(b"")
        time.sleep(1)
    left = arena.target.open - 1
    arena.expect("the silent ones dropped", left <= 1, left)
    for each in silent:
        each.socket.close()
    talking.close()
    guest(arena).close()
    arena.saw("9 silent peers dropped after 30 s of silence")
