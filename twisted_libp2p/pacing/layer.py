# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The base class of the protocols that are stacked between a transport and an
application: negotiators, security protocols, private networks, muxers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.interfaces import IFlushable, IHalfCloseable
from twisted_libp2p.pacing.below import Switchable, flushable, halfClose

__all__ = ["Layer"]


@implementer(ITransport, IConsumer, IPushProducer, IFlushable, IHalfCloseable)
class Layer(ProtocolWrapper, Switchable):
    """
    A protocol to the transport below it, and a transport to the protocol above it.

    By itself it changes nothing: each call is passed on.  It defines every method of
    a transport, so that a subclass which encrypts cannot be bypassed by one that it
    has forgotten; the base class would forward any method to the transport.

    A subclass that passes half-closes on declares C{IHalfCloseableProtocol}: the two
    methods are here.  Without the declaration Twisted's transports close instead.

    @ivar transport: the transport below; None before there is a connection.
    @ivar below: the same transport, as the object through which all bytes are written.
    @ivar wrappedProtocol: the protocol above; None before there is one, and after the
        connection.
    """

    transport: Any
    below: IFlushable
    wrappedProtocol: Any

    def __init__(self, factory: Any, wrappedProtocol: IProtocol | None = None) -> None:
        """
        @param factory: the factory that builds this layer.  It does not keep a list
            of its layers, as C{WrappingFactory} does of its protocols.
        """
        self.factory: Any = factory
        self.wrappedProtocol = wrappedProtocol

    def __getattr__(self, name: str) -> NoReturn:
        """
        Refuse the attributes that the base class would look up in the transport.
        """
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs what happens in this layer.
        """
        if self.wrappedProtocol is None:
            return type(self).__name__
        return super().logPrefix()  # type: ignore[no-any-return]

    # What the transport below calls.

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the wrapped protocol, if there is one yet, to this layer.
        """
        self.connected = 1
        self.transport = transport
        self.below = flushable(transport)
        if self.wrappedProtocol is not None:
            self.wrappedProtocol.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass on the received bytes.
        """
        self.wrappedProtocol.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end of the transport to the wrapped protocol, once.
        """
        self.connected = 0
        wrapped, self.wrappedProtocol = self.wrappedProtocol, None
        if wrapped is not None:
            wrapped.connectionLost(reason)

    def readConnectionLost(self) -> None:
        """
        Report that the peer sends nothing more; close if the wrapped protocol does
        not handle half-closes.
        """
        wrapped = self.wrappedProtocol
        if IHalfCloseableProtocol.providedBy(wrapped):
            wrapped.readConnectionLost()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Report that our side sends nothing more.
        """
        wrapped = self.wrappedProtocol
        if IHalfCloseableProtocol.providedBy(wrapped):
            wrapped.writeConnectionLost()

    # What the wrapped protocol calls.

    @property
    def disconnecting(self) -> Any:  # type: ignore[override]
        """
        Whether our side has begun to close.
        """
        return self.transport.disconnecting

    def write(self, data: bytes) -> None:
        """
        Send bytes.
        """
        self.below.write(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Send several pieces of bytes.
        """
        self.write(b"".join(iovec))

    def writeNow(self, data: bytes) -> None:
        """
        Send bytes at once, as far as the transport takes them.
        """
        self.write(data)
        self.flush()

    def flush(self) -> None:
        """
        Send the written bytes at once, as far as the transport takes them.
        """
        self.below.flush()

    def loseConnection(self) -> None:
        """
        Close when all written bytes are sent.
        """
        self.transport.loseConnection()

    def loseWriteConnection(self) -> None:
        """
        Close our direction when all written bytes are sent, if the transport can.
        """
        halfClose(self.transport)

    def abortConnection(self) -> None:
        """
        Close at once.
        """
        self.transport.abortConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Let the transport pause and resume a producer.
        """
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """
        Forget the producer.
        """
        self.transport.unregisterProducer()

    def stopConsuming(self) -> None:
        """
        Forget the producer, and close.
        """
        self.unregisterProducer()
        self.loseConnection()

    def pauseProducing(self) -> None:
        """
        Deliver nothing until L{resumeProducing}.
        """
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Deliver again.
        """
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        Close, since nothing more is wanted.
        """
        self.transport.stopProducing()

    def getPeer(self) -> Any:
        """
        Return the address of the peer, as the transport knows it.
        """
        return self.transport.getPeer()

    def getHost(self) -> Any:
        """
        Return our own address, as the transport knows it.
        """
        return self.transport.getHost()

    # What a negotiator above calls.

    @property
    def protocol(self) -> Any:
        """
        The wrapped protocol.
        """
        return self.wrappedProtocol

    @protocol.setter
    def protocol(self, protocol: IProtocol | None) -> None:
        self.wrappedProtocol = protocol
