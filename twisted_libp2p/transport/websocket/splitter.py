# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Large frames are cut into small ones before the library sees them: it keeps a frame
until it is whole, and a peer may send frames of any size.

js-libp2p 3.3.11 sends all that its TLS has sealed in one frame, which may have several
MiB.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = ["MAX_FRAME", "FrameSplitter"]

#: The maximum size of the payload of a frame that is not cut, in bytes.
MAX_FRAME: Final = 64 * 1024

_SHORT = Struct("!H")
_LONG = Struct("!Q")

# The first byte of a header: the last frame of a message; no reserved bit and an opcode
# of data, which are 0, 1 and 2.
_FIN: Final = 0x80
_LARGEST_DATA: Final = 2

_MASKED: Final = 0x80

# The first bytes of the last fragment of a message, and of a close frame.
_LAST_FRAGMENT: Final = 0x80
_CLOSE: Final = 0x88

# Sizes from here on are wrong: the first bit has to be 0.
_LIMIT: Final = 1 << 63


class FrameSplitter:
    """
    Reads the headers of frames, and makes several fragments of each large one.  It ends
    a message before a close frame.  All other bytes pass as they are, right or wrong.
    """

    __slots__ = ("_end", "_first", "_held", "_inside", "_large", "_left", "_mask")

    def __init__(self) -> None:
        # The bytes of a header that is not whole, or up to three of a payload.
        self._held = b""
        # The bytes of the payload of the present frame that are still to come.
        self._left = 0
        # Whether that frame is cut; the first byte of its next fragment, with the bit
        # of the last one; its mask.
        self._large = False
        self._first = 0
        self._mask = b""
        # Whether a message has begun that has not ended; the frame that ends it.
        self._inside = False
        self._end = b""

    def split(self, data: bytes) -> bytes:
        """
        Cut the frames in some bytes.

        @return: bytes of the same payloads, in frames of at most L{MAX_FRAME} bytes.
        """
        if self._held:
            data, self._held = self._held + data, b""
        size = len(data)
        cut: list[bytes] = []
        # What passes as it is begins here.
        passed = place = 0
        while place < size:
            if self._large:
                place = passed = self._fragment(data, place, cut)
                if self._held:
                    break
            elif self._left:
                step = min(self._left, size - place)
                self._left -= step
                place += step
            else:
                end = self._header(data, place)
                if not end:
                    self._held = data[place:]
                    size = place
                elif self._large:
                    cut.append(data[passed:place])
                    place = passed = end
                else:
                    if self._end:
                        cut += (data[passed:place], self._end)
                        passed = place
                        self._end = b""
                    place = end
        if not cut and not passed and size == len(data):
            return data
        cut.append(data[passed:size])
        return b"".join(cut)

    def _header(self, data: bytes, place: int) -> int:
        """
        Read the header of a frame.

        @return: where it ends; 0 if it is not whole.
        """
        size = len(data) - place
        if size < 2:
            return 0
        first, second = data[place], data[place + 1]
        left, end = second & 0x7F, 2
        if left == 126:
            end = 4
        elif left == 127:
            end = 10
        masks = 4 if second & _MASKED else 0
        if size < end + masks:
            return 0
        if end == 4:
            (left,) = _SHORT.unpack_from(data, place + 2)
        elif end == 10:
            (left,) = _LONG.unpack_from(data, place + 2)
        self._left = left
        if first <= _LARGEST_DATA:
            self._inside = True
        elif first == _LAST_FRAGMENT:
            self._inside = False
        elif first == _CLOSE and self._inside:
            # The library takes this for an error, although RFC 6455 allows it.
            self._inside = False
            self._end = bytes((_LAST_FRAGMENT, second & _MASKED)) + bytes(masks)
        if MAX_FRAME < left < _LIMIT and first & ~_FIN <= _LARGEST_DATA:
            self._large = True
            self._first = first
            self._mask = data[place + end : place + end + masks]
        return place + end + masks

    def _fragment(self, data: bytes, place: int, cut: list[bytes]) -> int:
        """
        Make a fragment of the next bytes of a large frame.

        @param cut: takes the fragment.
        @return: where it ends.
        """
        size = min(self._left, len(data) - place, MAX_FRAME)
        if size < self._left:
            # So that the mask begins again with each fragment.
            size &= ~3
            if not size:
                self._held = data[place:]
                return len(data)
        self._left -= size
        first = self._first if not self._left else self._first & ~_FIN
        masked = _MASKED if self._mask else 0
        if size < 126:
            header = bytes((first, masked | size))
        elif size < MAX_FRAME:
            header = bytes((first, masked | 126)) + _SHORT.pack(size)
        else:
            header = bytes((first, masked | 127)) + _LONG.pack(size)
        cut += (header, self._mask, data[place : place + size])
        # The other fragments continue the message.
        self._first &= _FIN
        self._large = self._left > 0
        return place + size
