# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
An endpoint of QUIC, as the session of a connection of WebTransport sees it: its streams
are those of one WebTransport session, and its peer is proven by Noise.

HTTP/3 and the handshake stay below: the session above is the same as that of any other
QUIC connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.interfaces import (
    FIN,
    IQuicConnections,
    LossCause,
    QuicEvent,
    Secured,
    SentDatagram,
)
from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.quic.begin import IProvenInside
from twisted_libp2p.quic.webtransport.addresses import webAddress
from twisted_libp2p.quic.webtransport.codes import NO_ERROR, fromHttp, toHttp
from twisted_libp2p.quic.webtransport.http3 import (
    CONTROL,
    FrameType,
    encode,
)
from twisted_libp2p.quic.webtransport.steps import STEPS, Step
from twisted_libp2p.quic.webtransport.streams import (
    CREATION_ERROR,
    PROTOCOL_ERROR,
    READ_SIZE,
    REJECTED,
    Event,
    HttpStreams,
)
from twisted_libp2p.security.noise.handshake import NoiseHandshake

__all__ = ["MAX_HELD", "MAX_HELD_SIZE", "WebTransportEndpoint"]

#: The most streams that wait for the proof of the peer.
MAX_HELD = 16

#: The most bytes of these streams that are kept, all together.
MAX_HELD_SIZE = 64 * 1024


class _Held:
    """
    A stream of a session that waits.

    @ivar session: the number of its session.
    @ivar data: the bytes that have come.
    @ivar end: its end, as C{read} returns it; None so far.
    """

    __slots__ = ("data", "end", "session")

    def __init__(self, session: int) -> None:
        self.session = session
        self.data = bytearray()
        self.end: int | None = None


@implementer(IProvenInside)
class WebTransportEndpoint(HttpStreams):
    """
    One connection of HTTP/3 with one WebTransport session, for which the peer asks.

    @cvar PROVEN: the event that reports the proof of the peer to the owner.
    @ivar secured: the proven peer; None so far.
    @ivar refusal: why the peer has not been accepted; None so far.
    """

    PROVEN: ClassVar[QuicEvent] = QuicEvent.CONNECTED

    def __init__(
        self,
        below: IQuicConnections,
        handle: int,
        noise: Callable[[], NoiseHandshake],
        early: Sequence[Event],
    ) -> None:
        """
        @param below: the endpoint of the backend.
        @param handle: the connection there.
        @param noise: begins the handshake of Noise.
        @param early: the events of the connection so far.
        """
        super().__init__(below, handle)
        self.secured: Secured | None = None
        self.refusal: HandshakeFailed | None = None
        self._makeNoise = noise
        self._noise: NoiseHandshake | None = None
        self._early: list[Event] = list(early)
        self._step = Step.HTTP
        # The stream of Noise.
        self._proof = -1
        # Streams of the session that wait for the proof, and those of which the session
        # above has not read what came meanwhile.
        self._held: dict[int, _Held] = {}
        self._kept: dict[int, _Held] = {}
        # What is to be sent before anything else on streams of ours.
        self._prefixes: dict[int, bytes] = {}
        # The code with which the connection is to be closed, as its session has ended.
        self._closeCode: int | None = None

    def feed(self, events: Sequence[Event]) -> None:
        """
        Take events that came before this object: the next poll acts on them.
        """
        self._early += events

    def named(self, address: IAddress) -> IAddress:
        """
        Return the address of an end of the connection, by that of UDP.
        """
        return webAddress(address)

    # What happens below

    def poll(
        self, handle: int, now: float
    ) -> tuple[list[SentDatagram], list[Event], float | None, bool]:
        """
        Advance the connection.
        """
        sent: list[SentDatagram] = []
        found: list[Event] = []
        while True:
            early, self._early = self._early, []
            more, events, due, over = self._below.poll(handle, now)
            sent += more
            for each in (*early, *events):
                self._happened(each, found)
            if self._step is Step.ENDED and self._closeCode is not None:
                code, self._closeCode = self._closeCode, None
                self._below.close(handle, now, code, b"")
            if found or over or not (early or events):
                return sent, found, due, over

    def _happened(self, event: Event, found: list[Event]) -> None:
        """
        Act on an event, or pass it on.
        """
        kind = event[0]
        if kind == QuicEvent.CONNECTED:
            self._beginHttp()
        elif kind == QuicEvent.LOST:
            self._lost(event, found)
        elif kind in _OF_STREAMS:
            self._ofStream(event, found)
        elif self._step is not Step.ENDED:
            found.append(event)

    def _beginHttp(self) -> None:
        """
        Send our settings, which nobody waits for but the peer.
        """
        number = self._below.open(self._handle, True)
        if number is None:
            self._closeCode = CREATION_ERROR
        else:
            self._below.write(self._handle, number, [CONTROL])

    def _ofStream(self, event: Event, found: list[Event]) -> None:
        kind, number = event[0], int(event[1])  # type: ignore[call-overload]
        if kind == QuicEvent.OPENED:
            self._arrived(number)
        elif number in self._streams:
            if kind == QuicEvent.READABLE:
                self._read(number, found)
            elif kind in (QuicEvent.RESET, QuicEvent.STOPPED):
                self._gone(number, found)
        elif number in self._held:
            if kind == QuicEvent.READABLE:
                self._hold(number, self._held[number])
            elif kind in (QuicEvent.RESET, QuicEvent.STOPPED):
                self._drop(number, NO_ERROR)
        elif number == self._proof:
            self._proving(kind, found)
        elif self._step is Step.READY:
            self._ofSession(event, number, found)

    def _ofSession(self, event: Event, number: int, found: list[Event]) -> None:
        """
        Pass on an event of a stream of the session.
        """
        kind = event[0]
        if kind in (QuicEvent.RESET, QuicEvent.STOPPED):
            if kind == QuicEvent.RESET:
                self._kept.pop(number, None)
            code = fromHttp(int(event[2]))  # type: ignore[call-overload]
            found.append((kind, number, code))
        elif kind != QuicEvent.WRITABLE or self._prefixed(number):
            found.append(event)

    def _lost(self, event: Event, found: list[Event]) -> None:
        cause, code, text = event[1:]
        assert isinstance(cause, int)
        assert isinstance(code, int)
        if cause == LossCause.APPLICATION:
            code = fromHttp(code)
        self._end(found, LossCause(cause), code, str(text))

    # The streams of the session

    def _asked(self, found: list[Event]) -> None:
        """
        Go on with the session that the peer has asked for.
        """
        self._step = stateAfter(STEPS, self._step, "request")
        self._release(found)

    def _sorted(self, number: int, session: int, found: list[Event]) -> None:
        """
        Act on a stream of a session.
        """
        self._go(number, _Held(session), found)

    def _go(self, number: int, held: _Held, found: list[Event]) -> None:
        """
        Go on with a stream of a session, as far as this is possible now.
        """
        if self._step > Step.HTTP and held.session != self._request:
            self._refuse(number, REJECTED)
        elif self._step is Step.READY:
            if held.data or held.end is not None:
                self._kept[number] = held
            found.append((QuicEvent.OPENED, number))
            found.append((QuicEvent.READABLE, number))
        elif self._step is Step.SESSION:
            self._beginNoise(number)
            self._proven(bytes(held.data), held.end, found)
            self._proving(QuicEvent.READABLE, found)
        elif len(self._held) < MAX_HELD and self._step is not Step.ENDED:
            self._held[number] = held
            self._hold(number, held)
        else:
            self._refuse(number, REJECTED)

    def _release(self, found: list[Event]) -> None:
        """
        Go on with the streams that have waited.
        """
        waiting, self._held = self._held, {}
        for number, held in waiting.items():
            self._go(number, held, found)

    def _hold(self, number: int, held: _Held) -> None:
        """
        Keep what a stream has sent.  In the backend it could be a window of each: the
        windows are those of proven peers.
        """
        while held.end is None:
            got = self._below.read(self._handle, number, READ_SIZE)
            if got is None:
                return
            data, held.end = got
            held.data += data
            kept = sum(len(each.data) for each in self._held.values())
            if kept > MAX_HELD_SIZE or held.end not in (None, FIN):
                self._drop(number, REJECTED)
                return

    def _drop(self, number: int, code: int) -> None:
        """
        Forget a stream that waits.
        """
        del self._held[number]
        self._refuse(number, code)

    # Noise

    def _beginNoise(self, number: int) -> bytes:
        """
        Begin the handshake on a stream.

        @return: its first message, if it is ours.
        """
        self._step = stateAfter(STEPS, self._step, "first stream")
        self._proof = number
        self._noise = self._makeNoise()
        return self._noise.start()

    def _proving(self, kind: object, found: list[Event]) -> None:
        """
        Act on the stream of the handshake.  After it, the peer ends this stream.
        """
        if kind == QuicEvent.RESET:
            self._below.read(self._handle, self._proof, 1)
            self._incomplete(found)
            return
        while kind == QuicEvent.READABLE:
            got = self._below.read(self._handle, self._proof, READ_SIZE)
            if got is None:
                return
            self._proven(*got, found)
            if got[1] is not None:
                return

    def _proven(self, data: bytes, end: int | None, found: list[Event]) -> None:
        """
        Act on bytes and the end of the stream of the handshake.
        """
        if data and self._step is Step.NOISE:
            self._prove(data, found)
        if end is not None:
            self._incomplete(found)

    def _incomplete(self, found: list[Event]) -> None:
        if self._step is Step.NOISE:
            self._fail(found, "the peer has ended the handshake of Noise")

    def _prove(self, data: bytes, found: list[Event]) -> None:
        noise = self._noise
        assert noise is not None
        try:
            answer = noise.receive(data)
            self._check(noise)
        except HandshakeFailed as error:
            self.refusal = error
            self._fail(found, str(error))
            return
        if answer:
            self._below.write(self._handle, self._proof, [answer])
        if noise.secured is None:
            return
        if noise.trailing:
            self._fail(found, "there are bytes after the handshake of Noise")
            return
        self.secured = noise.secured
        self._noise = None
        self._step = stateAfter(STEPS, self._step, "proof")
        self._below.finish(self._handle, self._proof)
        found.append((self.PROVEN,))
        self._release(found)

    def _check(self, noise: NoiseHandshake) -> None:
        """
        Check what else a handshake that may be complete has to prove.

        @raise HandshakeFailed: it does not.
        """

    # The end

    def _end(self, found: list[Event], cause: LossCause, code: int, text: str) -> None:
        """
        Report the end, once, and close what is below.
        """
        if self._step is not Step.ENDED:
            self._step = stateAfter(STEPS, self._step, "end")
            self._held.clear()
            peaceful = cause is LossCause.APPLICATION
            self._closeCode = NO_ERROR if peaceful else PROTOCOL_ERROR
            found.append((QuicEvent.LOST, cause, code, text))

    # Calls of the session

    def open(self, handle: int, unidirectional: bool = False) -> int | None:
        """
        Open a stream of the session.
        """
        number = self._below.open(handle)
        if number is not None:
            prefix = encode(FrameType.WEBTRANSPORT_STREAM) + encode(self._request)
            self._prefixes[number] = prefix
            self._prefixed(number)
        return number

    def _prefixed(self, number: int) -> bool:
        """
        Send the first bytes of a stream of ours, as far as they were not.

        @return: whether they are all sent.
        """
        rest = self._prefixes.pop(number, None)
        if rest is not None:
            rest = rest[self._below.write(self._handle, number, [rest]) :]
            if rest:
                self._prefixes[number] = rest
        return not rest

    def write(
        self, handle: int, stream: int, pieces: Sequence[bytes | memoryview]
    ) -> int:
        """
        Send bytes of a stream.
        """
        if self._prefixes and not self._prefixed(stream):
            return 0
        return self._below.write(handle, stream, pieces)

    def finish(self, handle: int, stream: int) -> None:
        """
        End our half of a stream.
        """
        if self._prefixes and not self._prefixed(stream):
            # Nobody has learned of it.
            self.reset(handle, stream, 0)
        else:
            self._below.finish(handle, stream)

    def reset(self, handle: int, stream: int, code: int) -> None:
        """
        Reset our half of a stream.
        """
        self._prefixes.pop(stream, None)
        self._below.reset(handle, stream, toHttp(code))

    def stop(self, handle: int, stream: int, code: int) -> None:
        """
        Ask the peer to send no longer.
        """
        self._kept.pop(stream, None)
        self._below.stop(handle, stream, toHttp(code))

    def read(
        self, handle: int, stream: int, maximum: int
    ) -> tuple[bytes, int | None] | None:
        """
        Read bytes of a stream.
        """
        kept = self._kept.pop(stream, None) if self._kept else None
        if kept is not None and kept.end is not None:
            return bytes(kept.data), kept.end
        if kept is not None:
            # They are less than a session asks for at once.
            maximum -= len(kept.data)
        got = self._below.read(handle, stream, maximum)
        if kept is not None:
            more, end = got or (b"", None)
            got = bytes(kept.data) + more, end
        if got is None or got[1] is None or got[1] == FIN:
            return got
        return got[0], fromHttp(got[1])

    def close(self, handle: int, now: float, code: int, reason: bytes) -> None:
        """
        Close the connection, and with it the session.
        """
        self._below.close(handle, now, toHttp(code) if code else NO_ERROR, reason)


#: The events whose second item is a stream.
_OF_STREAMS = frozenset(
    (
        QuicEvent.OPENED,
        QuicEvent.READABLE,
        QuicEvent.WRITABLE,
        QuicEvent.STOPPED,
        QuicEvent.FINISHED,
        QuicEvent.RESET,
    )
)
