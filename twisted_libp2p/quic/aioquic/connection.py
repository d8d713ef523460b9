# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One connection of aioquic, with the calls and events of the contract.
"""

from __future__ import annotations

from collections.abc import Iterator

from aioquic.quic import events
from aioquic.quic.packet import QuicErrorCode, QuicFrameType

from twisted_libp2p.interfaces import (
    LossCause,
    QuicEvent,
    QuicSettings,
    QuicStats,
    SentDatagram,
)
from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.quic.aioquic.credit import WEB, CreditConnection
from twisted_libp2p.quic.aioquic.phase import PHASES, Phase
from twisted_libp2p.quic.aioquic.streams import Streams

__all__ = ["AioquicConnection"]

#: The phases in which streams go on.
_OPEN = (Phase.CONNECTED, Phase.CONFIRMED)

Event = tuple[object, ...]
Address = tuple[str, int]

#: The alert for a peer with which no application protocol was agreed.
_NO_APPLICATION_PROTOCOL = QuicErrorCode.CRYPTO_ERROR + 120

#: The most bytes of datagrams that are sent together (GSO).
_MAX_BATCH = 65000

# aioquic has no other mark of these two ends.
_IDLE = "Idle timeout"
_NO_VERSION = "Could not find a common protocol version"


class AioquicConnection:
    """
    One connection.

    @ivar quic: aioquic's object.
    @ivar handle: the number of the connection.
    @ivar streams: its streams.
    @ivar ids: the connection ids by which the peer reaches it.
    @ivar dialed: the dialed address; None if the peer has dialed.
    @ivar issued: connection ids that peers may use from now on.
    @ivar retired: connection ids that they no longer use.
    """

    def __init__(
        self,
        quic: CreditConnection,
        handle: int,
        settings: QuicSettings,
        tokens: list[bytes],
    ) -> None:
        self.quic = quic
        self.handle = handle
        self.streams = Streams(
            quic,
            settings.streamWindow,
            settings.connectionWindow,
            settings.sendWindow,
        )
        self.issued: list[bytes] = []
        self.retired: list[bytes] = []
        self.ids = {quic.host_cid}
        self.dialed: Address | None = None
        self._tokens = tokens
        self._settings = settings
        self._phase = Phase.HANDSHAKE
        self._pingAt: float | None = None
        self._address: Address | None = None
        self._received = self._sent = 0

    # Datagrams in

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """
        Take a datagram.
        """
        self._received += 1
        try:
            self.quic.receive_datagram(data, address, now)
        except Exception as error:
            self._broken(error)
        if self._pingAt is not None:
            self._pingAt = now + self._keepAlive()

    def wasReset(self) -> None:
        """
        Note that the peer has no state of this connection.
        """
        self._lose(LossCause.RESET, 0, "the peer has forgotten the connection", "reset")

    # The turn

    def poll(
        self, now: float
    ) -> tuple[list[SentDatagram], list[Event], float | None, bool]:
        """
        Advance the connection, as the contract says.
        """
        quic, streams = self.quic, self.streams
        if self._phase is Phase.FORGOTTEN:
            found, streams.events = streams.events, []
            return [], found, None, True
        sent: list[SentDatagram] = []
        try:
            due = quic.get_timer()
            if due is not None and now >= due:
                quic.handle_timer(now)
            self._progress(now)
            if not streams.events:
                if self._pingAt is not None and now >= self._pingAt:
                    quic.send_ping(0)
                    self._pingAt = now + self._keepAlive()
                sent = list(self._batches(quic.datagrams_to_send(now)))
                # Connection ids are issued as they are sent.
                self._progress(now)
        except Exception as error:
            self._broken(error)
            self._checkEnd()
        found, streams.events = streams.events, []
        due = quic.get_timer()
        over = self._phase is Phase.LOST and due is None
        if self._pingAt is not None and (due is None or self._pingAt < due):
            due = self._pingAt
        return sent, found, due, over

    def _progress(self, now: float) -> None:
        """
        Report what has happened.
        """
        self._translate()
        self._checkEnd()
        if self._phase is Phase.LOST:
            self._pingAt = None
        elif self._phase in _OPEN:
            self._look(now)

    def _look(self, now: float) -> None:
        """
        Report progress for which aioquic has no event.
        """
        quic, streams = self.quic, self.streams
        streams.look()
        if self._pingAt is None:
            self._pingAt = now + self._keepAlive()
        if (
            quic.configuration.is_client
            and quic._handshake_confirmed
            and self._move("confirm")
        ):
            streams.events.append((QuicEvent.CONFIRMED,))
        while self._tokens:
            streams.events.append((QuicEvent.TOKEN, self._tokens.pop()))
        address = quic.get_peer_address()
        if address is not None and address != self._address:
            path = quic._network_paths[0]
            if path.is_validated:
                self._address = (address[0], address[1])
                streams.events.append((QuicEvent.MOVED, *self._address))

    def _translate(self) -> None:
        """
        Translate the events of aioquic.
        """
        streams = self.streams
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, events.StreamDataReceived):
                streams.received(event.stream_id, event.data, event.end_stream)
            elif isinstance(event, events.StreamReset):
                streams.wasReset(event.stream_id, event.error_code)
            elif isinstance(event, events.StopSendingReceived):
                streams.wasStopped(event.stream_id, event.error_code)
            elif isinstance(event, events.ConnectionIdIssued):
                self.issued.append(event.connection_id)
            elif isinstance(event, events.ConnectionIdRetired):
                self.retired.append(event.connection_id)
            elif isinstance(event, events.HandshakeCompleted):
                self._completed()

    def _completed(self) -> None:
        """
        Check that nothing was left out of the handshake; it fails closed.
        """
        context = self.quic.tls
        protocol = (context.alpn_negotiated or "").encode()
        web = self.quic.web is not None and protocol == WEB.encode()
        if not web and protocol not in self._settings.alpn:
            self.quic.close(
                _NO_APPLICATION_PROTOCOL, QuicFrameType.CRYPTO, "no ALPN in common"
            )
        elif (context.leaf is None and not web) or context.early_data_accepted:
            self.quic.close(
                QuicErrorCode.CRYPTO_ERROR, QuicFrameType.CRYPTO, "no certificate"
            )
        elif self._move("complete"):
            self._address = self.quic.get_peer_address()
            self.streams.events.append((QuicEvent.CONNECTED,))

    def _batches(
        self, datagrams: list[tuple[bytes, Address]]
    ) -> Iterator[SentDatagram]:
        """
        Join datagrams of the same size that go to the same address.
        """
        most = self._settings.maxSegments
        self._sent += len(datagrams)
        begin, count = 0, len(datagrams)
        while begin < count:
            data, address = datagrams[begin]
            size = total = len(data)
            end = begin + 1
            while end < count and end - begin < most:
                following, target = datagrams[end]
                total += len(following)
                if target != address or len(following) > size or total > _MAX_BATCH:
                    break
                end += 1
                if len(following) < size:
                    break
            segment = size if end - begin > 1 else 0
            if segment:
                data = b"".join([each for each, _ in datagrams[begin:end]])
            yield SentDatagram(data, address[0], address[1], segment)
            begin = end

    # The end

    def close(self, code: int, reason: bytes) -> None:
        """
        Close the connection.
        """
        if self._move("close"):
            self.quic.close(code, None, reason.decode("utf-8", "replace"))

    def _broken(self, error: Exception) -> None:
        """
        End the connection, since aioquic has raised.
        """
        self.quic.close(QuicErrorCode.INTERNAL_ERROR, QuicFrameType.PADDING, "")
        self._lose(
            LossCause.TRANSPORT,
            QuicErrorCode.INTERNAL_ERROR,
            f"{type(error).__name__}: {error}",
        )

    def _checkEnd(self) -> None:
        """
        Report the end of the connection: aioquic does so only after it has drained.
        """
        event = self.quic._close_event
        if event is None:
            return
        if self._phase is Phase.CLOSING:
            cause = LossCause.LOCAL
        elif event.frame_type is None:
            cause = LossCause.APPLICATION
        elif event.reason_phrase == _IDLE:
            cause = LossCause.TIMEOUT
        elif event.reason_phrase == _NO_VERSION:
            cause = LossCause.VERSION
        else:
            cause = LossCause.TRANSPORT
        self._lose(cause, event.error_code, event.reason_phrase)

    def _lose(self, cause: LossCause, code: int, text: str, how: str = "end") -> None:
        """
        Report the end, once.

        @param how: the event of the table.
        """
        reported = self._phase >= Phase.LOST
        if self._move(how) and not reported:
            self.streams.events.append((QuicEvent.LOST, cause, code, text))

    def _move(self, event: str) -> bool:
        """
        Go to the phase after an event.

        @return: False if the event changes nothing.
        """
        before, self._phase = self._phase, stateAfter(PHASES, self._phase, event)
        return self._phase is not before

    # Facts

    def _keepAlive(self) -> float:
        """
        Return the seconds of silence after which a PING is sent.
        """
        idle = self._settings.idleTimeout
        theirs = self.quic._remote_max_idle_timeout
        if theirs:
            idle = min(idle, theirs)
        return min(self._settings.keepAlive, idle / 3)

    def stats(self) -> QuicStats:
        """
        Return facts of the connection.
        """
        loss = self.quic._loss
        return QuicStats(
            roundTrip=loss._rtt_smoothed,
            mtu=self.quic._max_datagram_size,
            window=loss.congestion_window,
            lost=0,
            sent=self._sent,
            received=self._received,
        )
