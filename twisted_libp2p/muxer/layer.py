# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The layer of a muxer: it is stacked on a transport of bytes, as all others are, and
gives its session the received bytes and the events of the transport.
"""

from __future__ import annotations

from typing import Any, NoReturn

from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure

from twisted_libp2p.errors import ProtocolViolation, StreamAborted
from twisted_libp2p.interfaces import IMuxedConnection
from twisted_libp2p.muxer.phase import RUNNING
from twisted_libp2p.muxer.session import MuxerSession
from twisted_libp2p.pacing import Layer

__all__ = ["MuxerLayer", "SessionFactory"]


class MuxerLayer(Layer):
    """
    The layer between a transport of bytes and the streams of a session.

    Above it are no bytes: the streams are the transports of the applications.  A call
    that ends the layer ends the session.

    @ivar session: the session, which has the streams.
    """

    __slots__ = (
        "below",
        "connected",
        "factory",
        "session",
        "transport",
        "wrappedProtocol",
    )

    def __init__(self, factory: IProtocolFactory, session: MuxerSession) -> None:
        super().__init__(factory)
        self.transport: Any = None
        self.connected = 0
        self.session = session

    # Calls of the transport below

    def makeConnection(self, transport: Any) -> None:
        """
        Begin the session.
        """
        super().makeConnection(transport)
        # The first frames leave at the end of this call, as those of a read do.
        session = self.session
        turns = session.turns
        turns.held = True
        try:
            session.start(transport, self.below)
        finally:
            turns.held = False
        turns.run()

    def dataReceived(self, data: bytes) -> None:
        """
        Act on received bytes, then send all that came of it.
        """
        session = self.session
        if session.phase is not RUNNING:
            return
        turns = session.turns
        turns.held = True
        turns.received += len(data)
        try:
            session.parse(data)
        except ProtocolViolation as violation:
            session.violated(violation)
        finally:
            turns.held = False
        if turns.queue or turns.control or turns.toNotify or turns.wantsMore:
            turns.run()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the session.
        """
        self.connected = 0
        self.session.transportLost(reason)

    # Calls of a layer above, which does not exist

    def write(self, data: bytes) -> NoReturn:
        """
        Refuse bytes that belong to no stream.
        """
        raise TypeError("a session takes no bytes: write on a stream of it")

    def loseConnection(self) -> None:
        """
        End the session.
        """
        self.session.close()

    def loseWriteConnection(self) -> None:
        """
        End the session, which has no halves.
        """
        self.session.close()

    def abortConnection(self) -> None:
        """
        End the session at once.
        """
        self.session.abort(Failure(StreamAborted()))


class SessionFactory(WrappingFactory):
    """
    A wrapping factory whose wrapped factory, the owner of the session, is asked once
    for every stream, not once for the connection.
    """

    noisy = False

    def __init__(self, connection: IMuxedConnection, session: MuxerSession) -> None:
        """
        Keep the session until its layer is built.

        @param connection: the owner of the session.
        """
        super().__init__(connection)
        self._session: MuxerSession | None = session

    def buildProtocol(self, addr: object) -> MuxerLayer:
        """
        Build the layer of the session, once.
        """
        # There is one session for a connection, and this stays as long as it does.
        session, self._session = self._session, None
        assert session is not None
        return MuxerLayer(self, session)
