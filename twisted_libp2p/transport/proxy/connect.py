# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The client of an HTTP proxy: the method CONNECT (RFC 9110, section 9.3.6).
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from twisted_libp2p.errors import ProxyFailed, ProxyRefused
from twisted_libp2p.transport.proxy.opening import Credentials

__all__ = ["MAX_HEAD", "ConnectOpening"]

#: The maximum size of the head of an answer in bytes, with those that precede it.
MAX_HEAD = 8 * 1024

_END: Final = b"\r\n\r\n"

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r\n")

# The status of a proxy that wants to know its user.
_AUTHENTICATION_REQUIRED: Final = 407


class ConnectOpening:
    """
    Asks an HTTP proxy for a connection.

    @ivar opened: whether the proxy has connected us.
    @ivar trailing: the bytes of the peer that came with the proxy's last answer.
    """

    def __init__(
        self, host: str, port: int, credentials: Credentials | None = None
    ) -> None:
        """
        @param host: the host to connect with; a name is resolved by the proxy.
        @param credentials: ours, sent as Basic authentication (RFC 7617).
        @raise ProxyFailed: the name cannot be a part of a request.
        """
        self.opened = False
        self.trailing = b""
        self._buffer = b""
        # The number of bytes that heads may still have.
        self._room = MAX_HEAD
        host = _ascii(host)
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if credentials is not None:
            login = b64encode(":".join(credentials).encode()).decode()
            self._lines.append(f"Proxy-Authorization: Basic {login}")
        self._named = credentials is not None

    def start(self) -> bytes:
        """
        Return the request.
        """
        return "\r\n".join([*self._lines, "", ""]).encode()

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the proxy.

        @return: nothing: there is one request.
        @raise ProxyRefused: the proxy does not connect us with the peer.
        @raise ProxyFailed: the proxy does not let us in, or speaks another protocol.
        """
        self._buffer += data
        # Interim answers (1xx) may precede the answer.
        while not self.opened:
            end = self._buffer.find(_END, 0, self._room) + len(_END)
            if end < len(_END):
                self._check()
                return b""
            head, self._buffer = self._buffer[:end], self._buffer[end:]
            self._room -= end
            self._read(head)
        self.trailing, self._buffer = self.trailing + self._buffer, b""
        return b""

    def _check(self) -> None:
        """
        Give up early on a server of another protocol, or one that never ends.
        """
        if not b"HTTP/1.".startswith(self._buffer[:7]):
            raise ProxyFailed("it does not speak HTTP/1.1")
        if len(self._buffer) >= self._room:
            raise ProxyFailed(f"the head of its answer has over {MAX_HEAD} bytes")

    def _read(self, head: bytes) -> None:
        """
        Read the head of an answer.
        """
        status = _STATUS.match(head)
        if status is None:
            raise ProxyFailed("it does not speak HTTP/1.1")
        code = int(status[1])
        if 200 <= code < 300:
            self.opened = True
        elif code == _AUTHENTICATION_REQUIRED:
            raise ProxyFailed(
                "it refuses our user or password"
                if self._named
                else "it needs a user and a password: http://USER:PASSWORD@HOST:PORT"
            )
        elif not 100 <= code < 200:
            reason = (status[2] or b"").decode("utf-8", "replace").strip()
            raise ProxyRefused(code, f"status {code} {reason}".rstrip())


def _ascii(host: str) -> str:
    """
    Write a host as a request has it.

    @raise ProxyFailed: it cannot be a part of one.
    """
    try:
        text = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        text = ""
    if not text or not text.isprintable() or " " in text:
        raise ProxyFailed(f"{host!r} is not the name of a host")
    return text
