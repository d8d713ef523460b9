# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stack: Twisted's TLS on the transport, and the secure transport on that::

    transport
    TLSLayer         what is received is decrypted, what is sent is encrypted
    TLSTransport     waits for the verdict, joins, holds back, types the errors
    wrapped protocol
"""

from __future__ import annotations

from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IProducer,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    HandshakeFailed,
    Libp2pError,
    ProtocolViolation,
    Truncated,
)
from twisted_libp2p.security.tls.handshake import PROTOCOL_ID, TLSHandshake
from twisted_libp2p.security.wrapper import SecureFactory, SecureTransport

__all__ = ["CLOSING_TIME", "TLSFactory", "TLSLayer", "TLSStack", "TLSTransport"]

#: Seconds that a peer is given to take the last alert.
CLOSING_TIME: Final = 5.0


# So many bytes are encrypted at once, and no more than so many come of it: each
# of the records, of up to 16 KiB, takes 22 bytes more.
_PIECE: Final = 64 * 1024
_SEALED_PIECE: Final = 2 * _PIECE


class TLSLayer(TLSMemoryBIOProtocol):
    """
    Twisted's TLS, which tells the protocol above when a read is over.

    It is not Twisted's C{BufferingTLSTransport}: that one drops what is written
    between C{loseConnection} and C{unregisterProducer}.  Small writes are
    joined by the protocol above.
    """

    transport: Any
    wrappedProtocol: TLSTransport

    # Twisted encrypts pieces of 16 KiB, and sends each by itself.  OpenSSL makes
    # the same records of all that it is given at once, at half of the cost.

    def _write(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            if self._lostTLSConnection:
                return
            piece = data[start : start + _PIECE]
            try:
                self._tlsConnection.send(piece)
            except SSL.WantReadError:
                self._bufferedWrite(data[start:])
                return
            except SSL.Error:
                self._tlsShutdownFinished(Failure())
                return
            self._flushSendBIO()

    def _flushSendBIO(self) -> None:
        try:
            sealed = self._tlsConnection.bio_read(_SEALED_PIECE)
        except SSL.WantReadError:
            return
        self.transport.write(sealed)

    def dataReceived(self, data: bytes) -> None:
        """
        Take in bytes of the transport.
        """
        if self.connected:
            above = self.wrappedProtocol
            super().dataReceived(data)
            above.readDone()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The transport is gone.
        """
        # Twisted overrides the reason with what it thinks of the end.
        self.wrappedProtocol.transportReason = reason
        super().connectionLost(reason)


@implementer(IHandshakeListener)
class TLSTransport(SecureTransport):
    """
    The transport of a protocol whose peer is authenticated by TLS.

    The end of the transport is C{ConnectionDone} where the peer has announced it
    by C{close_notify}, or where our own side had begun to close; otherwise it
    is L{Truncated}.  Our side waits for the peer's answer to its own
    C{close_notify}: who does not want to wait for ever aborts.

    @ivar machine: our part of the handshake.
    @ivar transportReason: how the transport ended.
    """

    transport: TLSLayer
    transportReason: Failure

    _producer: Any = None
    _hangingUp: IDelayedCall | None = None
    _heard = False

    def __init__(self, factory: TLSFactory, machine: TLSHandshake) -> None:
        super().__init__(factory, machine)
        self.machine = machine
        self._opened: list[bytes] = []

    # What the layer below calls.

    def handshakeCompleted(self) -> None:
        """
        OpenSSL is content; the verdict is ours.
        """
        chain = self.transport.getHandle().get_peer_cert_chain() or ()
        # A server is not shown the peer's own certificate again.
        others = len(chain) - self.factory.handshake.initiator
        try:
            self.machine.complete(1 + others)
        except HandshakeFailed as error:
            self._refuse(error)
        else:
            self._secure(self.machine)

    def dataReceived(self, data: bytes) -> None:
        """
        Keep what was in a record until the whole read is decrypted.  As of a
        socket, nothing is received of a transport that our side has closed.
        """
        if not self.disconnecting:
            self._opened.append(data)

    def readDone(self) -> None:
        """
        Hand up what a read has brought.
        """
        if self._opened:
            data = b"".join(self._opened)
            self._opened.clear()
            self._heard = True
            super().dataReceived(data)
        below = self.transport.transport
        if below.disconnecting and self.connected and self._hangingUp is None:
            # TLS is over, perhaps with an alert that the peer does not want to
            # read; and a producer would keep the transport from closing.
            self._hangingUp = self.factory.clock.callLater(
                CLOSING_TIME, below.abortConnection
            )
            producer = self._producer
            if producer is not None:
                self.unregisterProducer()
                producer.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The transport is gone: tell whoever has to know.
        """
        if self._hangingUp is not None and self._hangingUp.active():
            self._hangingUp.cancel()
        super().connectionLost(self._explain(reason))

    def _explain(self, reason: Failure) -> Failure:
        """
        @param reason: what the layer below thinks of the end.
        @return: a typed reason.
        """
        shaking = self._machine is not None
        if shaking and self.machine.refusal is not None:
            return Failure(self.machine.refusal)
        error = reason.value
        if (
            isinstance(error, SSL.Error)
            and not isinstance(error, SSL.SysCallError)
            and (shaking or self._channel is not None)
        ):
            return Failure(self._blame(error))
        if (
            shaking
            or self.disconnecting
            or reason is self.transportReason
            or not self.transportReason.check(ConnectionDone)
        ):
            return self.transportReason
        return Failure(Truncated(PROTOCOL_ID))

    def _blame(self, error: SSL.Error) -> Libp2pError:
        """
        Give the typed error for one of OpenSSL's.

        A client is secured before the server has judged its certificate; so as
        long as nothing was heard of the server, an alert is its refusal.
        """
        text = "; ".join(reason for _, _, reason in error.args[0])
        _, isAlert, alert = text.partition(" alert ")
        if isAlert:
            text = f"the peer sent the alert: {alert}"
        unheard = bool(isAlert) and not self._heard and self.factory.handshake.initiator
        if self._machine is not None or unheard:
            return HandshakeFailed(PROTOCOL_ID, text)
        return ProtocolViolation(PROTOCOL_ID, text)

    # What the wrapped protocol calls.

    def loseConnection(self) -> None:
        """
        Close when everything that was written is sent.
        """
        super().loseConnection()
        if self._paused:
            # The peer's answer has to be read.
            self.transport.resumeProducing()

    def loseWriteConnection(self) -> None:
        """
        Send everything that was written, and tell the peer that this was all;
        what the peer says until it closes is still received.
        """
        self._flush()
        self.transport.loseConnection()

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
        registered: Any = producer
        if not streaming:
            registered = _Pulled(producer, self.factory.clock)
        super().registerProducer(registered, True)
        self._producer = registered
        if not streaming:
            registered.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        Forget the producer.
        """
        producer, self._producer = self._producer, None
        if isinstance(producer, _Pulled):
            producer.pauseProducing()
        if self.connected:
            super().unregisterProducer()

    def pauseProducing(self) -> None:
        """
        Deliver nothing until L{resumeProducing}.
        """
        if not self.disconnecting:
            super().pauseProducing()


@implementer(IPushProducer)
class _Pulled:
    """
    Asks a producer that has to be asked, once in each turn of the reactor.
    Twisted's TLS would do it on the global reactor.
    """

    def __init__(self, producer: Any, clock: IReactorTime) -> None:
        self._producer = producer
        self._clock = clock
        self._call: IDelayedCall | None = None

    def resumeProducing(self) -> None:
        """
        Go on asking.
        """
        if self._call is None:
            self._call = self._clock.callLater(0, self._ask)

    def _ask(self) -> None:
        # The producer may unregister, or fill the transport.
        self._call = self._clock.callLater(0, self._ask)
        self._producer.resumeProducing()

    def pauseProducing(self) -> None:
        """
        Ask no more.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def stopProducing(self) -> None:
        """
        The transport is gone.
        """
        self.pauseProducing()
        self._producer.stopProducing()


class TLSFactory(SecureFactory):
    """
    Builds the L{TLSTransport} of one connection.
    """

    protocol = TLSTransport


class TLSStack(TLSMemoryBIOFactory):
    """
    Builds the L{TLSLayer} of one connection, and all above it.
    """

    protocol = TLSLayer
