# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The endpoint over aioquic: any number of its connections on one socket.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from ssl import CERT_NONE

from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import CipherSuite
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from zope.interface import implementer

from twisted_libp2p.interfaces import (
    IQuicEndpoint,
    Knock,
    QuicSettings,
    QuicStats,
    ReceivedDatagram,
    SentDatagram,
)
from twisted_libp2p.quic.aioquic.connection import AioquicConnection
from twisted_libp2p.quic.aioquic.credit import WEB, CreditConnection, resetToken
from twisted_libp2p.quic.aioquic.knocks import SAFE_SIZE, Knocks
from twisted_libp2p.quic.aioquic.tickets import Tickets
from twisted_libp2p.quic.aioquic.tls import WebCertificate
from twisted_libp2p.quic.headers import (
    CONNECTION_ID_SIZE,
    VERSION_1,
    isLong,
    runs,
)
from twisted_libp2p.quic.tokens import Tokens

__all__ = ["AioquicEndpoint"]

Address = tuple[str, int]

#: The most stateless resets in one call of C{receive}.
_MAX_RESETS = 4

#: The least bytes of a datagram that is answered with a reset, which is shorter.
_LEAST_FOR_RESET = 43

#: The least bytes of a stateless reset.
_LEAST_RESET = 21

#: The round trip that is assumed before it is measured; it is that of aioquic.
_USUAL_ROUND_TRIP = 0.1

_SUITES = [
    CipherSuite.AES_128_GCM_SHA256,
    CipherSuite.AES_256_GCM_SHA384,
    CipherSuite.CHACHA20_POLY1305_SHA256,
]


@implementer(IQuicEndpoint)
class AioquicEndpoint:
    """
    The connections of one socket.
    """

    def __init__(self, settings: QuicSettings, wall: Callable[[], float]) -> None:
        """
        @param wall: returns the seconds since 1970.
        """
        self._settings = settings
        self._tokens = Tokens(settings.tokenKey, wall)
        self._tickets = Tickets() if settings.tickets else None
        self._certificate = x509.load_der_x509_certificate(settings.certificate)
        self._key = load_der_private_key(settings.privateKey, None)
        self._serverConfiguration = self._configuration(False)
        self._web: WebCertificate | None = None
        self._last = 0
        self._connections: dict[int, AioquicConnection] = {}
        self._byID: dict[bytes, AioquicConnection] = {}
        self._dialed: dict[Address, list[AioquicConnection]] = {}
        self._knocks = Knocks(settings, self._tokens)

    def serveWeb(self, certificate: bytes, privateKey: bytes) -> None:
        """
        Accept browsers, with a certificate for them alone.

        @raise ValueError: it cannot be read, or its key cannot.
        """
        self._web = WebCertificate.read(certificate, privateKey)
        configuration = self._configuration(False)
        configuration.alpn_protocols = [*(configuration.alpn_protocols or ()), WEB]
        # Browsers want to hear of datagrams; those that come are dropped.
        configuration.max_datagram_frame_size = SAFE_SIZE
        self._serverConfiguration = configuration

    def _configuration(
        self, isClient: bool, token: bytes = b"", roundTrip: float | None = None
    ) -> QuicConfiguration:
        settings = self._settings
        # HTTP/3 wants to hear of datagrams; those that come are dropped.
        datagrams = SAFE_SIZE if WEB.encode() in settings.alpn else None
        return QuicConfiguration(
            alpn_protocols=[each.decode() for each in settings.alpn],
            certificate=self._certificate,
            cipher_suites=_SUITES,
            connection_id_length=CONNECTION_ID_SIZE,
            idle_timeout=settings.idleTimeout,
            initial_rtt=_USUAL_ROUND_TRIP if roundTrip is None else roundTrip,
            is_client=isClient,
            max_data=settings.connectionWindow,
            max_datagram_frame_size=datagrams,
            max_datagram_size=SAFE_SIZE,
            max_stream_data=settings.streamWindow,
            private_key=self._key,
            supported_versions=[VERSION_1],
            token=token,
            verify_mode=CERT_NONE,
        )

    # Datagrams in

    def receive(
        self, now: float, datagrams: Sequence[ReceivedDatagram]
    ) -> tuple[list[int], list[Knock], list[SentDatagram]]:
        """
        Take received datagrams.
        """
        touched: dict[int, None] = {}
        knocks: list[Knock] = []
        answers: list[SentDatagram] = []
        resets = 0
        for data, host, port, segment, _ in datagrams:
            if not data:
                continue
            address = (host, port)
            for target, start, end in runs(data, segment):
                connection = self._byID.get(target)
                step = segment or len(data)
                for begin in range(start, end, step):
                    piece = data[begin : min(begin + step, end)]
                    if connection is not None:
                        connection.receive(piece, address, now)
                        touched[connection.handle] = None
                    elif isLong(piece):
                        knock = self._knocks.stranger(piece, address, target, answers)
                        if knock is not None:
                            knocks.append(knock)
                    else:
                        lost = self._wasReset(piece, address)
                        if lost is not None:
                            touched[lost.handle] = None
                        elif target and resets < _MAX_RESETS:
                            resets += 1
                            self._reset(piece, address, target, answers)
        return list(touched), knocks, answers

    def _reset(
        self,
        data: bytes,
        address: Address,
        target: bytes,
        answers: list[SentDatagram],
    ) -> None:
        """
        Report to a peer that there is no such connection; the answer is shorter than
        its packet.
        """
        if len(data) < _LEAST_FOR_RESET:
            return
        filler = bytearray(os.urandom(min(len(data) - 1, _LEAST_FOR_RESET) - 16))
        filler[0] = filler[0] & 0x3F | 0x40
        token = resetToken(self._settings.resetKey, target)
        answers.append(SentDatagram(bytes(filler) + token, *address))

    def _wasReset(self, data: bytes, address: Address) -> AioquicConnection | None:
        """
        Find the dialed connection that a packet resets.
        """
        if len(data) < _LEAST_RESET:
            return None
        for each in self._dialed.get(address, ()):
            if data[-16:] == each.quic._peer_cid.stateless_reset_token:
                each.wasReset()
                return each
        return None

    # Knocks

    def accept(self, now: float, knock: int) -> tuple[int | None, list[SentDatagram]]:
        """
        Let a peer connect.
        """
        waiting = self._knocks.decided(knock)
        if waiting is None:
            return None, []
        host = waiting.address[0]
        quic = CreditConnection(
            lambda data: self._settings.judge(data, None),
            self._settings.resetKey,
            lambda: self._tokens.new(host),
            self._settings.maxStreams,
            self._settings.cryptoBuffer,
            self._tickets,
            web=self._web,
            configuration=self._serverConfiguration,
            original_destination_connection_id=waiting.original or waiting.target,
            retry_source_connection_id=waiting.target if waiting.original else None,
        )
        connection = self._add(quic, [])
        connection.ids.add(waiting.target)
        self._byID[waiting.target] = connection
        for data in waiting.datagrams:
            connection.receive(data, waiting.address, now)
        if waiting.validated and quic._network_paths:
            quic._network_paths[0].is_validated = True
        return connection.handle, []

    def retry(self, knock: int) -> list[SentDatagram]:
        """
        Have the peer prove its address.
        """
        return self._knocks.retry(knock)

    def refuse(self, knock: int) -> list[SentDatagram]:
        """
        Refuse a peer.
        """
        return self._knocks.refuse(knock)

    def ignore(self, knock: int) -> None:
        """
        Drop a knock.
        """
        self._knocks.decided(knock)

    # Connections

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
        Begin to connect.  No server name is sent.

        @raise ValueError: the host is no IP address, or the port no number of a port.
        """
        ip_address(host.partition("%")[0])
        if not 0 < port < 65536:
            raise ValueError(f"{port} is no port")
        tokens: list[bytes] = []
        quic = CreditConnection(
            lambda data: self._settings.judge(data, expected),
            self._settings.resetKey,
            None,
            self._settings.maxStreams,
            self._settings.cryptoBuffer,
            self._tickets,
            expected,
            configuration=self._configuration(True, token, roundTrip),
            token_handler=tokens.append,
        )
        connection = self._add(quic, tokens)
        connection.dialed = (host, port)
        self._dialed.setdefault((host, port), []).append(connection)
        quic.connect((host, port), now)
        return connection.handle

    def _add(self, quic: CreditConnection, tokens: list[bytes]) -> AioquicConnection:
        self._last += 1
        connection = AioquicConnection(quic, self._last, self._settings, tokens)
        self._connections[self._last] = connection
        self._byID[quic.host_cid] = connection
        return connection

    def poll(
        self, handle: int, now: float
    ) -> tuple[list[SentDatagram], list[tuple[object, ...]], float | None, bool]:
        """
        Advance a connection.
        """
        connection = self._connections[handle]
        found = connection.poll(now)
        while connection.issued:
            each = connection.issued.pop()
            connection.ids.add(each)
            self._byID[each] = connection
        while connection.retired:
            each = connection.retired.pop()
            connection.ids.discard(each)
            self._byID.pop(each, None)
        return found

    def forget(self, handle: int) -> None:
        """
        Forget a connection, and its ids.
        """
        connection = self._connections.pop(handle)
        for each in connection.ids:
            if self._byID.get(each) is connection:
                del self._byID[each]
        address = connection.dialed
        if address is not None:
            others = self._dialed[address]
            others.remove(connection)
            if not others:
                del self._dialed[address]

    # Streams

    def open(self, handle: int, unidirectional: bool = False) -> int | None:
        """
        Open a stream.
        """
        return self._connections[handle].streams.open(unidirectional)

    def write(
        self, handle: int, stream: int, pieces: Sequence[bytes | memoryview]
    ) -> int:
        """
        Send bytes.
        """
        return self._connections[handle].streams.write(stream, pieces)

    def finish(self, handle: int, stream: int) -> None:
        """
        End our half of a stream.
        """
        self._connections[handle].streams.finish(stream)

    def reset(self, handle: int, stream: int, code: int) -> None:
        """
        Reset our half of a stream.
        """
        self._connections[handle].streams.reset(stream, code)

    def stop(self, handle: int, stream: int, code: int) -> None:
        """
        Ask the peer to send no longer.
        """
        self._connections[handle].streams.stop(stream, code)

    def read(
        self, handle: int, stream: int, maximum: int
    ) -> tuple[bytes, int | None] | None:
        """
        Read bytes, and give credit.
        """
        return self._connections[handle].streams.read(stream, maximum)

    def close(self, handle: int, now: float, code: int, reason: bytes) -> None:
        """
        Close a connection.
        """
        self._connections[handle].close(code, reason)

    def ping(self, handle: int) -> None:
        """
        Send a PING.
        """
        self._connections[handle].quic.send_ping(0)

    def moved(self, handle: int, now: float) -> None:
        """
        Note that our own address has changed.
        """
        quic = self._connections[handle].quic
        quic.change_connection_id()
        quic.send_ping(0)

    def setWindow(self, handle: int, size: int) -> None:
        """
        Change the window of a connection.
        """
        self._connections[handle].streams.setWindow(size)

    # Facts

    def certificate(self, handle: int) -> bytes | None:
        """
        Return the certificate of the peer.
        """
        quic = self._connections[handle].quic
        return quic.tls.leaf if quic._network_paths else None

    def alpn(self, handle: int) -> bytes | None:
        """
        Return the agreed application protocol.
        """
        quic = self._connections[handle].quic
        agreed = quic.tls.alpn_negotiated if quic._network_paths else None
        return None if agreed is None else agreed.encode()

    def address(self, handle: int) -> tuple[str, int]:
        """
        Return the address of the peer.
        """
        host, port, *_ = self._connections[handle].quic.get_peer_address() or ("", 0)
        return host, port

    def stats(self, handle: int) -> QuicStats:
        """
        Return facts of a connection.
        """
        return self._connections[handle].stats()
