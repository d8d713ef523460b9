# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connections of one UDP socket: answers STUN, and finds the connection of each
datagram by its address.

It has the calls of an endpoint of QUIC, so that the same hub bounds half-open
connections, and asks before anything is kept for a peer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from os import urandom
from typing import NamedTuple

from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import (
    IQuicBackend,
    IQuicEndpoint,
    Knock,
    LossCause,
    QuicEvent,
    QuicSettings,
    QuicStats,
    ReceivedDatagram,
    SentDatagram,
)
from twisted_libp2p.quic.pins import isPinned
from twisted_libp2p.quic.webtransport.certificate import WebCertificate
from twisted_libp2p.webrtc.association import Association, Ice, lossOf
from twisted_libp2p.webrtc.native import (
    Connection,
    Hello,
    Machines,
    RtcEvent,
    connections,
)
from twisted_libp2p.webrtc.stun import isStun, readRequest, respond

__all__ = ["MAX_KNOCKS", "MAX_SEEN", "PROTOCOL", "RtcBackend", "RtcEndpoint"]

Event = tuple[object, ...]

#: The application protocol of the connections: a handshake of Noise goes on inside.
PROTOCOL = b"webrtc-direct"

#: The most addresses that are kept after a request of STUN; the oldest is forgotten.
#: While there are as many, peers need no such request: their cookies prove more.
MAX_SEEN = 4096

#: The most peers that wait for a decision.
MAX_KNOCKS = 1024

#: The first bytes of datagrams of DTLS (RFC 7983), and of a handshake.
_DTLS = range(20, 64)
_HANDSHAKE = 22


class _Waiting(NamedTuple):
    """
    A peer that waits for a decision.

    @ivar data: its first datagram.
    @ivar came: when that came.
    @ivar proven: whether it has the cookie of its address.
    """

    host: str
    port: int
    data: bytes
    came: float
    proven: bool


@implementer(IQuicBackend)
class RtcBackend:
    """
    Makes endpoints.
    """

    name = "webrtc"
    version = "1"

    def __init__(
        self,
        make: Callable[[WebCertificate], Machines] = connections,
        random: Callable[[int], bytes] = urandom,
    ) -> None:
        """
        @param make: makes machines of connections.
        @param random: returns random bytes.
        """
        self._make = make
        self._random = random

    def endpoint(self, settings: QuicSettings) -> RtcEndpoint:
        """
        Make an endpoint with a certificate.

        @raise ConfigurationError: the native part is missing.
        """
        made = RtcEndpoint(self._make, self._random)
        made.use(settings.certificate, settings.privateKey)
        return made


@implementer(IQuicEndpoint)
class RtcEndpoint:
    """
    The connections of one socket.
    """

    def __init__(
        self,
        make: Callable[[WebCertificate], Machines],
        random: Callable[[int], bytes],
    ) -> None:
        self._make = make
        self._random = random
        self._machines: Machines | None = None
        self._hash = b""
        self._serving = False
        self._numbers = 0
        self._handles: dict[int, Association] = {}
        self._addresses: dict[tuple[str, int], int] = {}
        self._pins: dict[int, bytes] = {}
        # The addresses whose requests were answered.
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._knocks: dict[int, _Waiting] = {}
        self._knocking: set[tuple[str, int]] = set()

    def use(self, certificate: bytes, key: bytes) -> None:
        """
        Use a certificate for the next connections.
        """
        made = WebCertificate(certificate, key)
        try:
            self._machines = self._make(made)
        except ConfigurationError:
            # It is a ValueError, and says it all.
            raise
        except ValueError as error:
            raise ConfigurationError(f"WebRTC: {error}") from None
        self._hash = made.hash

    def serveWeb(self, certificate: bytes, privateKey: bytes) -> None:
        """
        Let peers connect, with this certificate from now on.
        """
        self._serving = True
        self.use(certificate, privateKey)

    # Datagrams

    def receive(
        self, now: float, datagrams: Sequence[ReceivedDatagram]
    ) -> tuple[list[int], list[Knock], list[SentDatagram]]:
        """
        Take received datagrams.
        """
        touched: dict[int, None] = {}
        knocks: list[Knock] = []
        answers: list[SentDatagram] = []
        for data, host, port in _single(datagrams):
            handle = self._addresses.get((host, port))
            if isStun(data):
                self._answer(data, host, port, handle is not None, answers)
            elif not data or data[0] not in _DTLS:
                continue
            if handle is not None:
                self._handles[handle].receive(now, data)
                touched[handle] = None
            elif data[0] == _HANDSHAKE:
                self._knock(now, data, host, port, knocks)
        return list(touched), knocks, answers

    def _answer(
        self,
        data: bytes,
        host: str,
        port: int,
        known: bool,
        answers: list[SentDatagram],
    ) -> None:
        """
        Answer a request of STUN.
        """
        if not (self._serving or known):
            return
        request = readRequest(data)
        if request is None:
            return
        answers.append(SentDatagram(respond(request, host, port), host, port))
        if not known:
            self._seen[(host, port)] = None
            self._seen.move_to_end((host, port))
            if len(self._seen) > MAX_SEEN:
                self._seen.popitem(last=False)

    def _knock(
        self, now: float, data: bytes, host: str, port: int, knocks: list[Knock]
    ) -> None:
        """
        Let a peer wait for a decision, if its request was answered, or its cookie is
        right.
        """
        if (
            not self._serving
            or (host, port) in self._knocking
            or len(self._knocks) >= MAX_KNOCKS
        ):
            return
        assert self._machines is not None
        kind = self._machines.judge(now, _source(host, port), data)
        proven = kind is Hello.PROVEN
        seen = (host, port) in self._seen or len(self._seen) >= MAX_SEEN
        if kind is Hello.FALSE or not (proven or seen):
            return
        self._numbers += 1
        self._knocks[self._numbers] = _Waiting(host, port, data, now, proven)
        self._knocking.add((host, port))
        retryable = kind is Hello.FIRST
        knocks.append(Knock(self._numbers, host, port, proven, retryable))

    def _take(self, knock: int) -> _Waiting:
        waiting = self._knocks.pop(knock)
        self._knocking.discard((waiting.host, waiting.port))
        return waiting

    def accept(self, now: float, knock: int) -> tuple[int | None, list[SentDatagram]]:
        """
        Let a peer connect.
        """
        host, port, data, came, proven = self._take(knock)
        assert self._machines is not None
        if (host, port) in self._addresses:
            return None, []
        if not proven:
            handle = self._begin(self._machines.make(now, False), now, host, port, None)
            self._handles[handle].receive(now, data)
            return handle, []
        # The cookie was right when it came.
        machine = self._machines.resume(came, _source(host, port), data)
        if machine is None:
            return None, []
        return self._begin(machine, now, host, port, None), []

    def _begin(
        self, machine: Connection, now: float, host: str, port: int, ice: Ice | None
    ) -> int:
        self._numbers += 1
        handle = self._numbers
        self._handles[handle] = Association(machine, self._hash, host, port, now, ice)
        self._addresses[(host, port)] = handle
        self._seen.pop((host, port), None)
        return handle

    def retry(self, knock: int) -> list[SentDatagram]:
        """
        Ask a peer to prove its address by a cookie, and keep nothing.
        """
        assert self._machines is not None
        host, port, data, came, _ = self._take(knock)
        answer = self._machines.ask(came, _source(host, port), data)
        return [] if answer is None else [SentDatagram(answer, host, port)]

    def refuse(self, knock: int) -> list[SentDatagram]:
        """
        Drop a knock, without an answer.
        """
        self._take(knock)
        return []

    def ignore(self, knock: int) -> None:
        """
        Drop a knock.
        """
        self._take(knock)

    def connect(
        self,
        now: float,
        host: str,
        port: int,
        expected: bytes | None,
        name: str,
        token: bytes = b"",
        roundTrip: float | None = None,
    ) -> int:
        """
        Begin to connect.

        @param expected: the digests of SHA-256 of the certificates that the listener
            may have, joined.
        @raise ValueError: there is a connection with this address already.
        """
        if (host, port) in self._addresses:
            raise ValueError("there is a connection between these addresses")
        assert self._machines is not None
        machine = self._machines.make(now, True)
        handle = self._begin(machine, now, host, port, Ice(self._random))
        self._pins[handle] = expected or b""
        return handle

    # Connections before the handshake of Noise

    def association(self, handle: int) -> Association:
        """
        Return a connection.
        """
        return self._handles[handle]

    def poll(
        self, handle: int, now: float
    ) -> tuple[list[SentDatagram], list[Event], float | None, bool]:
        """
        Advance a connection until DTLS and SCTP are ready.
        """
        association = self._handles[handle]
        sent, events, due, over = association.poll(now)
        found: list[Event] = []
        for each in events:
            if each[0] == RtcEvent.LOST:
                found.append(lossOf(each))
            elif each[0] == RtcEvent.CONNECTED:
                found.append(self._ready(handle, association, now))
            else:
                association.early.append(each)
        return sent, found, due, over

    def _ready(self, handle: int, association: Association, now: float) -> Event:
        """
        Check the certificate of the peer.
        """
        if not association.dialed:
            return (QuicEvent.CONNECTED,)
        data = association.machine.certificate() or b""
        if isPinned(data, self._pins[handle]):
            return (QuicEvent.CONFIRMED,)
        association.close(now)
        text = "the certificate is not the one that the address names"
        return (QuicEvent.LOST, LossCause.TRANSPORT, 1, text)

    def forget(self, handle: int) -> None:
        """
        Forget a connection.
        """
        association = self._handles.pop(handle)
        self._addresses.pop((association.host, association.port), None)
        self._pins.pop(handle, None)

    def close(self, handle: int, now: float, code: int, reason: bytes) -> None:
        """
        Close a connection.
        """
        self._handles[handle].close(now)

    def alpn(self, handle: int) -> bytes | None:
        """
        Return the name of the protocol.
        """
        return PROTOCOL

    def address(self, handle: int) -> tuple[str, int]:
        """
        Return the address of the peer.
        """
        association = self._handles[handle]
        return association.host, association.port

    def certificate(self, handle: int) -> bytes | None:
        """
        Return the certificate of the peer, which does not prove who it is.
        """
        return self._handles[handle].machine.certificate()

    def stats(self, handle: int) -> QuicStats:
        """
        Return facts of a connection.
        """
        return self._handles[handle].stats()

    # Calls that mean nothing before the handshake of Noise

    def open(self, handle: int, unidirectional: bool = False) -> int | None:
        """
        Return None: streams come later.
        """
        return None

    def write(
        self, handle: int, stream: int, pieces: Sequence[bytes | memoryview]
    ) -> int:
        """
        Return 0: streams come later.
        """
        return 0

    def finish(self, handle: int, stream: int) -> None:
        """
        Do nothing.
        """

    def reset(self, handle: int, stream: int, code: int) -> None:
        """
        Do nothing.
        """

    stop = reset

    def read(
        self, handle: int, stream: int, maximum: int
    ) -> tuple[bytes, int | None] | None:
        """
        Return None: streams come later.
        """
        return None

    def ping(self, handle: int) -> None:
        """
        Do nothing.
        """

    def moved(self, handle: int, now: float) -> None:
        """
        Do nothing.
        """

    def setWindow(self, handle: int, size: int) -> None:
        """
        Do nothing.
        """


def _source(host: str, port: int) -> bytes:
    """
    Return an address in one form.
    """
    return f"{host} {port}".encode()


def _single(
    datagrams: Sequence[ReceivedDatagram],
) -> Iterator[tuple[bytes, str, int]]:
    """
    Split groups of datagrams.
    """
    for data, host, port, segment, _ in datagrams:
        if not segment:
            yield data, host, port
            continue
        for begin in range(0, len(data), segment):
            yield data[begin : begin + segment], host, port
