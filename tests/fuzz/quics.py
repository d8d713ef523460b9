# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: datagrams of QUIC into the backend over aioquic, events into a session, buffers
of several datagrams, tokens, and the judge of certificates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.fuzz.target import target
from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    FIN,
    LossCause,
    QuicEvent,
    ReceivedDatagram,
)
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.headers import runs
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.session import QuicSession
from twisted_libp2p.quic.tokens import Tokens
from twisted_libp2p.security.tls.certificate import HostCertificate
from twisted_libp2p.testing.muxer.doubles import Collector, MuxedConnectionDouble
from twisted_libp2p.testing.quic.pair import MOMENT, settingsOf

_PEER = "198.51.100.7"


@cache
def _backend() -> AioquicBackend:
    return AioquicBackend(lambda: MOMENT)


@cache
def _identity() -> Identity:
    return Identity.generate()


@target
def quicDatagrams(data: bytes) -> None:
    """
    Datagrams of strangers: nothing is raised, and the answers are not larger.
    """
    endpoint = _backend().endpoint(settingsOf(_identity()))
    segment = data[0] if data else 0
    received = [
        ReceivedDatagram(each, _PEER, 7, segment)
        for each in (data[1:], data[1:].ljust(1200, b"\0"))
    ]
    touched, _, answers = endpoint.receive(0.0, received)
    assert not touched
    assert sum(len(each[0]) for each in answers) <= sum(
        len(each[0]) for each in received
    )


class _Endpoint:
    """
    A backend's endpoint that answers whatever an input says.
    """

    def __init__(self, data: bytes) -> None:
        self._data: Iterator[int] = iter(data)

    def _next(self) -> int:
        return next(self._data, 0)

    def open(self, handle: int) -> int | None:
        """
        Return a number, or None.
        """
        number = self._next()
        return number * 4 if number & 3 else None

    def read(
        self, handle: int, stream: int, maximum: int
    ) -> tuple[bytes, int | None] | None:
        """
        Return some bytes, or an end, or nothing.
        """
        match self._next() % 5:
            case 1:
                return b"x" * self._next(), None
            case 2:
                return b"last", FIN
            case 3:
                return b"", self._next()
        return None

    def write(self, handle: int, stream: int, pieces: Sequence[bytes]) -> int:
        """
        Take a part of the bytes.
        """
        return min(sum(map(len, pieces)), self._next())

    def finish(self, *_: object) -> None:
        """
        Do nothing.
        """

    reset = stop = setWindow = finish


class _Line:
    """
    A connection below a session, without a network.
    """

    handle = 1
    idleTimeout = 30.0
    layer = "/quic-v1"
    streamWindow = 1000
    connectionWindow = 4000

    def __init__(self, data: bytes) -> None:
        self.endpoint: Any = _Endpoint(data)

    def touch(self) -> None:
        """
        Do nothing.
        """

    drive = hurry = touch

    def close(self, code: int) -> None:
        """
        Do nothing: the input says when the connection is lost.
        """

    abort = close


#: The events that an input chooses from, and the arguments of each.
_EVENTS = (
    (QuicEvent.OPENED, 1),
    (QuicEvent.READABLE, 1),
    (QuicEvent.WRITABLE, 1),
    (QuicEvent.STOPPED, 2),
    (QuicEvent.RESET, 2),
    (QuicEvent.FINISHED, 1),
    (QuicEvent.AVAILABLE, 0),
    (QuicEvent.LOST, 0),
)


@target
def quicEvents(data: bytes) -> None:
    """
    Events in any order, between calls of the application: each stream is closed once,
    and the session is lost last.
    """
    clock = Clock()
    owner = MuxedConnectionDouble(PeerID(b"\0\1a"), PeerID(b"\0\1b"))
    address = IPv4Address("UDP", _PEER, 7)
    session = QuicSession(clock, _Line(data[::-1]), address, address)
    session.start(owner)
    for byte in data[:200]:
        clock.advance(0)
        if byte >= 0xC0 and not session.ended:
            _act(session, owner, byte & 0x3F)
            continue
        kind, count = _EVENTS[byte & 7]
        number = (byte >> 3) * 4 + 1
        if kind is QuicEvent.LOST:
            if owner.lost:
                break
            session.happened([(kind, LossCause(byte % 6 + 1), byte, "text")])
        elif kind is not QuicEvent.OPENED or number not in session.table.byKey:
            session.happened([(kind, number, byte)[: count + 1]])
    if not owner.lost:
        session.abort(Failure(ZeroDivisionError()))
        session.happened([(QuicEvent.LOST, LossCause.LOCAL, 0, "")])
    for stream in list(session.streams):
        stream.abortConnection()
    clock.advance(60)
    clock.advance(60)
    assert len(owner.lost) == 1 and not session.streams
    assert len({stream for stream, _ in owner.ended}) == len(owner.ended)
    assert not clock.getDelayedCalls()


def _act(session: QuicSession, owner: MuxedConnectionDouble, choice: int) -> None:
    """
    Let the application do something with its first stream.
    """
    stream: Any = next(iter(session.streams), None)
    match choice % 8:
        case 0:
            if session.full is None:
                owner.openStream(Collector())
        case 1 if stream is not None:
            stream.write(b"y" * (choice * 500))
        case 2 if stream is not None:
            stream.pauseProducing()
        case 3 if stream is not None:
            stream.resumeProducing()
        case 4 if stream is not None:
            stream.loseConnection()
        case 5 if stream is not None:
            stream.abortConnection(choice)
        case 6 if stream is not None:
            stream.loseWriteConnection()
        case 7:
            session.close(choice)


@target
def quicRuns(data: bytes) -> None:
    """
    Buffers of several datagrams: the runs of one connection follow each other, and hold
    whole datagrams.
    """
    segment, body = (data[0], data[1:]) if data else (0, b"")
    at = 0
    for _, start, end in runs(body, segment):
        assert start == at and (end > start or not body)
        assert not segment or segment >= len(body) or not start % segment
        at = end
    assert at == len(body)


@target
def quicTokens(data: bytes) -> None:
    """
    Tokens that we have not made prove nothing, and raise nothing.
    """
    tokens = Tokens(bytes(32), lambda: MOMENT)
    assert tokens.check(data, _PEER, 7, b"12345678") is None
    good = tokens.retry(_PEER, 7, b"original", b"12345678")
    if data and len(data) <= len(good):
        changed = data + good[len(data) :]
        found = tokens.check(changed, _PEER, 7, b"12345678")
        assert (found is not None) == (changed == good)


@target
def quicCertificates(data: bytes) -> None:
    """
    The judge refuses certificates with one kind of error.
    """
    host = HostCertificate.sign(_identity(), MOMENT)
    good = settingsOf(_identity()).certificate
    judge = CertificateJudge(lambda: MOMENT)
    assert host.certificate is not None
    for each in (data, data + good[len(data) :]):
        try:
            judge(each, None)
        except HandshakeFailed:
            continue
