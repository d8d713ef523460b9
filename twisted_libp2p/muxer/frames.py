# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The part of a session that each muxer brings: its frames.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted_libp2p.muxer.stream import Stream

__all__ = ["FIRST_DATA", "MAX_BODY", "Frames"]

#: The most bytes of a stream in one frame.  With the headers of each layer it fits a
#: Noise message, one read of Twisted's, which takes 64 KiB, and one segment of
#: the loopback device, which takes 65483 bytes.
MAX_BODY = 65280

#: Note, in C{Stream.announce}, that no data of an accepted stream has left yet.
FIRST_DATA = 1 << 16


class Frames:
    """
    The methods that a muxer adds to a
    L{MuxerSession<twisted_libp2p.muxer.session.MuxerSession>}.

    @cvar protocolID: the muxer's name on the wire, for errors.
    @cvar outboundOption: the option that bounds the streams of our side, for errors.
    @cvar apart: the seconds by which the end of an accepted stream follows its first
        data, if the application has closed it by then; 0 is the next turn.
    @ivar exhausted: whether our side can never open another stream, although the
        session goes on.
    @ivar keepsAlive: whether the session notices by itself that the peer is dead.
    @ivar roundTrip: the usual round trip in seconds; 0 where the muxer measures none.
    """

    __slots__ = ()

    protocolID: str
    outboundOption = "maxOutboundStreams of the muxer"
    apart = 0.0
    roundTrip = 0.0
    keepsAlive: bool
    exhausted: bool

    @abstractmethod
    def newStream(self) -> Stream:
        """
        Make an outbound stream.

        @raise LimitExceeded: all stream ids are used up.
        """

    @abstractmethod
    def key(self, stream: Stream) -> int:
        """
        Return the key of a new stream in the table: a number that no other stream of
        the session has on the wire; not negative.
        """

    @abstractmethod
    def parse(self, data: bytes) -> None:
        """
        Act on received bytes.  Any call of a stream may end the session: nothing is
        parsed any longer when C{ended} is true.

        @raise ProtocolViolation: the peer broke the protocol.
        """

    @abstractmethod
    def emit(self, stream: Stream, batch: list[bytes | memoryview]) -> int:
        """
        Append the next frames of a stream: at most one frame of data, of at most
        L{MAX_BODY} bytes and at most its C{sendWindow}, which is lowered here.

        The bytes are moved by C{stream.take}.  If C{stream.writeEnding} is
        true after that, the end of our half is sent too, and C{stream.finSent}
        is called.

        @return: how many bytes these are.
        """

    @abstractmethod
    def resetFrame(self, stream: Stream, code: int) -> bytes:
        """
        Return the frame that resets a stream.
        """

    @abstractmethod
    def announced(self, stream: Stream) -> bool:
        """
        Check whether the peer has been informed of the stream.
        """

    @abstractmethod
    def delivered(self, stream: Stream, size: int) -> None:
        """
        Note that bytes of a stream were handed to the application, or dropped.  A
        muxer with windows informs the peer that it may send as many more.

        @param size: how many; negative if some were handed back.
        """

    def goAwayFrame(self, code: int) -> bytes:
        """
        Return the bytes that announce the end of the session to the peer.
        """
        return b""

    def protocolErrorFrame(self) -> bytes:
        """
        Return the bytes that report to the peer that it broke the protocol.
        """
        return b""

    def controlSent(self) -> None:
        """
        Note that all control frames leave.
        """

    def streamEnded(self, stream: Stream) -> None:
        """
        Note that a stream has left the table.
        """

    def sessionEnded(self, reason: Failure) -> None:
        """
        Cancel all that waits, since the session is over.
        """

    def ping(self) -> Deferred[float]:
        """
        Measure the round trip below the streams.

        @return: a failure, unless the muxer has a message for it.
        """
        return fail(NotImplementedError(f"{self.protocolID} cannot ping"))

    def idleGrowth(self, since: float) -> Stream | None:
        """
        Return None: the muxer has no windows that grow.
        """
        return None
