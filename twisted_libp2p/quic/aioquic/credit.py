# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A connection of aioquic that gives credit for read bytes alone, and keeps no more than
it has given credit for.

aioquic doubles the windows of streams and connections as bytes arrive, without a
bound.  Here the user sets them, and the frames are sent when they change.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import digest
from typing import Any

from aioquic.buffer import (  # type: ignore[attr-defined]
    UINT_VAR_MAX_SIZE,
    Buffer,
)
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    Limit,
    QuicConnection,
    QuicConnectionError,
    QuicReceiveContext,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream
from aioquic.tls import ExtensionType

from twisted_libp2p.quic.aioquic.parts import SparseStreams, sparse
from twisted_libp2p.quic.aioquic.tickets import Tickets
from twisted_libp2p.quic.aioquic.tls import (
    MAX_MESSAGE,
    JudgingContext,
    WebCertificate,
)

__all__ = ["WEB", "CreditConnection", "resetToken"]

#: The application protocol of browsers.
WEB = "h3"

#: The streams of one direction that a browser may have: HTTP/3 needs three, and clients
#: try others to see whether they are refused well.
WEB_STREAMS = 16

_FRAME_CAPACITY = 1 + 2 * UINT_VAR_MAX_SIZE


def resetToken(key: bytes, connectionID: bytes) -> bytes:
    """
    Return the token of a stateless reset: only we can make it, and need no state.
    """
    return digest(key, connectionID, "sha256")[:16]


class CreditConnection(QuicConnection):
    """
    One connection.

    @ivar judge: judges the certificate of the peer, and returns its public key.
    @ivar resetKey: the key of stateless resets.
    @ivar newToken: returns a token for the next dial of the peer; None sends none.
    @ivar cryptoBuffer: the most bytes of handshake messages that wait for others.
    @ivar tickets: the sessions that may be resumed; None resumes nothing.
    @ivar expected: the bytes of the peer id that has to answer; None for any, and for a
        listener.
    @ivar web: the certificate for browsers; None if they are not served.
    """

    tls: JudgingContext

    def __init__(
        self,
        judge: Callable[[bytes], bytes],
        resetKey: bytes,
        newToken: Callable[[], bytes] | None,
        maxStreams: int,
        cryptoBuffer: int,
        tickets: Tickets | None = None,
        expected: bytes | None = None,
        web: WebCertificate | None = None,
        *,
        configuration: QuicConfiguration,
        **options: Any,
    ) -> None:
        super().__init__(configuration=configuration, **options)
        self.judge = judge
        self.resetKey = resetKey
        self.newToken = newToken
        self.cryptoBuffer = cryptoBuffer
        self.tickets = tickets
        self.expected = expected
        self.web = web
        self._streams = SparseStreams()
        self._limitStreams(self._local_max_streams_bidi, maxStreams)
        # libp2p has no streams of one direction; HTTP/3 has.
        dialsWeb = configuration.is_client and WEB in (
            configuration.alpn_protocols or ()
        )
        self._limitStreams(self._local_max_streams_uni, WEB_STREAMS * dialsWeb)
        if not configuration.is_client:
            for each in self._host_cids:
                each.stateless_reset_token = resetToken(resetKey, each.cid)

    @staticmethod
    def _limitStreams(limit: Limit, count: int) -> None:
        limit.value = limit.sent = count

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        # aioquic makes it itself, and has no place for a class of ours.
        self.tls.__class__ = JudgingContext
        self.tls.begin(self.judge, self._is_client)
        if self.tickets is not None:
            if self._is_client:
                self.tls.resumeAt(self.tickets, self.expected)
            else:
                self.tls.resumeFor(self.tickets)
        for each in self._crypto_streams.values():
            sparse(each)

    def _alpn_handler(self, alpn_protocol: str) -> None:
        """
        Serve a browser, if it is one.  This is called before our answer is made.
        """
        if self.web is not None and alpn_protocol == WEB:
            self.tls.serveWeb(self.web)
            self._limitStreams(self._local_max_streams_uni, WEB_STREAMS)
            # They were encoded when the first packet came.
            parameters = self._serialize_transport_parameters()
            self.tls.handshake_extensions = [
                (ExtensionType.QUIC_TRANSPORT_PARAMETERS, parameters)
            ]
        super()._alpn_handler(alpn_protocol)

    def _handle_crypto_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        """
        Take handshake messages, within bounds: aioquic alone keeps half a megabyte of
        each epoch out of order, and a message of any size.
        """
        begin = buf.tell()
        end = buf.pull_uint_var() + buf.pull_uint_var()
        buf.seek(begin)
        receiver = self._crypto_streams[context.epoch].receiver
        if (
            end - receiver.starting_offset() > self.cryptoBuffer
            or self.tls.incomplete > MAX_MESSAGE
        ):
            raise QuicConnectionError(
                QuicErrorCode.CRYPTO_BUFFER_EXCEEDED,
                frame_type,
                "too many bytes of the handshake",
            )
        super()._handle_crypto_frame(context, frame_type, buf)

    def _replenish_connection_ids(self) -> None:
        super()._replenish_connection_ids()
        for each in self._host_cids:
            if not each.was_sent:
                each.stateless_reset_token = resetToken(self.resetKey, each.cid)

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        """
        Send the window of a stream if it has changed.
        """
        window = stream.max_stream_data_local
        if stream.max_stream_data_local_sent == window or stream.receiver.is_finished:
            return
        buf = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        buf.push_uint_var(stream.stream_id or 0)
        buf.push_uint_var(window)
        stream.max_stream_data_local_sent = window

    def _write_connection_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace
    ) -> None:
        """
        Send the window of the connection, and the count of streams, if they have
        changed.
        """
        limit = self._local_max_data
        used, limit.used = limit.used, 0  # nothing to double
        try:
            super()._write_connection_limits(builder, space)
        finally:
            limit.used = used

    def _write_handshake_done_frame(self, builder: QuicPacketBuilder) -> None:
        """
        Confirm the handshake, and give the dialer a token for its next dial.
        """
        super()._write_handshake_done_frame(builder)
        if self.newToken is not None:
            token = self.newToken()
            buf = builder.start_frame(
                QuicFrameType.NEW_TOKEN, capacity=_FRAME_CAPACITY + len(token)
            )
            buf.push_uint_var(len(token))
            buf.push_bytes(token)
