# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two endpoints of QUIC that are joined in memory, with a clock that is moved by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    IQuicBackend,
    IQuicEndpoint,
    Knock,
    QuicEvent,
    QuicSettings,
    ReceivedDatagram,
    SentDatagram,
)
from twisted_libp2p.security.tls.certificate import HostCertificate, authenticate

__all__ = ["End", "QuicPair", "settingsOf"]

#: The moment at which certificates are made and judged, in seconds since 1970.
MOMENT = 1_800_000_000.0

Event = tuple[Any, ...]


def settingsOf(identity: Identity, **options: Any) -> QuicSettings:
    """
    Make the settings of an endpoint whose judge accepts every good certificate.

    @param options: replace settings.
    """
    host = HostCertificate.sign(identity, MOMENT)

    def judge(data: bytes, expected: bytes | None) -> bytes:
        peer = PeerID.fromKey(authenticate(data, MOMENT))
        if expected is not None and peer.toBytes() != expected:
            raise InvalidInput("another peer")
        public = x509.load_der_x509_certificate(data).public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    settings = QuicSettings(
        certificate=host.certificate.public_bytes(Encoding.DER),
        privateKey=host.private.private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        ),
        judge=judge,
        tokenKey=bytes(range(32)),
        resetKey=bytes(range(32, 64)),
    )
    return replace(settings, **options)


class End:
    """
    One of two endpoints.

    @ivar identity: its identity.
    @ivar endpoint: the endpoint.
    @ivar host: its IP address; may be changed, as if it had moved.
    @ivar port: its port; may be changed too.
    @ivar handle: its connection; None before there is one.
    @ivar events: all events of the connection so far.
    @ivar sent: all datagrams that it has sent so far.
    @ivar over: whether the connection is over.
    @ivar knocked: called with each knock; accepts it by default.
    """

    def __init__(
        self, backend: IQuicBackend, host: str, port: int, **options: Any
    ) -> None:
        self.identity: Identity = options.pop("identity", None) or Identity.generate()
        self.settings = settingsOf(self.identity, **options)
        self.endpoint: IQuicEndpoint = backend.endpoint(self.settings)
        self.host = host
        self.port = port
        self.handle: int | None = None
        self.events: list[Event] = []
        self.sent: list[SentDatagram] = []
        self.due: float | None = None
        self.over = False
        self.knocked: Callable[[Knock], list[SentDatagram]] = self.accept
        self.now = 0.0

    @property
    def connection(self) -> int:
        """
        The handle of the connection, which has to exist.
        """
        assert self.handle is not None, "there is no connection"
        return self.handle

    def accept(self, knock: Knock) -> list[SentDatagram]:
        """
        Accept a knock.
        """
        handle, answers = self.endpoint.accept(self.now, knock.number)
        if handle is not None:
            self.handle = handle
            self.over = False
        return answers

    def retry(self, knock: Knock) -> list[SentDatagram]:
        """
        Have a peer prove its address once, and accept it then.
        """
        if knock.validated or not knock.retryable:
            return self.accept(knock)
        return self.endpoint.retry(knock.number)

    def receive(self, datagrams: list[ReceivedDatagram]) -> list[SentDatagram]:
        """
        Take datagrams, and return the answers.
        """
        _, knocks, answers = self.endpoint.receive(self.now, datagrams)
        answers = list(answers)
        for knock in knocks:
            answers += self.knocked(Knock(*knock))
        self.sent += [SentDatagram(*each) for each in answers]
        return answers

    def poll(self) -> list[SentDatagram]:
        """
        Poll the connection once, and keep its events.
        """
        if self.handle is None or self.over:
            return []
        sent, events, self.due, self.over = self.endpoint.poll(self.handle, self.now)
        self.events += events
        self.sent += [SentDatagram(*each) for each in sent]
        return list(sent)

    def next(self, otherwise: float) -> float:
        """
        Return the time of the next poll.

        @param otherwise: the time to return if none is wanted.
        """
        if self.handle is None or self.over or self.due is None:
            return otherwise
        return self.due

    def named(self, kind: QuicEvent) -> list[Event]:
        """
        Return the arguments of all events of a kind so far.
        """
        return [each[1:] for each in self.events if each[0] == kind]

    def readAll(self, stream: int) -> tuple[bytes, int | None]:
        """
        Read all that there is of a stream.

        @return: the bytes, and the end, as C{read} returns it.
        """
        data, end = b"", None
        while end is None:
            got = self.endpoint.read(self.connection, stream, 65536)
            if got is None:
                break
            piece, end = got
            data += piece
        return data, end


class QuicPair:
    """
    A dialer and a listener.

    @ivar dialer: one end.
    @ivar listener: the other one.
    @ivar now: the time of both, which only L{advance} moves.
    @ivar carry: called with each datagram and the end that has sent it; returns the
        datagrams that arrive.
    """

    def __init__(
        self,
        backend: IQuicBackend,
        other: IQuicBackend | None = None,
        dialer: dict[str, Any] | None = None,
        listener: dict[str, Any] | None = None,
    ) -> None:
        """
        @param backend: the backend of the dialer.
        @param other: the backend of the listener; the same by default.
        @param dialer: settings of the dialer.
        @param listener: settings of the listener.
        """
        self.dialer = End(backend, "192.0.2.1", 4001, **(dialer or {}))
        self.listener = End(other or backend, "192.0.2.2", 4002, **(listener or {}))
        self.now = 0.0
        self.carry: Callable[[SentDatagram, End], list[SentDatagram]] = (
            lambda datagram, _: [datagram]
        )

    def dial(
        self,
        expected: bytes | None = None,
        token: bytes = b"",
        roundTrip: float | None = None,
    ) -> None:
        """
        Begin to dial the listener.

        @param expected: the peer id that has to answer; None for any.
        """
        end, to = self.dialer, self.listener
        end.over = False
        end.handle = end.endpoint.connect(
            self.now, to.host, to.port, expected, "libp2p", token, roundTrip
        )

    def connect(self) -> None:
        """
        Dial the listener, and carry datagrams until nothing moves.
        """
        self.dial(self.listener.identity.peerID.toBytes())
        self.run()

    def run(self, rounds: int = 400) -> None:
        """
        Carry datagrams between both until nothing moves.  Time stands still but for a
        microsecond a round.
        """
        for _ in range(rounds):
            moved = self._turn(self.dialer, self.listener)
            moved = self._turn(self.listener, self.dialer) or moved
            if not moved:
                return
            self.now += 1e-6

    def advance(self, seconds: float) -> None:
        """
        Let time pass, and poll both whenever they want it.
        """
        until = self.now + seconds
        while True:
            self.run()
            due = min(each.next(until) for each in (self.dialer, self.listener))
            after = max(due, self.now + 1e-3)
            if after >= until:
                break
            self.now = after
        self.now = until
        self.run()

    def _turn(self, end: End, other: End) -> bool:
        """
        Poll one end, and deliver its datagrams to the other.

        @return: whether anything has happened.
        """
        end.now = other.now = self.now
        before = len(end.events)
        sent = end.poll()
        answers = self._deliver(sent, end, other)
        while answers:
            end, other = other, end
            answers = self._deliver(answers, end, other)
        return bool(sent) or len(end.events) != before

    def _deliver(
        self, sent: list[SentDatagram], end: End, other: End
    ) -> list[SentDatagram]:
        arrived = [
            ReceivedDatagram(each.data, end.host, end.port, each.segment, each.ecn)
            for datagram in sent
            for each in self.carry(SentDatagram(*datagram), end)
        ]
        return other.receive(arrived) if arrived else []
