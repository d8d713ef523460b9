# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Messages that are each preceded by their length as a varint.

This is how identify, plaintext, multistream-select and most protocols on top
of libp2p delimit their messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.wire import varint

__all__ = ["FrameBuffer", "delimit"]


def delimit(message: bytes) -> bytes:
    """
    Put the length of a message in front of it.
    """
    return varint.encode(len(message)) + message


class FrameBuffer:
    """
    Cuts a stream of bytes into messages: feed it, then iterate.

    Iteration removes and returns the complete messages.  It may be stopped after any
    message, and continues there; so a protocol that has ended can pass on the bytes
    after its last message: L{trailingData}.

    The buffer holds at most one message of the largest size and the bytes that were
    fed since the last iteration.
    """

    __slots__ = ("_data", "_limit", "_offset")

    def __init__(self, limit: int) -> None:
        """
        Begin with an empty buffer.

        @param limit: the size of the largest message to accept, in bytes
            without its length.
        """
        self._limit = limit
        self._data = bytearray()
        self._offset = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """
        Add bytes that were received.
        """
        del self._data[: self._offset]
        self._offset = 0
        self._data += data

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """
        Remove and return the next message.

        @raise StopIteration: it is not complete yet.
        @raise InvalidInput: its length is malformed or over the limit; this is raised
            before any byte of the message has arrived.
        """
        prefix = varint.decode(self._data, self._offset)
        if prefix is None:
            raise StopIteration
        length, start = prefix
        if length > self._limit:
            raise InvalidInput(
                f"a message of {length} bytes is over the limit of {self._limit}"
            )
        end = start + length
        if end > len(self._data):
            raise StopIteration
        with memoryview(self._data) as view:
            message = bytes(view[start:end])
        self._offset = end
        return message

    @property
    def trailingData(self) -> bytes:
        """
        The bytes after the last message that was returned.
        """
        return bytes(self._data[self._offset :])
