# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by the authority and the broker of AutoTLS.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import tempfile
from pathlib import Path
from threading import Thread

from tests.attacks.arena import Arena
from tests.transport.websocket.authority import Authority

__all__ = ["answers"]

#: Seconds that the node may take to give up a wrong answer; it waits five before it
#: asks.
SOON = 20.0

#: The maximum number of bytes that a server sends.
FLOOD = 256 << 20

#: The maximum number of bytes that the node may take: those of the buffers of both
#: kernels.
TAKEN = 32 << 20

_OK = b"HTTP/1.1 200 OK\r\nReplay-Nonce: n\r\n"


class _Server(Thread):
    """
    Answers one client, until it hangs up.

    @ivar sent: the number of bytes that it has sent again and again.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        first: bytes,
        again: bytes,
    ) -> None:
        super().__init__(daemon=True)
        self._listener = listener
        self._context = context
        self._first = first
        self._again = again
        self.sent = 0

    def run(self) -> None:
        """
        Serve the client.
        """
        client, _ = self._listener.accept()
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(client, True) as secure,
        ):
            secure.recv(65536)
            secure.sendall(self._first)
            while self._again and self.sent < FLOOD:
                secure.sendall(self._again)
                self.sent += len(self._again)
            secure.recv(65536)


def _wrong(elsewhere: str) -> list[tuple[str, bytes, bytes]]:
    """
    Return what the servers send: first, and again and again.

    @param elsewhere: the URL of a server that must not be asked.
    """
    names = ("newNonce", "newAccount", "newOrder")
    body = json.dumps(dict.fromkeys(names, elsewhere)).encode()
    sized = b"Content-Length: %d\r\n\r\n" % len(body)
    return [
        ("zeros", b"", bytes(65536)),
        ("an endless head", b"HTTP/1.1 200 OK\r\nA: ", b"a" * 65536),
        ("interim answers", b"", b"HTTP/1.1 102 Wait\r\n\r\n" * 4096),
        ("an endless body", _OK + b"\r\n", b"{" * 65536),
        (
            "chunks without end",
            _OK + b"Transfer-Encoding: chunked\r\n\r\n",
            b"1\r\n[\r\n" * 9999,
        ),
        ("brackets", _OK + b"Content-Length: 60000\r\n\r\n" + b"[" * 60000, b""),
        (
            "a redirect",
            b"HTTP/1.1 302 Found\r\nLocation: " + elsewhere.encode() + b"\r\n"
            b"Content-Length: 0\r\n\r\n",
            b"",
        ),
        ("URLs elsewhere", _OK + sized + body, b""),
    ]


def answers(arena: Arena) -> None:
    """
    Play C{autotls.answers}.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as canary,
    ):
        authority = Authority(Path(folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.server("127.0.0.1"))
        elsewhere = f"https://127.0.0.1:{canary.getsockname()[1]}/"
        slowest = 0.0
        wrong = _wrong(elsewhere)
        for name, first, again in wrong:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                server = _Server(listener, context, first, again)
                server.start()
                url = f"https://127.0.0.1:{listener.getsockname()[1]}/dir"
                answer = arena.target.ask(
                    "certified", url, str(authority.roots), folder
                )
            server.join(SOON)
            arena.expect(f"{name}: hung up", not server.is_alive())
            arena.expect(f"{name}: not taken", server.sent < TAKEN, server.sent)
            arena.expect(f"{name}: typed", "NoCertificate" in answer["error"], answer)
            arena.expect(f"{name}: soon", answer["seconds"] < SOON, answer)
            slowest = max(slowest, answer["seconds"])
        asked = select.select([canary], [], [], 0)[0]
        arena.expect("nobody else was asked", not asked)
        arena.saw(
            f"{len(wrong)} of {len(wrong)} given up, after {slowest:.0f} s at most"
        )
