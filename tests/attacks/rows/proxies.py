# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by the proxy through which a node dials.
"""

from __future__ import annotations

import contextlib
import socket
from threading import Thread

from tests.attacks.arena import Arena

__all__ = ["answers"]

#: Seconds that the node may take to give up a wrong answer.
AT_ONCE = 5.0

#: The maximum number of bytes that the proxy sends.
FLOOD = 256 << 20

_BLOCK = bytes(65536)
_TARGET = "/ip4/192.0.2.1/tcp/4001"

#: For each kind of proxy: what it sends first, and what it sends again and again.
_WRONG = (
    ("socks5", "zeros", b"", _BLOCK),
    ("socks5", "SOCKS4", b"\0\x5a" + bytes(6), b""),
    ("socks5", "a choice without offer", b"\5\2", b""),
    ("socks5", "a refusal and a flood", b"\5\0\5\5", _BLOCK),
    ("socks5", "an unknown type of address", b"\5\0\5\0\0\x09", _BLOCK),
    ("socks5", "a connection to zeros", b"\5\0\5\0\0\1" + bytes(6), _BLOCK),
    ("http", "zeros", b"", _BLOCK),
    ("http", "an endless head", b"HTTP/1.1 200 OK\r\nA: ", b"a" * 65536),
    ("http", "interim answers", b"", b"HTTP/1.1 102 Wait\r\n\r\n" * 4096),
    ("http", "a refusal and a flood", b"HTTP/1.1 403 No\r\n\r\n", _BLOCK),
    ("http", "a connection to zeros", b"HTTP/1.1 200 OK\r\n\r\n", _BLOCK),
)


def _play(listener: socket.socket, first: bytes, again: bytes) -> None:
    """
    Answer one client, until it hangs up.
    """
    client, _ = listener.accept()
    with client, contextlib.suppress(OSError):
        client.recv(65536)
        client.sendall(first)
        sent = 0
        while again and sent < FLOOD:
            client.sendall(again)
            sent += len(again)
        client.recv(65536)


def answers(arena: Arena) -> None:
    """
    Play C{transport.proxy_answers}.
    """
    slowest = 0.0
    for kind, name, first, again in _WRONG:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            playing = Thread(target=_play, args=(listener, first, again), daemon=True)
            playing.start()
            url = f"{kind}://127.0.0.1:{listener.getsockname()[1]}"
            answer = arena.target.ask("proxied", url, _TARGET)
        arena.expect(f"{kind}, {name}: failed", not answer["ok"], answer)
        arena.expect(f"{kind}, {name}: typed", "DialFailed" in answer["error"], answer)
        arena.expect(f"{kind}, {name}: soon", answer["seconds"] < AT_ONCE, answer)
        slowest = max(slowest, answer["seconds"])
    arena.saw(f"{len(_WRONG)} of {len(_WRONG)} given up, after {slowest:.1f} s at most")
