# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A browser in memory: aioquic's HTTP/3 and WebTransport, and a node for it.
"""

from __future__ import annotations

from ssl import CERT_NONE
from typing import Any

from aioquic.h3 import events as h3
from aioquic.h3.connection import H3Connection
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from twisted.internet.task import Clock

from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Handshake,
    IQuicBackend,
    ReceivedDatagram,
    Role,
)
from twisted_libp2p.quic.hub import QuicHub
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.memory import PeerMemory
from twisted_libp2p.quic.selftest import settingsOf
from twisted_libp2p.quic.webtransport.http3 import PATH
from twisted_libp2p.quic.webtransport.serving import WebServing
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey
from twisted_libp2p.testing.muxer.doubles import MuxedConnectionDouble
from twisted_libp2p.testing.quic.network import UpgradeDouble, Wire
from twisted_libp2p.testing.quic.pair import MOMENT

__all__ = ["Browser", "Served"]

_BROWSER, _NODE = ("192.0.2.1", 50001), ("192.0.2.2", 4002)

#: Seconds of a step.
_STEP = 0.01


class Served:
    """
    A node that serves browsers.

    @ivar hub: its socket.
    @ivar serving: its certificates.
    @ivar upgrade: the upgrade of the first connection.
    @ivar owner: the owner of its session.
    """

    def __init__(self, clock: Clock, backend: IQuicBackend) -> None:
        self.clock = clock
        self.identity = Identity.generate()
        self.visitor = Identity.generate()
        self.now = MOMENT
        judge = CertificateJudge(lambda: MOMENT)
        settings = settingsOf(self.identity, judge, (b"t" * 32, b"r" * 32), MOMENT)
        self.hub = QuicHub(
            clock,
            clock.seconds,
            backend,
            settings,
            judge,
            PeerMemory(),
            lambda hub: None,
        )
        self.wire = Wire(*_NODE)
        self.hub.port = self.wire
        self.serving = WebServing(clock, self.identity, lambda: self.now)
        handshake = Handshake(
            self.identity, Role.SERVER, None, ("/yamux/1.0.0",), lambda reason: None
        )
        self.upgrade = UpgradeDouble(handshake)
        self.owner = MuxedConnectionDouble(self.identity.peerID, self.visitor.peerID)
        self.upgrade.ready = lambda session: session.start(self.owner)
        self.listener = self.serving.listen(self.hub, lambda address: self.upgrade)


class Browser:
    """
    One connection of a browser to a node.

    @ivar answers: the answers to requests, by stream.
    @ivar received: the bytes of streams; with the head, on streams that the node opens.
    @ivar ended: the streams whose end has come.
    @ivar resets: the codes of resets and of streams that the node reads no longer.
    """

    def __init__(self, served: Served, alpn: str = "h3") -> None:
        self._served = served
        configuration = QuicConfiguration(
            alpn_protocols=[alpn],
            max_datagram_frame_size=65536,
            max_datagram_size=1200,
            verify_mode=CERT_NONE,
        )
        self.quic = QuicConnection(configuration=configuration)
        self.http: H3Connection | None = None
        self.answers: dict[int, dict[bytes, bytes]] = {}
        self._requests: set[int] = {3, 7, 11}
        self.received: dict[int, bytearray] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.quic.connect(_NODE, served.clock.seconds())
        self.flush()

    def flush(self) -> None:
        """
        Carry datagrams until all is quiet.
        """
        clock, wire = self._served.clock, self._served.wire
        quiet = 0
        while quiet < 4:
            moved = False
            now = clock.seconds()
            due = self.quic.get_timer()
            if due is not None and due <= now:
                self.quic.handle_timer(now)
            sent = [data for data, _ in self.quic.datagrams_to_send(now)]
            if sent:
                moved = True
                self._served.hub.received(
                    [ReceivedDatagram(each, *_BROWSER) for each in sent]
                )
            clock.advance(0)
            while wire.sent:
                moved = True
                data, _, _, segment, _ = wire.sent.popleft()
                for begin in range(0, len(data), segment or len(data)):
                    piece = data[begin : begin + (segment or len(data))]
                    self.quic.receive_datagram(piece, _NODE, clock.seconds())
            self._look()
            quiet = 0 if moved else quiet + 1
            clock.advance(_STEP)

    @property
    def closed(self) -> events.ConnectionTerminated | None:
        """
        The end of the connection.
        """
        return self.quic._close_event

    def _look(self) -> None:
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, events.HandshakeCompleted):
                self.http = H3Connection(self.quic, enable_webtransport=True)
            elif isinstance(event, events.StreamReset | events.StopSendingReceived):
                self.resets[event.stream_id] = event.error_code
            if (
                isinstance(event, events.StreamDataReceived)
                and event.stream_id not in self._requests
            ):
                # aioquic has no event for bytes of streams of a session.
                self._took(event.stream_id, event.data, event.end_stream)
                continue
            if self.http is not None:
                for each in self.http.handle_event(event):
                    self._heard(each)

    def _heard(self, event: h3.H3Event) -> None:
        if isinstance(event, h3.HeadersReceived):
            self.answers[event.stream_id] = dict(event.headers)
        elif isinstance(event, h3.WebTransportStreamDataReceived):
            self._took(event.stream_id, event.data, event.stream_ended)

    def _took(self, stream: int, data: bytes, ended: bool) -> None:
        self.received.setdefault(stream, bytearray()).extend(data)
        if ended:
            self.ended.add(stream)

    # What a page does

    def request(self, stream: int | None = None, **changes: bytes) -> int:
        """
        Ask for a session.

        @param stream: the stream; None for a new one.
        @param changes: other values of headers, by their names without colon.
        @return: the stream.
        """
        assert self.http is not None
        fields = {
            "method": b"CONNECT",
            "protocol": b"webtransport",
            "scheme": b"https",
            "authority": b"192.0.2.2:4002",
            "path": PATH,
            **changes,
        }
        if stream is None:
            stream = self.quic.get_next_available_stream_id()
        self._requests.add(stream)
        self.http.send_headers(
            stream, [(f":{key}".encode(), value) for key, value in fields.items()]
        )
        self.flush()
        return stream

    def open(self, session: int, data: bytes = b"", flush: bool = True) -> int:
        """
        Open a stream of a session.
        """
        assert self.http is not None
        stream = self.http.create_webtransport_stream(session)
        self.write(stream, data, flush=flush)
        return stream

    def write(
        self, stream: int, data: bytes, ended: bool = False, flush: bool = True
    ) -> None:
        """
        Write to a stream.
        """
        self.quic.send_stream_data(stream, data, ended)
        if flush:
            self.flush()

    def noise(self) -> NoiseHandshake:
        """
        Make the browser's side of the proof.
        """
        visitor = self._served.visitor
        handshake = Handshake(
            visitor,
            Role.CLIENT,
            self._served.identity.peerID,
            (),
            lambda reason: None,
        )
        return NoiseHandshake(handshake, StaticKey.sign(visitor))

    def prove(self, session: int) -> tuple[int, NoiseHandshake]:
        """
        Open the first stream, and go through the handshake of Noise on it.

        @return: the stream, and the handshake.
        """
        noise = self.noise()
        stream = self.open(session, noise.start())
        answer = noise.receive(bytes(self.received.pop(stream)))
        self.write(stream, answer, True)
        return stream, noise

    def connect(self) -> int:
        """
        Open a session, and prove who we are.
        """
        session = self.request()
        self.prove(session)
        return session

    def certificate(self) -> Any:
        """
        Return the certificate of the node.
        """
        return self.quic.tls._peer_certificate
