# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by WebSocket.
"""

from __future__ import annotations

import time

from tests.attacks.arena import Arena
from tests.attacks.raw.pipe import TCP, Ended, connect, watch

__all__ = ["frames", "heads", "sharedPort"]

_HEAD = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)

#: Seconds that an upgrade may last, and a refusal of bytes that are wrong.
DEADLINE = 10.0
AT_ONCE = 2.0

#: Seconds that the first bytes may last at a port of several transports.
FIRST_BYTES = 5.0


def _sent(pipe: TCP, data: bytes, times: int = 1) -> None:
    """
    Send bytes many times, or until the node hangs up.
    """
    try:
        for _ in range(times):
            pipe.send(data)
    except Ended:
        pass


def heads(arena: Arena) -> None:
    """
    Play C{transport.websocket_heads}.
    """
    slow = [connect(arena.address) for _ in range(100)]
    began = time.monotonic()
    wrong = {
        "no upgrade": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b" 426 "),
        "no Host": (_HEAD.replace(b"Host: a\r\n", b"") + b"\r\n", b" 400 "),
        "a wrong Host": (_HEAD.replace(b"Host: a", b"Host: a/b") + b"\r\n", b" 400 "),
        "two Hosts": (_HEAD + b"Host: b\r\n\r\n", b" 400 "),
        "a body": (_HEAD + b"Content-Length: 9\r\n\r\n", b" 400 "),
        "no HTTP": (b"\x13/multistream/1.0.0\n", b""),
        "TLS": (b"\x16\x03\x01\x02\x00", b""),
    }
    for name, (data, status) in wrong.items():
        pipe = connect(arena.address)
        pipe.send(data)
        fate = watch([pipe], AT_ONCE)[0]
        arena.expect(f"{name} ended", fate.ended)
        arena.expect(f"{name} answered", status in fate.said, fate.said[:40])
    endless = connect(arena.address)
    _sent(endless, _HEAD + b"A: ")
    _sent(endless, b"b" * 65536, 1 << 14)
    arena.expect("a header of 1 GiB ended", watch([endless], AT_ONCE)[0].ended)
    for turn in range(int(DEADLINE) + 2):
        for pipe in slow:
            _sent(pipe, _HEAD[turn : turn + 1])
        time.sleep(max(0.0, began + turn + 1 - time.monotonic()))
    fates = watch(slow, 3)
    held = [each for each in fates if not each.ended]
    arena.expect("every slow head ended", not held, f"{len(held)} of 100 open")
    arena.saw(f"{len(wrong)} of {len(wrong)} refused, 1 GiB cut off, slow heads ended")


def _opened(arena: Arena) -> TCP:
    """
    Open a WebSocket.
    """
    pipe = connect(arena.address)
    pipe.send(_HEAD + b"\r\n")
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += pipe.more()
    return pipe


def frames(arena: Arena) -> None:
    """
    Play C{transport.websocket_frames}.
    """
    mask = b"\0\0\0\0"
    wrong = {
        "a flood of pings": (b"\x89\x80" + mask) * 1000,
        "empty fragments": (b"\x02\x80" + mask) + (b"\x00\x80" + mask) * 1000,
        "pongs": (b"\x8a\x80" + mask) * 1000,
        "no mask": b"\x82\x01a",
        "text": b"\x81\x81" + mask + b"a",
        "a reserved bit": b"\xc2\x81" + mask + b"a",
        "an unknown opcode": b"\x83\x81" + mask + b"a",
        "a size of 2^64": b"\x82\xff" + b"\xff" * 8 + mask,
        "a second request": _HEAD + b"\r\n",
        "a storm of closes": (b"\x88\x80" + mask) * 10_000,
        "10,000 tiny fragments of garbage": b"\x02\x81" + mask + b"\xff"
        + (b"\x00\x81" + mask + b"\xff") * 10_000,
        "a frame of 1 TiB of garbage": b"\x82\xff" + (1 << 40).to_bytes(8, "big")
        + mask + b"\xff" * 100_000,
    }  # fmt: skip
    for name, data in wrong.items():
        pipe = _opened(arena)
        _sent(pipe, data)
        arena.expect(f"{name} ended", watch([pipe], AT_ONCE)[0].ended)
    unread = _opened(arena)
    _sent(unread, (b"\x89\xfd" + mask + bytes(125)) * 100, 100)
    arena.expect("unread pongs ended", watch([unread], AT_ONCE)[0].ended)
    arena.saw(f"{len(wrong) + 1} of {len(wrong) + 1} ended")


def sharedPort(arena: Arena) -> None:
    """
    Play C{transport.shared_port}.
    """
    silent = [connect(arena.address) for _ in range(200)]
    slow = [connect(arena.address) for _ in range(50)]
    for number, pipe in enumerate(slow):
        pipe.send(b"\x13" if number % 2 else b"G")
    wrong = {
        "TLS": b"\x16\x03\x01\x02\x00",
        "zeros": bytes(1000),
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "PROXY": b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n\r\n",
        "PROXY 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    }
    for name, data in wrong.items():
        pipe = connect(arena.address)
        pipe.send(data)
        arena.expect(f"{name} ended", watch([pipe], AT_ONCE)[0].ended)
    arena.newcomer()
    fates = watch(silent, FIRST_BYTES + 3)
    held = [each for each in fates if not each.ended]
    arena.expect("every silent socket closed", not held, f"{len(held)} of 200 open")
    late = watch(slow, DEADLINE + 3)
    held = [each for each in late if not each.ended]
    arena.expect("every slow socket closed", not held, f"{len(held)} of 50 open")
    times = [each.seconds for each in fates if each.ended]
    arena.saw(
        f"{len(wrong)} of {len(wrong)} refused, silent sockets closed after"
        f" {min(times, default=0):.1f} to {max(times, default=0):.1f} s"
    )
