# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams of one connection of WebRTC, and the handshake of Noise in its channel 0.

The session above is that of QUIC: this has the same calls as a connection of QUIC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.interfaces import (
    LossCause,
    QuicEvent,
    QuicStats,
    Secured,
    SentDatagram,
)
from twisted_libp2p.quic.begin import IProvenInside
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.webrtc.association import Association, lossOf
from twisted_libp2p.webrtc.channel import Channel
from twisted_libp2p.webrtc.closings import Closings
from twisted_libp2p.webrtc.crowd import Crowd
from twisted_libp2p.webrtc.native import LOW, RtcEvent
from twisted_libp2p.webrtc.proof import PROOF, Proof

__all__ = ["MAX_NUMBER", "MAX_WAITING", "STALL_TIME", "RtcStreams"]

Event = tuple[object, ...]

#: Seconds after which a stream is reset that is not read, and fills the window of all
#: channels.
STALL_TIME = 30.0

#: The most messages of a connection that wait while their streams have no room: SCTP
#: looks through those of a channel for each that comes.
MAX_WAITING = 4096

#: The largest number of a channel: some peers have 1024.
MAX_NUMBER = 1023


@implementer(IProvenInside)
class RtcStreams:
    """
    The channels of one connection.

    @ivar secured: the proven peer; None so far.
    @ivar refusal: why the peer has not been accepted; None so far.
    """

    def __init__(
        self,
        association: Association,
        noise: NoiseHandshake,
        early: Sequence[Event],
    ) -> None:
        """
        @param association: the connection, whose channel 0 is open.
        @param noise: the handshake.
        @param early: the events so far, which this does not need.
        """
        self.secured: Secured | None = None
        self.refusal: HandshakeFailed | None = None
        self._below = association
        self._proof = Proof(association, noise)
        self._over = False
        # By the numbers of streams, and by those of channels that are open.
        self._channels: dict[int, Channel] = {}
        self._byID: dict[int, Channel] = {}
        self._nextNumber = 0
        # Our numbers of channels that may not be used.
        self._taken: set[int] = set()
        self._full = False
        self._closings = Closings()
        # Whether the peer acknowledges ends.
        self._acknowledging = False
        # Since when unread messages fill the buffers of streams, in this order.
        self._stalled: dict[int, float] = {}
        # How many messages wait below.
        self._waiting = 0
        self._crowd = Crowd()
        self._now = 0.0
        # What has happened outside of poll.
        self._found: list[Event] = []

    def named(self, address: IAddress) -> IAddress:
        """
        Return the address of an end of the connection, which is that of UDP.
        """
        return address

    def feed(self, events: Sequence[Event]) -> None:
        """
        Do nothing: events that came before this object are those of the association.
        """

    # What happens below

    def poll(
        self, handle: int, now: float
    ) -> tuple[list[SentDatagram], list[Event], float | None, bool]:
        """
        Advance the connection.
        """
        self._now = now
        self._expire(now)
        self._advanceProof()
        sent, events, due, over = self._below.poll(now)
        if self._below.early:
            events = self._below.early + events
            self._below.early.clear()
        for each in events:
            self._happened(each)
        found, self._found = self._found, []
        if events and not over:
            # What came of them is to be sent.
            due = now
        return sent, found, self._due(due), over

    def _due(self, due: float | None) -> float | None:
        times = [due, self._closings.due(), self._proof.due]
        if self._stalled:
            times.append(next(iter(self._stalled.values())) + STALL_TIME)
        return min((each for each in times if each is not None), default=None)

    def _happened(self, event: Event) -> None:
        kind = event[0]
        if kind == RtcEvent.LOST:
            self._lost(lossOf(event))
            return
        if kind == RtcEvent.DRAINED:
            self._drained()
            return
        id = int(event[1])  # type: ignore[call-overload]
        if kind == RtcEvent.FREED:
            self._freed(id)
        elif id == PROOF:
            self._proving(kind)
        elif kind == RtcEvent.OPENED:
            self._opened(id)
        else:
            self._ofChannel(kind, self._byID.get(id))

    def _lost(self, event: Event) -> None:
        if not self._over:
            self._over = True
            self._found.append(event)

    def _fail(self, text: str) -> None:
        """
        End the connection: the peer breaks a rule.
        """
        self._lost((QuicEvent.LOST, LossCause.TRANSPORT, 1, text))
        self._below.close(self._now)

    # Channels

    def _add(self, id: int, ours: bool) -> Channel:
        self._nextNumber += 1
        channel = Channel(
            self._below.machine, self._nextNumber, id, ours, self._acknowledging
        )
        self._channels[channel.number] = channel
        self._byID[id] = channel
        return channel

    def _opened(self, id: int) -> None:
        """
        Note a channel of the peer.  Before the proof, nothing of it is read.
        """
        channel = self._add(id, False)
        if self.secured is not None:
            self._found.append((QuicEvent.OPENED, channel.number))

    def _ofChannel(self, kind: object, channel: Channel | None) -> None:
        if channel is None:
            return
        if kind == RtcEvent.READABLE:
            self._readable(channel)
        elif kind == RtcEvent.WRITABLE:
            channel.unsent = min(channel.unsent, LOW)
            if channel.blocked:
                channel.blocked = False
                self._found.append((QuicEvent.WRITABLE, channel.number))
        elif kind == RtcEvent.CLOSED:
            self._crowd.orphan(channel.id, channel.orphaned)
            self._closed(channel)

    def _readable(self, channel: Channel) -> None:
        """
        Read a message, if there is room for it.  Too many that wait end the stream, or
        the connection of a peer that has not proven who it is.
        """
        channel.more = True
        channel.waiting += 1
        self._waiting += 1
        if self.secured is not None:
            self._pull(channel)
        if not channel.waiting or self._waiting <= MAX_WAITING:
            return
        if self.secured is None:
            self._fail("the peer has sent too many messages before its proof")
        else:
            self._break(channel)

    def _break(self, channel: Channel) -> None:
        """
        Reset a stream that is not read, and drop its messages.
        """
        self._report(channel, "broken")
        self._pull(channel)

    def _pull(self, channel: Channel) -> None:
        before = channel.waiting
        channel.pull(self._report)
        self._waiting += channel.waiting - before
        if channel.more and channel.open:
            self._stalled.setdefault(channel.number, self._now)
        else:
            self._stalled.pop(channel.number, None)
        self._settle(channel)

    def _report(self, channel: Channel, what: str) -> None:
        """
        Report what has happened on a channel to the session.
        """
        number = channel.number
        if what == "broken":
            channel.reset(0)
            channel.stop(0)
            self._found.append((QuicEvent.RESET, number, 0))
            self._settle(channel)
        elif what == "data":
            self._found.append((QuicEvent.READABLE, number))
        elif what == "reset":
            self._found.append((QuicEvent.RESET, number, channel.code))
        elif what == "stopped":
            self._found.append((QuicEvent.STOPPED, number, channel.code))
        else:
            if what == "acknowledged" and not self._acknowledging:
                self._acknowledging = True
                for each in self._byID.values():
                    each.peerAcknowledges()
            self._found.append((QuicEvent.FINISHED, number))

    def _settle(self, channel: Channel) -> None:
        """
        Close a channel that has nothing to say: at once if we have opened it, and both
        halves have ended in order.  Otherwise the peer may still send: that is read and
        dropped, as it would fill the window of all channels.
        """
        if not channel.silent or self._byID.get(channel.id) is not channel:
            # A closed channel: another one may have its number.
            return
        if channel.ours and channel.ended:
            self._shut(channel)
        else:
            self._closings.add(channel, self._now)

    def _shut(self, channel: Channel) -> None:
        """
        Close a channel by our side.
        """
        if channel.open:
            self._below.machine.shut(channel.id)
            self._closed(channel)

    def _closed(self, channel: Channel) -> None:
        """
        Note that a channel is closed.
        """
        if self._byID.get(channel.id) is channel:
            del self._byID[channel.id]
        self._closings.drop(channel)
        self._stalled.pop(channel.number, None)
        self._crowd.leave(channel)
        self._waiting -= channel.waiting
        channel.waiting = 0
        channel.shut(self._report)
        self._forget(channel)

    def _forget(self, channel: Channel) -> None:
        """
        Forget a closed channel of which everything has been read.
        """
        if channel.over:
            self._channels.pop(channel.number, None)

    def _expire(self, now: float) -> None:
        """
        Close channels whose time has come, and reset those that stop all others.
        """
        for channel in self._closings.expired(now):
            self._shut(channel)
        for number, since in list(self._stalled.items()):
            if now < since + STALL_TIME:
                break
            del self._stalled[number]
            if len(self._byID) > 1:
                self._break(self._channels[number])
            else:
                self._stalled[number] = now

    def _drained(self) -> None:
        """
        Let the channels write that have waited for others.
        """
        drained = self._crowd.drained()
        self._found += [(QuicEvent.WRITABLE, each) for each in drained]

    def _freed(self, id: int) -> None:
        self._taken.discard(id)
        if self._crowd.freed(id):
            self._drained()
        if self._full:
            self._full = False
            self._found.append((QuicEvent.AVAILABLE,))

    # Noise

    def _proving(self, kind: object) -> None:
        """
        Act on the channel of the handshake.
        """
        if kind == RtcEvent.CLOSED:
            if not self._proof.proven:
                self._fail("the peer has ended the handshake of Noise")
            return
        if kind != RtcEvent.READABLE:
            return
        try:
            self._proof.read()
        except InvalidInput as error:
            self._fail(str(error))
        except HandshakeFailed as error:
            self.refusal = error
            self._fail(str(error))
        else:
            self._advanceProof()

    def _advanceProof(self) -> None:
        """
        Let the handshake go on, and begin with the streams when the peer has proven who
        it is.
        """
        secured = self._proof.advance(self._now, bool(self._byID))
        if secured is None:
            return
        self.secured = secured
        dialed = self._below.dialed
        self._found.append((QuicEvent.CONFIRMED if dialed else QuicEvent.CONNECTED,))
        for channel in list(self._byID.values()):
            self._found.append((QuicEvent.OPENED, channel.number))
            self._pull(channel)

    # Calls of the session

    def open(self, handle: int, unidirectional: bool = False) -> int | None:
        """
        Open a stream.
        """
        # The client of DTLS has the even numbers, without that of the handshake.
        first = 2 if self._below.dialed else 1
        if self._over:
            return None
        for id in range(first, MAX_NUMBER + 1, 2):
            if id not in self._taken and self._below.machine.open(id):
                self._taken.add(id)
                return self._add(id, True).number
        self._full = True
        return None

    def write(
        self, handle: int, stream: int, pieces: Sequence[bytes | memoryview]
    ) -> int:
        """
        Send bytes of a stream.
        """
        channel = self._channels.get(stream)
        if channel is None:
            return 0
        taken = channel.write(pieces, self._crowd.full)
        self._crowd.note(channel)
        return taken

    def _change(self, stream: int, change: Callable[[Channel], None]) -> None:
        channel = self._channels.get(stream)
        if channel is not None:
            change(channel)
            self._settle(channel)
            self._forget(channel)

    def finish(self, handle: int, stream: int) -> None:
        """
        End our half of a stream.
        """
        self._change(stream, Channel.finish)

    def reset(self, handle: int, stream: int, code: int) -> None:
        """
        Reset our half of a stream.
        """
        self._change(stream, lambda channel: channel.reset(code))

    def stop(self, handle: int, stream: int, code: int) -> None:
        """
        Ask the peer to send no longer.
        """
        self._change(stream, lambda channel: channel.stop(code))

    def read(
        self, handle: int, stream: int, maximum: int
    ) -> tuple[bytes, int | None] | None:
        """
        Read bytes of a stream, and what has waited below for room.
        """
        channel = self._channels.get(stream)
        if channel is None:
            return None
        got = channel.read(maximum)
        if channel.more and got is not None:
            self._stalled.pop(stream, None)
            self._pull(channel)
        self._forget(channel)
        return got

    def close(self, handle: int, now: float, code: int, reason: bytes) -> None:
        """
        Close the connection, without a code.
        """
        self._now = now
        self._below.close(now)

    # Calls that mean nothing here, or the same below

    def ping(self, handle: int) -> None:
        """
        Do nothing: SCTP acknowledges soon.
        """

    def moved(self, handle: int, now: float) -> None:
        """
        Do nothing: ICE has one pair of addresses.
        """

    def setWindow(self, handle: int, size: int) -> None:
        """
        Do nothing: the window of SCTP stays the same.
        """

    def forget(self, handle: int) -> None:
        """
        Forget the connection.
        """
        self._channels.clear()
        self._byID.clear()

    def certificate(self, handle: int) -> bytes | None:
        """
        Return None: no certificate proves who the peer is.
        """
        return None

    def alpn(self, handle: int) -> bytes | None:
        """
        Return None: the streams have one each.
        """
        return None

    def address(self, handle: int) -> tuple[str, int]:
        """
        Return the address of the peer.
        """
        return self._below.host, self._below.port

    def stats(self, handle: int) -> QuicStats:
        """
        Return facts of the connection.
        """
        return self._below.stats()
