# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Hostile peers of QUIC, on sockets of their own, over aioquic.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ssl import CERT_NONE

from aioquic import tls
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.stream import QuicStream

from tests.attacks.raw.certificates import Shown
from tests.attacks.raw.packets import sealed

__all__ = [
    "Dialer",
    "Listener",
    "answering",
    "forgedTicket",
    "garbage",
    "hello",
    "initial",
]

Address = tuple[str, int]


def garbage(count: int) -> list[bytes]:
    """
    Make datagrams, a quarter of which look like those that begin a connection.
    """
    made = []
    for number in range(count):
        if number % 4:
            made.append(os.urandom(number % 1400 + 1))
        else:
            head = b"\xc0\0\0\0\1\x08" + os.urandom(8) + b"\x08" + os.urandom(8)
            made.append((head + b"\0\x44\x9e").ljust(1200, b"\7"))
    return made


def initial(dialer: QuicConnection, address: Address) -> bytes:
    """
    Return the first datagram of a dialer.
    """
    dialer.connect(address, time.monotonic())
    first: bytes = dialer.datagrams_to_send(time.monotonic())[0][0]
    return first


class _Silent(tls.Context):
    """
    A dialer that leaves out its certificate, although the listener asks for one.
    """

    def _client_handle_finished(self, input_buf: Buffer, output_buf: Buffer) -> None:
        self._certificate_request = None
        super()._client_handle_finished(input_buf, output_buf)


class _Quic(QuicConnection):
    """
    A connection that may leave out its certificate, or ask for one.

    @ivar silent: whether it leaves it out.
    """

    silent = False

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.tls._request_client_certificate = not self._is_client
        if self.silent:
            self.tls.__class__ = _Silent


def _configuration(
    given: Shown | None, alpn: Sequence[str], isClient: bool
) -> QuicConfiguration:
    configuration = QuicConfiguration(
        is_client=isClient,
        alpn_protocols=list(alpn) or None,
        supported_versions=[1],
        verify_mode=CERT_NONE,
    )
    if given is not None:
        configuration.certificate, configuration.private_key = given[:2]
        configuration.certificate_chain = list(given.more)
    return configuration


def hello(
    given: Shown | None = None,
    alpn: Sequence[str] = ("libp2p",),
    *,
    silent: bool = False,
    ticket: tls.SessionTicket | None = None,
    token: bytes = b"",
    keep: Callable[[tls.SessionTicket], None] | None = None,
) -> QuicConnection:
    """
    Make a dialer.

    @param given: its certificates; it shows an empty list by default.
    @param silent: whether it leaves out the list too.
    @param ticket: a ticket of a session that it wants to resume, with data.
    @param token: a token that it shows.
    @param keep: called with each ticket that the listener issues.
    """
    configuration = _configuration(given, alpn, True)
    configuration.session_ticket = ticket
    configuration.token = token
    quic = _Quic(configuration=configuration, session_ticket_handler=keep)
    quic.silent = silent
    return quic


def answering(
    first: bytes, given: Shown, alpn: Sequence[str] = ("libp2p",)
) -> QuicConnection:
    """
    Make a listener that answers one dialer.

    @param first: the first datagram of the dialer.
    @param given: its certificates.
    """
    return _Quic(
        configuration=_configuration(given, alpn, False),
        original_destination_connection_id=first[6 : 6 + first[5]],
    )


def forgedTicket() -> tls.SessionTicket:
    """
    Make a ticket that nobody has issued.
    """
    now = datetime.now(UTC)
    return tls.SessionTicket(
        age_add=1,
        cipher_suite=tls.CipherSuite.AES_128_GCM_SHA256,
        not_valid_after=now + timedelta(days=1),
        not_valid_before=now,
        resumption_secret=bytes(32),
        server_name="",
        ticket=bytes(64),
        max_early_data_size=0xFFFFFFFF,
    )


class _End:
    """
    A connection on a socket.

    @ivar quic: aioquic's object.
    @ivar address: the address of the peer.
    @ivar ended: the code with which the peer has ended the connection.
    @ivar received: the bytes of each stream.
    @ivar resumed: whether a session was resumed; None before the handshake.
    @ivar acknowledges: whether it says what it has received.
    @ivar sent: the bytes of all datagrams so far.
    @ivar heard: likewise, of those that it has received.
    """

    quic: QuicConnection
    address: Address

    def __init__(self) -> None:
        self.socket = self.bind()
        self.ended: int | None = None
        self.received: dict[int, bytes] = {}
        self.resumed: bool | None = None
        self.acknowledges = True
        self.sent = self.heard = 0

    @staticmethod
    def bind() -> socket.socket:
        """
        Make a socket of loopback.
        """
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        return made

    def move(self) -> None:
        """
        Go on from another port.
        """
        self.socket.close()
        self.socket = self.bind()

    @property
    def confirmed(self) -> bool:
        """
        Whether the node has accepted the certificate.
        """
        return self.quic._handshake_confirmed

    def frames(self, *frames: bytes) -> None:
        """
        Send each of these in a packet of its own.
        """
        for each in frames:
            self.put(sealed(self.quic, each))

    def own(self, numbers: Iterable[int]) -> None:
        """
        Let aioquic know of streams whose frames it does not send.
        """
        for each in numbers:
            self.quic._streams[each] = QuicStream(
                each, max_stream_data_local=1 << 24, max_stream_data_remote=1 << 24
            )

    def put(self, datagram: bytes) -> None:
        """
        Send a datagram as it is.
        """
        try:
            self.socket.sendto(datagram, self.address)
        except BlockingIOError:
            select.select([], [self.socket], [], 1)
            self.socket.sendto(datagram, self.address)
        self.sent += len(datagram)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """
        Carry datagrams for some time, until the connection has ended, or until
        something holds.
        """
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and self.ended is None and not until():
            due = self._advance(now) or end
            wait = max(0.0, min(due, end) - now)
            if select.select([self.socket], [], [], min(wait, 0.05))[0]:
                self._hear()
            self._look()

    def _advance(self, now: float) -> float | None:
        """
        Send, and return when to send again.
        """
        quic = self.quic
        due = quic.get_timer()
        if due is not None and due <= now:
            quic.handle_timer(now)
        if self.acknowledges:
            for data, _ in quic.datagrams_to_send(now):
                self.put(data)
        return quic.get_timer()

    def _hear(self) -> None:
        try:
            while True:
                data, address = self.socket.recvfrom(65535)
                self.heard += len(data)
                self.hear(data, address)
        except BlockingIOError:
            return

    def hear(self, data: bytes, address: Address) -> None:
        """
        Take a datagram.
        """
        if self.acknowledges:
            self.quic.receive_datagram(data, self.address, time.monotonic())

    def _look(self) -> None:
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, events.StreamDataReceived):
                before = self.received.get(event.stream_id, b"")
                self.received[event.stream_id] = before + event.data
            elif isinstance(event, events.HandshakeCompleted):
                self.resumed = event.session_resumed
        closed = self.quic._close_event
        if closed is not None and self.ended is None:
            self.ended = closed.error_code

    def close(self) -> None:
        """
        Close the connection and the socket.
        """
        self.quic.close()
        for data, address in self.quic.datagrams_to_send(time.monotonic()):
            self.socket.sendto(data, address)
        self.socket.close()


class Dialer(_End):
    """
    A dialer on a socket.
    """

    def __init__(self, address: Address, quic: QuicConnection) -> None:
        super().__init__()
        self.quic = quic
        self.address = address
        quic.connect(address, time.monotonic())


class Listener(_End):
    """
    A listener on a socket, for one dialer.

    @ivar first: called with the first datagram of the dialer and the listener, before
        it is answered; returns whether to answer it.
    """

    def __init__(self, given: Shown, alpn: Sequence[str] = ("libp2p",)) -> None:
        super().__init__()
        self._given = given
        self._alpn = alpn
        self._made = False
        self.first: Callable[[bytes], bool] = lambda data: True
        # Until there is a dialer, a connection that does nothing.
        self.quic = QuicConnection(configuration=_configuration(None, (), True))

    @property
    def port(self) -> int:
        """
        The number of its port.
        """
        number: int = self.socket.getsockname()[1]
        return number

    def _advance(self, now: float) -> float | None:
        return super()._advance(now) if self._made else None

    def close(self) -> None:
        """
        Close the connection, if there is one, and the socket.
        """
        if self._made:
            super().close()
        self.socket.close()

    def hear(self, data: bytes, address: Address) -> None:
        """
        Take a datagram, the first of which makes the connection.
        """
        self.address = address
        if not self._made:
            if not self.first(data):
                return
            self._made = True
            self.quic = answering(data, self._given, self._alpn)
        super().hear(data, address)
