# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The first message of a client, held until it is whole.

A connection of OpenSSL takes 45 KiB from the first byte that it is given, and
would hold a first message of 128 KiB twice.  A stranger who connects and says
little, or nothing, is not worth that: so OpenSSL is not asked before there is
something that it can answer.  See RFC 8446, sections 4 and 5.1.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from twisted_libp2p.errors import InvalidInput

__all__ = ["MAX_HELLO", "Hello"]

#: The size of the largest first message of a client that is accepted, in bytes, with
#: the headers of its records.  Honest ones have less than 2 KiB, the share of a
#: hybrid key exchange included.
MAX_HELLO: Final = 8 * 1024

# A record: its type, the two bytes of its version, the length of its content.
_HEADER: Final = Struct(">BBxH")
_HANDSHAKE: Final = 22
_VERSION: Final = 3

# A message: its type, and three bytes for the length of its content.
_PREFIX_SIZE: Final = 4
_CLIENT_HELLO: Final = 1


class Hello:
    """
    Collects records until they hold a whole ClientHello.
    """

    __slots__ = ("_data", "_next", "_prefix", "_received")

    def __init__(self) -> None:
        self._data = bytearray()
        # Where the next record begins; how much of the message is in those before
        # it, and the first bytes of that.
        self._next = 0
        self._received = 0
        self._prefix = b""

    def feed(self, data: bytes) -> bytes | None:
        """
        Take in bytes of the client.

        @return: all bytes so far, once they hold the whole message.
        @raise InvalidInput: they do not begin with a ClientHello, or with one
            that is too long; this is known as soon as its length is.
        """
        held = self._data
        if len(held) + len(data) > MAX_HELLO:
            raise InvalidInput(f"more than {MAX_HELLO} bytes, and no answer awaited")
        held += data
        while len(held) >= self._next + _HEADER.size:
            start = self._next + _HEADER.size
            type, version, length = _HEADER.unpack_from(held, self._next)
            if type != _HANDSHAKE or version != _VERSION or not length:
                raise InvalidInput("no record of a TLS handshake")
            end = start + length
            if end > MAX_HELLO:
                raise InvalidInput(f"a record of {length} bytes")
            if end > len(held):
                break
            self._next = end
            self._received += length
            prefix = self._prefix
            if len(prefix) < _PREFIX_SIZE:
                prefix += held[start : min(end, start + _PREFIX_SIZE - len(prefix))]
                self._prefix = prefix
            if prefix[0] != _CLIENT_HELLO:
                raise InvalidInput(f"a handshake message of the type {prefix[0]}")
            if len(prefix) == _PREFIX_SIZE:
                size = _PREFIX_SIZE + int.from_bytes(prefix[1:], "big")
                if size > MAX_HELLO:
                    raise InvalidInput(f"a ClientHello of {size} bytes")
                if self._received >= size:
                    return bytes(held)
        return None
