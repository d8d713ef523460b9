# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The head of a request of HTTP/1.1: its first line, and its headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from twisted_libp2p.errors import ProtocolViolation

__all__ = ["MAX_HEAD", "Head", "HeadReader", "writeHead"]

#: Maximum size of the head of a request, in bytes.
MAX_HEAD: Final = 16 * 1024

_REQUEST = re.compile(rb"[!-~]+ [^\0-\x20\x7f]+ HTTP/1\.[01]")

# To some servers a line also ends at one of the characters that are no part of a value
# here, and another header follows.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")

#: The name of a header, and its value with the white space around it.
Field = tuple[bytes, bytes]


class Head(NamedTuple):
    """
    A complete head.

    @ivar request: the line of the request: method, target, version.
    @ivar fields: the headers.
    @ivar rest: the bytes after the head.
    """

    request: bytes
    fields: list[Field]
    rest: bytes


class HeadReader:
    """
    Collects a head of at most L{MAX_HEAD} bytes.
    """

    def __init__(self) -> None:
        self._buffer = b""

    def receive(self, data: bytes) -> Head | None:
        """
        Take in bytes.

        @return: the head; None before its end.
        @raise ProtocolViolation: it is too long, or malformed.
        """
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD:
            raise ProtocolViolation("HTTP", f"the head has over {MAX_HEAD} bytes")
        if not end:
            return None
        self._buffer = b""
        request, *lines = head.split(b"\r\n")
        # A server skips an empty line, and gives no headers to a request without a
        # version.
        if not _REQUEST.fullmatch(request):
            raise ProtocolViolation("HTTP", "a malformed request")
        fields = []
        for line in lines:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise ProtocolViolation("HTTP", "a malformed header")
            fields.append((field[1], field[2]))
        return Head(request, fields, rest)


def writeHead(request: bytes, fields: Iterable[Field]) -> bytes:
    """
    Return the bytes of a head.
    """
    lines = [name + b":" + value for name, value in fields]
    return b"\r\n".join([request, *lines, b"", b""])
