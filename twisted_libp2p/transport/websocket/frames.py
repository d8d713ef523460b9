# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Frames of data, written and read without the library: it would keep each received frame
until it is whole, and copy all bytes several times.  See C{docs/internals.rst}, "Frames
of a WebSocket".

js-libp2p 3.3.11 sends all bytes that its TLS has sealed in one frame, which may have
several MiB.  See RFC 6455, section 5.
"""

from __future__ import annotations

from secrets import token_bytes
from struct import Struct
from typing import Final, NamedTuple

from websockets.frames import CloseCode

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover
    # The library was built without a compiler.
    from websockets.utils import apply_mask

__all__ = ["MAX_CONTROL", "FrameReader", "Violation", "packed"]

#: The maximum size of the payload of a frame of control, in bytes.
MAX_CONTROL: Final = 125

# The first byte of a header.
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F

# The second byte.
_MASKED: Final = 0x80
_SIZE: Final = 0x7F
_SHORT: Final = 126
_LONG: Final = 127

_CONT: Final = 0
_TEXT: Final = 1
_BINARY: Final = 2
_CLOSE: Final = 8
_PONG: Final = 10

# Sizes from here on are wrong: the first bit has to be 0.
_LIMIT: Final = 1 << 63

_SHORT_SIZE = Struct("!H")
_LONG_SIZE = Struct("!Q")
_SHORT_HEADER = Struct("!BBH")
_LONG_HEADER = Struct("!BBQ")


def packed(data: bytes | memoryview, masked: bool) -> bytes:
    """
    Make one frame, which is a whole binary message.
    """
    size = len(data)
    first, flag = _FIN | _BINARY, _MASKED if masked else 0
    if size < _SHORT:
        header = bytes((first, flag | size))
    elif size < 1 << 16:
        header = _SHORT_HEADER.pack(first, flag | _SHORT, size)
    else:
        header = _LONG_HEADER.pack(first, flag | _LONG, size)
    if not masked:
        return b"".join((header, data))
    mask = token_bytes(4)
    return b"".join((header, mask, apply_mask(data, mask)))


class Violation(NamedTuple):
    """
    How the peer has broken the protocol.

    @ivar code: the code of the close frame that answers it.
    @ivar text: the error.
    """

    code: CloseCode
    text: str


def _wrong(text: str) -> Violation:
    return Violation(CloseCode.PROTOCOL_ERROR, text)


_BAD_RESERVED = _wrong("reserved bits must be 0")
_BAD_OPCODE = _wrong("invalid opcode")
_BAD_MASKING = _wrong("incorrect masking")
_BAD_CONTROL = _wrong("control frame too long")
_BAD_FRAGMENT = _wrong("fragmented control frame")
_BAD_BEGIN = _wrong("expected a continuation frame")
_BAD_CONTINUATION = _wrong("unexpected continuation frame")
_BAD_SIZE = Violation(CloseCode.MESSAGE_TOO_BIG, "a frame of an impossible size")
_BAD_TEXT = Violation(
    CloseCode.UNSUPPORTED_DATA,
    "a text message, although only binary ones are allowed",
)


class FrameReader:
    """
    Reads frames.  The payloads of data are returned as they come, however large their
    frame is.  Frames of control are collected for the library.

    @ivar control: whole frames of control that nobody has taken yet.
    @ivar empty: the number of frames of data without any, which nobody has counted yet.
    @ivar violation: how the peer has broken the protocol; None if it has not.
    """

    __slots__ = (
        "_ended",
        "_held",
        "_inMessage",
        "_left",
        "_mask",
        "_masked",
        "control",
        "empty",
        "violation",
    )

    def __init__(self, masked: bool) -> None:
        """
        @param masked: whether the peer masks its frames, as clients do.
        """
        self._masked = masked
        # The begin of a frame whose header, or whose control, is not whole.
        self._held = b""
        # The bytes of the payload of the present frame that are still to come, and its
        # mask, which begins with the next byte.
        self._left = 0
        self._mask = b""
        self._inMessage = False
        # After a close frame, or a violation.
        self._ended = False
        self.control: list[bytes] = []
        self.empty = 0
        self.violation: Violation | None = None

    def read(self, data: bytes) -> list[bytes]:
        """
        Read the next bytes.

        @return: the payloads of data in them.
        """
        if self._held:
            data, self._held = self._held + data, b""
        payloads: list[bytes] = []
        place, size = 0, len(data)
        while place < size and not self._ended:
            if not self._left:
                place = self._frame(data, place)
                continue
            step = min(self._left, size - place)
            self._left -= step
            end = place + step
            mask = self._mask
            if mask:
                payloads.append(apply_mask(memoryview(data)[place:end], mask))
                turn = step & 3
                if turn:
                    self._mask = mask[turn:] + mask[:turn]
            else:
                payloads.append(data if step == size else data[place:end])
            place = end
        return payloads

    def _frame(self, data: bytes, place: int) -> int:
        """
        Read the begin of a frame: its header, or all of it if it is one of control.

        @return: where that ends; the end of the data if it is not whole.
        """
        size = len(data)
        if size < place + 2:
            return self._hold(data, place)
        first, second = data[place], data[place + 1]
        left, end = second & _SIZE, place + 2
        if left == _SHORT:
            end += 2
        elif left == _LONG:
            end += 8
        if self._masked is not bool(second & _MASKED):
            return self._fail(_BAD_MASKING, size)
        if self._masked:
            end += 4
        if size < end:
            return self._hold(data, place)
        if left == _SHORT:
            (left,) = _SHORT_SIZE.unpack_from(data, place + 2)
        elif left == _LONG:
            (left,) = _LONG_SIZE.unpack_from(data, place + 2)
        fault = self._fault(first, left)
        if fault is not None:
            return self._fail(fault, size)
        if first & _OPCODE >= _CLOSE:
            return self._controlFrame(data, place, end + left)
        self._inMessage = not first & _FIN
        self._left = left
        self._mask = data[end - 4 : end] if self._masked else b""
        if not left:
            self.empty += 1
        return end

    def _fault(self, first: int, size: int) -> Violation | None:
        """
        Judge the header of a frame.
        """
        opcode = first & _OPCODE
        if first & _RESERVED:
            return _BAD_RESERVED
        if opcode > _PONG or _BINARY < opcode < _CLOSE:
            return _BAD_OPCODE
        if opcode >= _CLOSE:
            if size > MAX_CONTROL:
                return _BAD_CONTROL
            if not first & _FIN:
                return _BAD_FRAGMENT
            return None
        if size >= _LIMIT:
            return _BAD_SIZE
        if opcode == _CONT:
            return None if self._inMessage else _BAD_CONTINUATION
        if self._inMessage:
            return _BAD_BEGIN
        return _BAD_TEXT if opcode == _TEXT else None

    def _controlFrame(self, data: bytes, place: int, end: int) -> int:
        """
        Collect a frame of control.

        @return: where it ends; the end of the data if it is not whole.
        """
        if len(data) < end:
            return self._hold(data, place)
        self.control.append(data[place:end])
        self._ended = data[place] & _OPCODE == _CLOSE
        return end

    def _hold(self, data: bytes, place: int) -> int:
        """
        Keep the begin of a frame until more has come.
        """
        self._held = data[place:]
        return len(data)

    def _fail(self, violation: Violation, end: int) -> int:
        """
        Read nothing more.
        """
        self.violation = violation
        self._ended = True
        return end
