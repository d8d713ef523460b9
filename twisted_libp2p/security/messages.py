# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of a handshake, each after its length.
"""

from __future__ import annotations

from struct import Struct

from twisted_libp2p.errors import InvalidInput

__all__ = ["MessageBuffer"]


class MessageBuffer:
    """
    Cuts a stream of bytes into messages.

    It holds the last fed bytes and at most one incomplete message.
    """

    __slots__ = ("_data", "_prefix")

    def __init__(self, prefix: Struct) -> None:
        """
        @param prefix: the format of the length of a message.
        """
        self._prefix = prefix
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """
        Add received bytes.
        """
        self._data += data

    @property
    def length(self) -> int | None:
        """
        The size of the next message, in bytes; None before it is known.
        """
        if len(self._data) < self._prefix.size:
            return None
        length: int = self._prefix.unpack_from(self._data)[0]
        return length

    def take(self, minimum: int, maximum: int) -> bytes | None:
        """
        Take out the next message.

        @param minimum: the minimum size, in bytes.
        @param maximum: the maximum size, in bytes.
        @return: None while it is incomplete.
        @raise InvalidInput: it has another size; this is raised before any byte of the
            message has arrived.
        """
        length = self.length
        if length is None:
            return None
        start = self._prefix.size
        if not minimum <= length <= maximum:
            raise InvalidInput(f"it has {length} bytes")
        end = start + length
        if len(self._data) < end:
            return None
        message = bytes(self._data[start:end])
        del self._data[:end]
        return message

    def rest(self) -> bytes:
        """
        Return the bytes after the last message.
        """
        return bytes(self._data)
