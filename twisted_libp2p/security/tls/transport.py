# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The transport that TLS gives: one whose ends are announced.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.errors import (
    HandshakeFailed,
    ProtocolViolation,
    RemoteError,
    Truncated,
)
from twisted_libp2p.interfaces import Role
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.security.machine import Channel, HandshakeMachine
from twisted_libp2p.security.tls.verdict import PROTOCOL_ID
from twisted_libp2p.security.wrapper import SecureFactory, SecureTransport

__all__ = ["CLOSING_TIME", "TLSFactory", "TLSTransport"]

#: Seconds that a peer is given to take the last alert.
CLOSING_TIME: Final = 5.0


class TLSTransport(SecureTransport):
    """
    The transport of a protocol whose peer is authenticated by TLS.

    The end of the transport is C{ConnectionDone} where the peer has announced it
    by C{close_notify}, or where our own side had begun to close; otherwise it
    is L{Truncated}.  Our side waits for the peer's answer to its own
    C{close_notify}: who does not want to wait for ever aborts.
    """

    _producer: Any = None
    _hangingUp: Deadline | None = None
    _refusal: Exception | None = None
    _closing = False
    _heard = False

    # What the transport below calls.

    def dataReceived(self, data: bytes) -> None:
        """
        Take in bytes of the transport.
        """
        if self._hangingUp is None:
            super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The transport is gone: tell whoever has to know.
        """
        if self._hangingUp is not None and self._hangingUp.active():
            self._hangingUp.cancel()
        self._producer = None
        if self._refusal is not None:
            reason = Failure(self._refusal.with_traceback(None))
        super().connectionLost(reason)

    def _explain(self, channel: Channel | None, reason: Failure) -> Failure:
        """
        @return: a typed reason.
        """
        if self.announced:
            return connectionDone
        if self.disconnecting or not reason.check(ConnectionDone):
            return reason
        return Failure(Truncated(PROTOCOL_ID))

    # From handshake to channel.

    def _secure(self, machine: HandshakeMachine) -> None:
        """
        Connect the wrapped protocol; OpenSSL may have something for it already,
        which came behind the handshake.
        """
        self._held.append(b"")
        super()._secure(machine)

    def _open(self, channel: Any, data: bytes) -> None:
        """
        Hand up what is in some bytes of the transport.
        """
        super()._open(channel, data)
        if self._channel is None:
            return
        waited = channel.waiting
        self._ahead += b"".join(channel.late())
        if channel.ended:
            self.announced = True
            self._flush(now=False)
            if self._channel is not None:
                self._hangUp(channel.close())
        elif waited and self._closing and not channel.waiting:
            self._announce()

    def _hand(self, plaintext: bytes) -> None:
        """
        Deliver.  As of a socket, nothing is received of a transport that our
        side has closed.
        """
        self._heard = True
        if not self.disconnecting:
            super()._hand(plaintext)

    def _flush(self, now: bool) -> None:
        """
        Send the joined writes, unless the peer keeps them from being sent.
        """
        super()._flush(now)
        channel: Any = self._channel
        if channel is not None and channel.overdue:
            self._violated(
                ProtocolViolation(PROTOCOL_ID, "messages without data, and no end")
            )

    # How it ends.

    def _refuse(self, error: Exception) -> None:
        """
        The handshake is over: tell the peer, then hang up.  Who has to know is
        told when the transport is gone, for it would be dropped at once.
        """
        machine: Any = self._machine
        self._refusal = error
        self._hangUp(machine.farewell)

    def _violated(self, error: RemoteError) -> None:
        """
        The peer has broken the protocol, or says that we have.

        A client is secured before the server has judged its certificate; so as
        long as nothing was heard of the server, an alert is its refusal.
        """
        channel: Any = self._channel
        if channel is None:
            return
        alert = channel.alert is not None
        if alert and not self._heard and self.factory.handshake.role is Role.CLIENT:
            error = HandshakeFailed(PROTOCOL_ID, str(error.args[1]))
        self._reason = Failure(error)
        self._hangUp(channel.farewell)

    def _hangUp(self, last: bytes) -> None:
        """
        TLS is over.  The peer may not want to read this last alert, and a
        producer would keep the transport from closing.
        """
        self._channel = None
        self._held.clear()
        self._pending.clear()
        if not self.connected:
            return
        producer, self._producer = self._producer, None
        last, self._ahead = self._ahead + last, b""
        if last:
            self.below.write(last)
        if producer is not None:
            self.transport.unregisterProducer()
        self._hangingUp = Deadline(
            self.factory.clock, CLOSING_TIME, self.transport.abortConnection
        )
        self.transport.loseConnection()
        if producer is not None:
            producer.stopProducing()

    # What the wrapped protocol calls.

    def loseConnection(self) -> None:
        """
        Close when everything that was written is sent.
        """
        self.disconnecting = True
        self.loseWriteConnection()
        if self._paused:
            # The peer's answer has to be read.
            self.resumeProducing()

    def loseWriteConnection(self) -> None:
        """
        Send everything that was written, and tell the peer that this was all;
        what the peer says until it closes is still received.
        """
        self._closing = True
        self._announce()

    def _announce(self) -> None:
        """
        Tell the peer of our end, when no producer has anything to say any more.
        """
        self._flush(now=False)
        channel: Any = self._channel
        if channel is not None and self._producer is None:
            last = channel.close()
            if last:
                self.below.write(last)
            if self.disconnecting and not channel.waiting:
                self._halfClose()

    def _halfClose(self) -> None:
        """
        Close our direction of the transport, if it can: there are peers that
        answer to nothing else (js-libp2p does not, to C{close_notify}).
        """
        half = getattr(self.transport, "loseWriteConnection", None)
        if half is not None:
            half()

    def abortConnection(self) -> None:
        """
        Close at once: nothing more is sent, nothing more is received.
        """
        if self.connected:
            super().abortConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Let the transport tell a producer when to pause.
        """
        if self._hangingUp is not None or not self.connected:
            producer.stopProducing()
            return
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        self._producer = producer
        super().registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """
        Forget the producer.
        """
        if self._producer is not None:
            self._producer = None
            super().unregisterProducer()
            if self._closing:
                self._announce()

    def pauseProducing(self) -> None:
        """
        Deliver nothing until C{resumeProducing}.
        """
        if not self.disconnecting:
            super().pauseProducing()


class TLSFactory(SecureFactory):
    """
    Builds the L{TLSTransport} of one connection.
    """

    protocol = TLSTransport
