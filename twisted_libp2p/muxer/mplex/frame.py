# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The frames of mplex, without I/O: packing, and cutting the received bytes.

A frame is a varint of stream id and flag, a varint of the body's size, and the
body.  See libp2p/specs, mplex/README.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.muxer.reader import Reader
from twisted_libp2p.wire import varint

__all__ = [
    "MAX_MESSAGE",
    "PROTOCOL_ID",
    "Flag",
    "FrameHandler",
    "FrameReader",
    "pack",
]

PROTOCOL_ID = "/mplex/6.7.0"

#: The largest body, in bytes.
MAX_MESSAGE = 1024 * 1024

_FLAG_BITS = 3
_FLAG_MASK = (1 << _FLAG_BITS) - 1


class Flag(IntEnum):
    """
    The kind of a frame.  The side that opened the stream decides between two of them.
    """

    NEW_STREAM = 0
    MESSAGE_RECEIVER = 1
    MESSAGE_INITIATOR = 2
    CLOSE_RECEIVER = 3
    CLOSE_INITIATOR = 4
    RESET_RECEIVER = 5
    RESET_INITIATOR = 6


def pack(flag: int, streamID: int, size: int) -> bytes:
    """
    Pack the header of a frame.

    @param flag: a L{Flag}.
    @param size: the size of the body, in bytes.
    """
    return varint.encode(streamID << _FLAG_BITS | flag) + varint.encode(size)


class FrameHandler(Protocol):
    """
    The receiver of the frames that a L{FrameReader} finds.
    """

    def headerReceived(self, flag: int, streamID: int, size: int) -> None:
        """
        Act on the header of a body of a valid size.

        @raise ProtocolViolation: it is not acceptable.
        """

    def bodyReceived(self, data: bytes) -> None:
        """
        Act on a part of the body that the last header has announced.
        """


class FrameReader(Reader[FrameHandler]):
    """
    Cuts received bytes into headers and parts of bodies; of an incomplete header less
    than two varints are stored.
    """

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """
        Cut received bytes.

        @raise ProtocolViolation: it is not mplex, or the handler said so.
        """
        if self._partial:
            data, self._partial = self._partial + data, b""
        handler = self._handler
        offset = 0
        end = len(data)
        left = self._left
        while offset < end and not self._stopped:
            if left:
                part = data[offset : offset + left]
                offset += len(part)
                self._left = left = left - len(part)
                handler.bodyReceived(part)
                continue
            header = self._header(data, offset)
            if header is None:
                self._partial = data[offset:]
                break
            tag, left, offset = header
            self._left = left
            handler.headerReceived(tag & _FLAG_MASK, tag >> _FLAG_BITS, left)

    def _header(self, data: bytes, offset: int) -> tuple[int, int, int] | None:
        """
        Return the tag, the size of the body, and the offset after both; None if they
        are not complete yet.
        """
        try:
            tag = varint.decode(data, offset)
            size = varint.decode(data, tag[1]) if tag is not None else None
        except InvalidInput as error:
            raise ProtocolViolation(PROTOCOL_ID, str(error)) from None
        if tag is None or size is None:
            return None
        length, behind = size
        if length > MAX_MESSAGE:
            raise ProtocolViolation(
                PROTOCOL_ID, f"a message of {length} bytes exceeds {MAX_MESSAGE}"
            )
        return tag[0], length, behind
