# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams of a QUIC session: those of the muxers, whose unread bytes stay in the
backend, and whose number may come late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_libp2p.interfaces import Direction
from twisted_libp2p.muxer.stream import Stream

if TYPE_CHECKING:
    from twisted_libp2p.quic.session import QuicSession

__all__ = ["ROOM", "QuicStream"]

#: A send window that is never used up: the backend says how much it takes.
ROOM = 1 << 62


class QuicStream(Stream):
    """
    One stream.

    @ivar readable: whether the backend has something that was not read.
    @ivar stopped: whether the peer reads no longer, so that written bytes are dropped.
    @ivar taken: how many bytes were read from the backend.
    @ivar held: how many bytes it may keep unread, if its application has paused it.
    """

    __slots__ = ("held", "readable", "stopped", "taken")

    session: QuicSession

    def __init__(self, session: QuicSession, number: int, direction: Direction) -> None:
        """
        @param number: its number; negative as long as the peer allows no such stream.
        """
        super().__init__(session, number, direction, ROOM, None, 0)
        self.readable = self.stopped = False
        self.taken = self.held = 0

    def numbered(self, number: int) -> None:
        """
        Set the number: the peer allows the stream now.
        """
        self._streamID = number

    def resumeProducing(self) -> None:
        """
        Deliver again, beginning with the bytes that came in the meantime.
        """
        if self._paused and self.readable:
            self.session.turns.notify(self)
        super().resumeProducing()

    def deliverPending(self) -> None:
        """
        Notify the application of all events that it does not know, and read on.
        """
        super().deliverPending()
        if self.readable and self.reads:
            self.session.pull(self)

    @property
    def reads(self) -> bool:
        """
        Whether the application wants bytes.
        """
        return self.negotiating or not (self._paused or self._received)

    def putBack(self, pieces: list[bytes | memoryview], taken: int) -> None:
        """
        Take back bytes that the backend has not taken.

        @param pieces: the bytes that were offered.
        @param taken: how many of them were taken.
        """
        rest = [bytes(each) for each in self._after(pieces, taken)]
        kept = self._pieces or ()
        if self._offset and kept:
            first, *others = kept
            kept = [first[self._offset :], *others]
            self._offset = 0
        self._pieces = [*rest, *kept]
        self.unsentSize += sum(map(len, rest))

    @staticmethod
    def _after(
        pieces: list[bytes | memoryview], taken: int
    ) -> list[bytes | memoryview]:
        """
        Return pieces without their first bytes.
        """
        for index, piece in enumerate(pieces):
            if taken < len(piece):
                first = piece[taken:] if taken else piece
                return [first, *pieces[index + 1 :]]
            taken -= len(piece)
        return []
