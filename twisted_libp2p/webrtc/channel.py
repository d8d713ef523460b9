# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A channel of WebRTC as the carrier of one stream: both halves with their ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.interfaces import FIN
from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.webrtc.messages import (
    PIECE,
    SMALL_PIECE,
    Flag,
    Message,
    MessageReader,
    encode,
)
from twisted_libp2p.webrtc.native import HIGH, Connection

__all__ = ["BUFFER", "HALVES", "Channel", "Half"]

#: The bytes of a stream that are kept before its application reads them.  More stay in
#: the window of all channels.
BUFFER = 256 * 1024


class Half(IntEnum):
    """
    The life of one half of a stream.
    """

    #: Bytes may come.
    OPEN = 0
    #: Our half has ended, and the peer has not acknowledged this.
    ENDING = 1
    #: It has ended in order.
    ENDED = 2
    #: It was reset, or the side that reads wants no more of it.
    RESET = 3


#: The next state, and the effect of the transition, for each state and event.  An event
#: that is not in the table changes nothing.
HALVES: dict[tuple[Half, str], tuple[Half, str]] = {
    (Half.OPEN, "finish"): (Half.ENDING, "send FIN"),
    (Half.OPEN, "reset"): (Half.RESET, "send RESET_STREAM"),
    (Half.ENDING, "reset"): (Half.RESET, "send RESET_STREAM"),
    (Half.ENDING, "acknowledged"): (Half.ENDED, "report it"),
    (Half.OPEN, "closed"): (Half.RESET, "report a reset"),
    (Half.ENDING, "closed"): (Half.ENDED, "report it"),
    (Half.OPEN, "ended"): (Half.ENDED, "owe FIN_ACK"),
    (Half.OPEN, "stop"): (Half.RESET, "send STOP_SENDING"),
}


class Channel:
    """
    One channel, and the stream in it.

    @ivar number: that of the stream for the session; it is never used again.
    @ivar id: that of the channel.
    @ivar ours: whether our side has opened it.
    @ivar sending: our half.
    @ivar receiving: the half of the peer.
    @ivar code: the code of the peer's reset.
    @ivar open: whether the channel is open.
    @ivar more: whether there may be unread messages below.
    @ivar waiting: how many have come since those below were read last.
    @ivar blocked: whether the session waits until it can write.
    @ivar crowded: whether it waits because of the bytes of all channels.
    @ivar acknowledging: whether the peer is known to acknowledge ends.  Rust-libp2p
        0.57 does not, and fails on a C{FIN_ACK} (libp2p-webrtc-utils 0.5.0,
        src/stream.rs) except after our last byte.
    @ivar unsent: the bytes that waited, at the most, after the last write.
    @ivar owing: whether the peer has ended its half, and this is to be acknowledged.
    """

    __slots__ = (
        "_below",
        "_data",
        "_finished",
        "_notified",
        "_reader",
        "_reported",
        "acknowledging",
        "blocked",
        "code",
        "crowded",
        "id",
        "more",
        "number",
        "open",
        "ours",
        "owing",
        "receiving",
        "sending",
        "unsent",
        "waiting",
    )

    def __init__(
        self,
        below: Connection,
        number: int,
        id: int,
        ours: bool,
        acknowledging: bool = False,
    ) -> None:
        self._below = below
        self.number = number
        self.id = id
        self.ours = ours
        self.acknowledging = acknowledging
        self.sending = self.receiving = Half.OPEN
        self.code = 0
        self.open = True
        self.more = self.blocked = self.crowded = self.owing = False
        self.waiting = self.unsent = 0
        self._reader = MessageReader()
        self._data = bytearray()
        # Whether the session knows that there is something, and has read the end.
        self._notified = self._reported = False
        # Whether the peer has ended its half.
        self._finished = False

    @property
    def done(self) -> bool:
        """
        Whether neither side has anything to say any longer.
        """
        return self.sending >= Half.ENDED and self.receiving >= Half.ENDED

    @property
    def ended(self) -> bool:
        """
        Whether both halves have ended in order.
        """
        return self.sending is self.receiving is Half.ENDED

    @property
    def silent(self) -> bool:
        """
        Whether both halves have ended; the peer need not have acknowledged ours.
        """
        return self.sending >= Half.ENDING and self.receiving >= Half.ENDED

    @property
    def flowing(self) -> bool:
        """
        Whether bytes of a half that has ended are still under way.  SCTP keeps those
        of a reset stream, too, and counts them as long as its channel is open.
        """
        return self.sending is not Half.OPEN and bool(self._below.buffered(self.id))

    @property
    def over(self) -> bool:
        """
        Whether the channel is closed, and the session knows of the end.
        """
        return not self.open and (self._reported or self.receiving is Half.RESET)

    # Sending

    @property
    def orphaned(self) -> int:
        """
        The bytes that wait, at the most, if the peer closes the channel now.
        """
        return 0 if self.sending is Half.ENDED else self.unsent

    def write(self, pieces: Sequence[bytes | memoryview], crowded: bool = False) -> int:
        """
        Send bytes, as long as not too many wait, of this channel and of all.

        @param crowded: whether too many wait in closed channels.
        @return: how many were taken.
        """
        if self.sending is not Half.OPEN or not self.open:
            return 0
        data = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        self.crowded = crowded or self._below.full()
        waiting = HIGH if self.crowded else self._below.buffered(self.id)
        size = PIECE if self.acknowledging else SMALL_PIECE
        taken = 0
        while waiting is not None and waiting < HIGH and taken < len(data):
            piece = data[taken : taken + size]
            waiting = self._send(encode(piece))
            if waiting is not None:
                taken += len(piece)
        self.blocked = taken < len(data)
        if not self.crowded:
            self.unsent = waiting or 0
        return taken

    def _send(self, messages: tuple[bytes, ...]) -> int | None:
        waiting: int | None = None
        for each in messages:
            waiting = self._below.write(self.id, each)
        return waiting

    def _say(self, flag: Flag, code: int = 0) -> None:
        if self.open:
            self._send(encode(flag=flag, code=code))

    def _moveSending(self, event: str) -> bool:
        before = self.sending
        self.sending = stateAfter(HALVES, before, event)
        return self.sending is not before

    def _moveReceiving(self, event: str) -> bool:
        before = self.receiving
        self.receiving = stateAfter(HALVES, before, event)
        return self.receiving is not before

    def finish(self) -> None:
        """
        End our half.
        """
        if self._moveSending("finish"):
            self._say(Flag.FIN)
            self.acknowledge()

    def reset(self, code: int) -> None:
        """
        Reset our half.
        """
        if self._moveSending("reset"):
            self._say(Flag.RESET, code)
            self.acknowledge()

    def acknowledge(self) -> None:
        """
        Acknowledge the end of the peer's half, if this is owed.
        """
        if self.owing:
            self.owing = False
            self._say(Flag.FIN_ACK)

    def peerAcknowledges(self) -> None:
        """
        Note that the peer acknowledges ends.
        """
        self.acknowledging = True
        self.acknowledge()

    def stop(self, code: int) -> None:
        """
        Read no longer.
        """
        self._data.clear()
        self._reported = True
        if self._moveReceiving("stop"):
            self._say(Flag.STOP_SENDING, code)

    # Receiving

    def pull(self, happened: Callable[[Channel, str], object]) -> None:
        """
        Read what is below, as far as there is room.

        @param happened: called with a name of what has come: C{"data"}, C{"reset"},
            C{"stopped"}, C{"acknowledged"}, or C{"broken"}.
        """
        while self.more and self.open:
            room = BUFFER - len(self._data)
            if room <= 0:
                return
            data, text = self._below.read(self.id, room)
            self.waiting = 0
            if self.done:
                # What the peer has sent before it knew of the end.
                self.more = bool(data)
                continue
            if text:
                happened(self, "broken")
                return
            if not data:
                self.more = False
                return
            try:
                for each in self._reader.feed(data):
                    self._received(each, happened)
            except InvalidInput:
                happened(self, "broken")
                return

    def _received(
        self, message: Message, happened: Callable[[Channel, str], object]
    ) -> None:
        """
        Act on a message.
        """
        if message.data and self.receiving is Half.OPEN:
            self._data += message.data
            self._notify(happened)
        flag = message.flag
        if flag is Flag.FIN and not self._finished:
            # An answer to each would fill the memory while the peer reads none of them.
            self._finished = self.owing = True
            if self.acknowledging or self.sending is not Half.OPEN:
                self.acknowledge()
            if self._moveReceiving("ended"):
                self._notify(happened)
        elif flag is Flag.RESET:
            self.code = message.code
            if self._moveReceiving("closed"):
                self._data.clear()
                happened(self, "reset")
        elif flag is Flag.STOP_SENDING:
            if self.sending is Half.OPEN:
                self.code = message.code
                happened(self, "stopped")
        elif flag is Flag.FIN_ACK and self._moveSending("acknowledged"):
            happened(self, "acknowledged")

    def _notify(self, happened: Callable[[Channel, str], object]) -> None:
        if not self._notified:
            self._notified = True
            happened(self, "data")

    def shut(self, happened: Callable[[Channel, str], object]) -> None:
        """
        Note that the channel is closed: this ends what has not ended before.
        """
        self.open = False
        if self._moveReceiving("closed"):
            self._data.clear()
            happened(self, "reset")
        ending = self.sending is Half.ENDING
        if self._moveSending("closed"):
            happened(self, "finished" if ending else "stopped")

    def read(self, maximum: int) -> tuple[bytes, int | None] | None:
        """
        Read bytes for the session, and the end.
        """
        data = bytes(self._data[:maximum])
        del self._data[:maximum]
        end: int | None = None
        if not (self._data or self._reported):
            if self.receiving is Half.ENDED:
                end = FIN
            elif self.receiving is Half.RESET:
                end = self.code
            self._reported = end is not None
        if len(data) < maximum:
            self._notified = False
        return (data, end) if data or end is not None else None
