# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of a handshake, each after its length.
"""

from __future__ import annotations

from struct import Struct

__all__ = ["MessageBuffer"]


class MessageBuffer:
    """
    Cuts a stream of bytes into messages.

    It holds the last fed bytes and at most one incomplete message: the caller refuses a
    length that it does not accept as soon as it is known.
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
        The length of the next message, in bytes; None while it is incomplete.
        """
        if len(self._data) < self._prefix.size:
            return None
        length: int = self._prefix.unpack_from(self._data)[0]
        return length

    def take(self) -> bytes | None:
        """
        Take out the next message.

        @return: None while it is incomplete.
        """
        length = self.length
        if length is None:
            return None
        start = self._prefix.size
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
