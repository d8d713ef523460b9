# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ends of our half that are held back for a moment.

js-libp2p (3.3.11) reports the end of a stream only to the listeners that exist when
it comes.  If it comes in one read with the answer of the negotiation, the application
has no listener yet, and its C{for await} never ends.  So the end of an accepted stream
is kept apart from its first data, if its owner negotiates on it, and as long as the
peer may be js-libp2p (C{IMuxedConnection.endsApart}); but not if the messages of the
protocol show their own end
(L{ISelfDelimiting<twisted_libp2p.interfaces.ISelfDelimiting>}).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.interfaces import ISelfDelimiting
from twisted_libp2p.muxer.stream import Stream

__all__ = ["HeldEnds", "keptApart"]


def keptApart(stream: Stream) -> bool:
    """
    Decide whether the end of a stream has to be kept apart from its first data: only
    if its owner negotiates on it, and its peer may wait for the end.
    """
    return stream._scope is not None and not ISelfDelimiting.providedBy(stream.protocol)


class HeldEnds:
    """
    The streams of one session whose end is held back.
    """

    __slots__ = ("_calls", "_release")

    def __init__(self, release: Callable[[Stream], None]) -> None:
        """
        Hold nothing yet.

        @param release: sends the end of a stream.
        """
        self._release: Callable[[Stream], None] | None = release
        self._calls: dict[Stream, IDelayedCall] = {}

    def hold(self, clock: IReactorTime, seconds: float, stream: Stream) -> None:
        """
        Hold the end of a stream back for some seconds; 0 is the next turn.
        """
        self._calls[stream] = clock.callLater(seconds, self.release, stream)

    def release(self, stream: Stream) -> None:
        """
        Send the end of a stream, if it is held back.
        """
        call = self._calls.pop(stream, None)
        if call is None:
            return
        if call.active():
            call.cancel()
        if stream.writeEnding and self._release is not None:
            self._release(stream)

    def releaseAll(self) -> None:
        """
        Send all ends.
        """
        for stream in list(self._calls):
            self.release(stream)

    def stop(self) -> None:
        """
        Send none of them, since the session has ended.
        """
        self._release = None
        for call in self._calls.values():
            if call.active():
                call.cancel()
        self._calls.clear()
