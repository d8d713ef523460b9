# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The pings of a yamux session: they keep it alive, measure the round trip, and keep the
end of a stream apart from its first data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twisted_libp2p.errors import ConnectionClosing, PeerUnresponsive
from twisted_libp2p.interfaces import Role
from twisted_libp2p.muxer.phase import RUNNING
from twisted_libp2p.muxer.session import MuxerSession
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.yamux.frame import ACK, PING, PROTOCOL_ID, SYN, pack

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection
    from twisted_libp2p.muxer.yamux.muxer import Yamux

__all__ = ["APART", "FIRST_PING", "MAX_PONGS", "PingingSession"]

#: The most answers to pings that wait to be sent; more pings go unanswered.
MAX_PONGS = 32

#: Seconds from the start to the first ping: a session that ends earlier needs none.
FIRST_PING = 1.0

#: Seconds that the pings may take by which the end of an accepted stream is kept apart
#: from its first data.
APART = 0.1


class PingingSession(MuxerSession):
    """
    A session that pings its peer.

    @ivar roundTrip: the smoothed round trip in seconds; 0 until it is known.
    """

    __slots__ = (
        "_heard",
        "_keepAliveCall",
        "_muxer",
        "_nextPing",
        "_pings",
        "_pongs",
        "roundTrip",
    )

    protocolID = PROTOCOL_ID
    apart = APART

    def __init__(self, muxer: Yamux, role: Role, connection: IMuxedConnection) -> None:
        super().__init__(
            muxer.clock,
            role,
            connection,
            muxer.maxInboundStreams,
            muxer.maxOutboundStreams,
        )
        self._muxer = muxer
        self._pongs = 0
        self._pings: dict[int, tuple[float, Deferred[float] | None]] = {}
        self._nextPing = 0
        self._heard = False
        self._keepAliveCall: IDelayedCall | None = None
        self.keepsAlive = muxer.keepAlive is not None
        self.roundTrip = 0.0

    def started(self) -> None:
        """
        Begin, and measure the round trip soon.
        """
        interval = self._muxer.keepAlive
        if interval is not None:
            self._keepAliveCall = self.clock.callLater(
                min(FIRST_PING, interval), self._ask, interval
            )

    def resumeProducing(self) -> None:
        """
        Note that the peer reads, and send it more.
        """
        self._heard = True
        super().resumeProducing()

    def ping(self) -> Deferred[float]:
        """
        Measure the round trip.

        @return: fires with seconds, or fails when the session ends.
        """
        if self.phase is not RUNNING:
            return fail(ConnectionClosing("the session has ended, or has not begun"))
        answered: Deferred[float] = Deferred()
        self._sendPing(answered)
        return answered

    def _sendPing(self, answered: Deferred[float] | None) -> None:
        value = self._nextPing
        self._nextPing = (value + 1) & 0xFFFFFFFF
        self._pings[value] = (self.clock.seconds(), answered)
        self.sendControl(pack(PING, SYN, 0, value))

    def _keepAlive(self, interval: float) -> None:
        """
        Consider a peer dead that let a whole interval pass without an answer,
        without a byte, and without taking one; otherwise ask it again.
        """
        self._keepAliveCall = None
        if self._pings and not self._heard:
            # When this process was stopped, or busy, the answer waits in the socket.
            self._keepAliveCall = self.clock.callLater(0, self._silent, interval)
            return
        self._ask(interval)

    def _silent(self, interval: float) -> None:
        """
        End the session, unless the peer was heard in the read that came after the
        deadline.
        """
        self._keepAliveCall = None
        if self._pings and not self._heard:
            self.abort(Failure(PeerUnresponsive(interval)))
            return
        self._ask(interval)

    def _ask(self, interval: float) -> None:
        """
        Give the peer an interval for a sign of life.
        """
        self._heard = False
        self._keepAliveCall = self.clock.callLater(interval, self._keepAlive, interval)
        # A busy peer may drop a ping; any received byte counts as the answer.
        self._pings = {
            value: ping for value, ping in self._pings.items() if ping[1] is not None
        }
        self._sendPing(None)

    def pingReceived(self, flags: int, value: int) -> None:
        """
        Answer a ping, or take the answer to a ping.
        """
        if flags & SYN:
            if self._pongs < MAX_PONGS:
                self._pongs += 1
                self.sendControl(pack(PING, ACK, 0, value))
        elif flags & ACK and value in self._pings:
            sent, answered = self._pings.pop(value)
            measured = max(self.clock.seconds() - sent, 0.0)
            known = self.roundTrip
            self.roundTrip = (known + measured) / 2 if known else measured
            if answered is not None:
                answered.callback(measured)

    def holdEnd(self, stream: Stream) -> None:
        """
        Let the end of our half leave when the peer has answered two pings, one after
        the other: the second one comes when it has acted on the data.  A peer that
        does not answer in time has had its time.
        """
        super().holdEnd(stream)
        if len(self._pings) < MAX_PONGS:
            answered: Deferred[float] = Deferred()
            answered.addCallback(lambda _: self.ping())
            answered.addCallbacks(lambda _: self.releaseEnd(stream), lambda _: None)
            self._sendPing(answered)

    def controlSent(self) -> None:
        """
        Note that the answers to pings leave.
        """
        self._pongs = 0

    def sessionEnded(self, reason: Failure) -> None:
        """
        Fail the pings that wait.
        """
        if self._keepAliveCall is not None:
            self._keepAliveCall.cancel()
            self._keepAliveCall = None
        pings, self._pings = self._pings, {}
        for _, answered in pings.values():
            if answered is not None:
                answered.errback(reason)
