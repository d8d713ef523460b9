# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The frames of yamux, without I/O: packing, and cutting the received bytes.

A frame is a header of 12 bytes, and a body if it is a Data frame.  See
hashicorp/yamux, spec.md, and libp2p/specs, yamux/README.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Protocol

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.muxer.reader import Reader

__all__ = [
    "ACK",
    "DATA",
    "FIN",
    "GO_AWAY",
    "HEADER_SIZE",
    "PING",
    "PROTOCOL_ID",
    "RST",
    "SYN",
    "WINDOW_UPDATE",
    "FrameHandler",
    "FrameReader",
    "GoAwayCode",
    "pack",
]

PROTOCOL_ID = "/yamux/1.0.0"

VERSION = 0

# The version and the type are one number here: the type, as our version is 0.
_HEADER = Struct("!HHII")

HEADER_SIZE = _HEADER.size


# The types are plain numbers, since they are compared for every frame; and so are
# the flags.

#: The length of the frame is that of its body.
DATA = 0
#: The length is added to the window; with L{RST} it is a code.
WINDOW_UPDATE = 1
#: The length is any value, which the answer repeats.
PING = 2
#: The length is a L{GoAwayCode}.
GO_AWAY = 3

#: A Data or WindowUpdate frame that opens its stream; or a ping.
SYN = 1
#: One that acknowledges it; or the answer to a ping.
ACK = 2
#: One that ends the half of its sender.
FIN = 4
#: One that resets the stream.
RST = 8


class GoAwayCode(IntEnum):
    """
    Why a session ends.  libp2p puts an
    L{ErrorCode<twisted_libp2p.errors.ErrorCode>} here as well.
    """

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


_ALL_FLAGS = SYN | ACK | FIN | RST


def pack(kind: int, flags: int, streamID: int, length: int) -> bytes:
    """
    Pack a header.

    @param kind: L{DATA}, L{WINDOW_UPDATE}, L{PING} or L{GO_AWAY}.
    @param flags: any of L{SYN}, L{ACK}, L{FIN} and L{RST}.
    @param streamID: 0 for a ping or go-away.
    @param length: its meaning depends on the kind.
    """
    return _HEADER.pack(kind, flags, streamID, length)


class FrameHandler(Protocol):
    """
    The receiver of the frames that a L{FrameReader} finds.
    """

    def headerReceived(self, kind: int, flags: int, streamID: int, length: int) -> None:
        """
        Act on a header: of a valid type, with no unknown flag, and with a stream id
        where it belongs.

        @raise ProtocolViolation: it is not acceptable.
        """

    def bodyReceived(self, data: bytes, last: bool) -> None:
        """
        Act on a part of the body that the last header has announced.

        @param last: whether the body ends with it.
        """


class FrameReader(Reader[FrameHandler]):
    """
    Cuts received bytes into headers and parts of bodies; of an incomplete header at
    most 11 bytes are stored.
    """

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """
        Cut received bytes.

        @raise ProtocolViolation: it is not yamux, or the handler said so.
        """
        handler = self._handler
        header, body = handler.headerReceived, handler.bodyReceived
        offset = 0
        end = len(data)
        left = self._left
        partial = self._partial
        while not self._stopped:
            if left:
                size = end - offset
                if not size:
                    break
                if size < left:
                    self._left = left = left - size
                    body(data[offset:], False)
                    return
                part = data[offset : offset + left]
                offset += left
                self._left = left = 0
                body(part, True)
                continue
            if partial:
                # Only a header is ever kept, so only a header is ever joined.
                offset = HEADER_SIZE - len(partial)
                partial += data[:offset]
                if len(partial) < HEADER_SIZE:
                    self._partial = partial
                    return
                fields = _HEADER.unpack(partial)
                self._partial = partial = b""
            elif end - offset < HEADER_SIZE:
                self._partial = data[offset:]
                break
            else:
                fields = _HEADER.unpack_from(data, offset)
                offset += HEADER_SIZE
            kind, flags, streamID, length = fields
            if (
                kind > GO_AWAY
                or flags > _ALL_FLAGS
                or (kind > WINDOW_UPDATE) is (streamID > 0)
            ):
                raise _refusal(kind >> 8, kind & 0xFF, flags, streamID)
            header(kind, flags, streamID, length)
            if kind == DATA:
                left = length
        self._left = left


def _refusal(version: int, kind: int, flags: int, streamID: int) -> ProtocolViolation:
    """
    Return the error of a header.
    """
    if version != VERSION:
        message = f"version {version} is unknown"
    elif flags > _ALL_FLAGS:
        message = f"flags {flags:#x} are unknown"
    elif kind > GO_AWAY:
        message = f"frame type {kind} is unknown"
    elif streamID:
        message = f"a ping or go-away names stream {streamID}"
    else:
        message = "stream 0 cannot carry data"
    return ProtocolViolation(PROTOCOL_ID, message)
