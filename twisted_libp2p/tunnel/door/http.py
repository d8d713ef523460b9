# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A proxy of HTTP/1.1 (RFC 9110 and 9112): the request C{CONNECT}, and one request for a
URL that begins with C{http:}.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.tunnel.door.request import Refusal, Refused, Wanted
from twisted_libp2p.tunnel.head import Head, HeadReader, writeHead

__all__ = ["HttpRequest"]

_PLACE = re.compile(rb"([A-Za-z0-9._-]+):([0-9]{1,5})")
_URL = re.compile(rb"http://([A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[^#]*|\?[^#]*)?", re.I)

_PORT: Final = 80

# Headers for the proxy alone (RFC 9110, section 7.6.1), and headers that it replaces.
# Browsers upgrade to a WebSocket after a CONNECT.
_DROPPED: Final = frozenset(
    (
        b"connection",
        b"host",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"upgrade",
    )
)


class HttpRequest:
    """
    Reads the head of a request.

    A request for a URL is passed on, and the server is asked to close after its
    answer: the next request may be for another peer.
    """

    def __init__(self) -> None:
        self.wanted: Wanted | None = None
        self.trailing = b""
        self._reader = HeadReader()
        self._isFirst = True
        self._accepted = b"HTTP/1.1 200 Connected\r\n\r\n"

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the program.

        @return: nothing: the answer comes when the peer is connected, or not.
        @raise Refused: the request is malformed, or is not for a proxy.
        """
        if self._isFirst and not data[:1].isalpha():
            raise Refused(Refusal.MALFORMED, "neither SOCKS5 nor HTTP")
        self._isFirst = False
        try:
            head = self._reader.receive(data)
        except ProtocolViolation as error:
            raise Refused(Refusal.MALFORMED, str(error)) from None
        if head is not None:
            self._read(head)
        return b""

    def _read(self, head: Head) -> None:
        """
        Read a complete head.
        """
        method, target, version = head.request.split(b" ")
        if method == b"CONNECT":
            place = _PLACE.fullmatch(target)
            if place is None:
                raise Refused(Refusal.MALFORMED, "CONNECT needs a host and a port")
            self.wanted = _wanted(place[1], int(place[2]))
            self.trailing = head.rest
            return
        url = _URL.fullmatch(target)
        if url is None:
            raise Refused(
                Refusal.MALFORMED,
                "this is a proxy: set it as the proxy of a program, and open"
                " http://NAME.p2p/ there",
            )
        host, port, path = url.groups()
        self.wanted = _wanted(host, _PORT if port is None else int(port))
        self._accepted = b""
        self.trailing = _passedOn(method, target, path or b"/", version, head)

    def accept(self) -> bytes:
        """
        Return the answer to C{CONNECT}; nothing for a URL, which the peer answers.
        """
        return self._accepted

    def refuse(self, refused: Refused) -> bytes:
        """
        Return a complete answer, with the reason as its text.
        """
        kind, body = refused.kind, f"{refused}\n".encode()
        return (
            f"HTTP/1.1 {kind.status} {kind.phrase}\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        ).encode() + body


def _wanted(host: bytes, port: int) -> Wanted:
    """
    Make the place to reach.

    @raise Refused: there is no such port.
    """
    if not 0 < port < 1 << 16:
        raise Refused(Refusal.MALFORMED, f"{port} is not a port")
    return Wanted(host.decode(), port)


def _passedOn(
    method: bytes, url: bytes, path: bytes, version: bytes, head: Head
) -> bytes:
    """
    Return a request as its server gets it, and the bytes after its head.

    @param path: the path of the URL, or its query alone.
    """
    place = url[len(b"http://") :].partition(b"/")[0].partition(b"?")[0]
    dropped = _DROPPED | {
        each.strip().lower()
        for name, value in head.fields
        if name.lower() == b"connection"
        for each in value.split(b",")
    }
    path = path if path.startswith(b"/") else b"/" + path
    fields = [(b"Host", b" " + place), (b"Connection", b" close")]
    fields += [each for each in head.fields if each[0].lower() not in dropped]
    return writeHead(b" ".join((method, path, version)), fields) + head.rest
