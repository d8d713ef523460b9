# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The negotiation of the protocol of a stream: the side of the peer's streams, and the
side of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.python.failure import Failure

from twisted_libp2p.connection.guarded import GuardedFactory
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.errors import (
    ConnectionClosing,
    ErrorCode,
    Libp2pError,
    UnsupportedProtocol,
)
from twisted_libp2p.interfaces import Direction, IMuxedStream, IStreamScope
from twisted_libp2p.negotiation import Negotiation, Negotiator, multistream
from twisted_libp2p.pacing import Deadlines

__all__ = ["Inbound", "Negotiating", "Outbound", "StreamOwner"]


_INBOUND, _OUTBOUND = Direction


class StreamOwner(Protocol):
    """
    A connection, as the negotiations of its streams see it.
    """

    def agreed(self, stream: IMuxedStream, direction: Direction) -> None:
        """
        Announce a stream whose protocol is negotiated, and that is no longer in
        L{Negotiating}.

        @param direction: the side that opened it.
        """

    def withdraw(self, opening: Outbound) -> None:
        """
        Forget a stream that waits to be opened.
        """


#: The streams whose protocol is not negotiated yet, with their connections.
Negotiating = dict[IMuxedStream, StreamOwner]


class _StreamNegotiator(Negotiator):
    """
    The negotiator of a stream.
    """

    def makeConnection(self, transport: IMuxedStream) -> None:
        """
        Begin.  A stream can replace its protocol, and its protocol was not agreed by
        other means: neither is asked for each of them.
        """
        self.connected = 1
        self.transport = self._switch = transport
        self.begin(transport, self.factory)


class _Answerer(_StreamNegotiator):
    """
    The negotiator of a stream that the peer opens.
    """

    factory: Inbound

    def _finish(self, reason: Failure) -> None:
        """
        Report the failure, and log a peer that has found none of its protocols here.
        """
        error = reason.value
        if isinstance(error, UnsupportedProtocol):
            self.factory.notServed(error.proposed, self.transport)
        super()._finish(reason)


class Inbound(Negotiation):
    """
    The negotiation of the streams that peers open, for all connections of a node.
    """

    def __init__(
        self,
        registry: Registry,
        negotiating: Negotiating,
        clock: IReactorTime,
        deadlines: Deadlines,
    ) -> None:
        """
        Negotiate on the streams of a node.

        @param registry: the protocols that are served.
        @param negotiating: the streams whose protocol is not negotiated yet.
        @param clock: runs the timers.
        @param deadlines: the time for one negotiation.
        """
        self.clock = clock
        self.deadlines = deadlines
        self._registry = registry
        self._negotiating = negotiating

    def machine(self) -> multistream.Responder:
        """
        Make the machine that answers the proposals of the peer.
        """
        return multistream.Responder(self._registry.lookup, self._registry.protocols)

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator:
        """
        Build the negotiator of one stream.
        """
        return _Answerer(self, self.machine())

    def notServed(self, protocols: Sequence[str], stream: IMuxedStream) -> None:
        """
        Log that none of the protocols that a peer has proposed is served.
        """
        self._registry.notServed(protocols, stream.connection.remotePeer)

    def choose(self, protocol: str, stream: IMuxedStream) -> IProtocolFactory | None:
        """
        Return the factory that serves a protocol; None if too many streams speak it, or
        if the peer is not on its list.
        """
        scope = stream.scope
        assert scope is not None
        try:
            scope.agree(protocol)
        except Libp2pError as error:
            stream.abortConnection(error.wireCode)
            return None
        factory = self._registry.lookup(protocol)
        if isinstance(factory, GuardedFactory):
            if not factory.admits(stream.connection.remotePeer):
                stream.abortConnection(ErrorCode.GATED)
                return None
            return factory.factory
        return factory

    def agreed(self, protocol: IProtocol, stream: IMuxedStream) -> None:
        """
        Announce the stream, unless the application has ended it, or its connection,
        as it began.
        """
        owner = self._negotiating.pop(stream, None)
        if owner is not None:
            owner.agreed(stream, _INBOUND)


class _Proposer(_StreamNegotiator):
    """
    The negotiator of a stream that our side opens.
    """

    factory: Outbound

    def makeConnection(self, transport: IMuxedStream) -> None:
        """
        Record the stream before anything of the application is called, which may
        end it.
        """
        opening = self.factory
        opening.stream = transport
        transport.adopt(opening.scope)
        opening.negotiating[transport] = opening.owner
        self.connected = 1
        self.transport = self._switch = transport
        self.begin(transport, opening)


class Outbound(Negotiation):
    """
    The negotiation of one stream that our side opens.

    @ivar result: fires with the protocol of the stream.
    @ivar scope: the use of the limits by the stream.
    @ivar stream: the stream; None until it is opened.
    """

    scope: IStreamScope
    stream: IMuxedStream | None = None

    def __init__(
        self,
        owner: StreamOwner,
        proposals: tuple[str, ...],
        factory: IProtocolFactory,
        negotiating: Negotiating,
        clock: IReactorTime,
        deadlines: Deadlines,
    ) -> None:
        """
        Prepare a negotiation.

        @param owner: the connection.
        @param proposals: the protocol ids, in order of preference.
        @param factory: builds the protocol.
        @param negotiating: the streams whose protocol is not negotiated yet.
        @param clock: runs the timers.
        @param deadlines: the time for one negotiation.
        """
        self.owner = owner
        self._proposals = proposals
        self._factory = factory
        self.negotiating = negotiating
        self.clock = clock
        self.deadlines = deadlines
        self.optimistic = proposals[0] if len(proposals) == 1 else None
        self.result: Deferred[IProtocol] = Deferred(self._cancelled)

    def machine(self) -> multistream.Initiator:
        """
        Make the machine that proposes the protocols.
        """
        return multistream.Initiator(self._proposals)

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator:
        """
        Build the negotiator of the stream.
        """
        return _Proposer(self, self.machine())

    def choose(self, protocol: str, stream: IMuxedStream) -> IProtocolFactory | None:
        """
        Return the application's factory, unless too many streams speak the protocol.
        """
        try:
            self.scope.agree(protocol)
        except Libp2pError as error:
            self.failed(Failure(), None)
            stream.abortConnection(error.wireCode)
            return None
        # The end of our half must not overtake the negotiation: js-libp2p
        # (3.3.11) resets a stream whose data and end came before it had
        # answered, "Cannot push data onto a stream that is closed".
        stream.negotiating = self.optimistic is not None
        return self._factory

    def agreed(self, protocol: IProtocol, stream: IMuxedStream) -> None:
        """
        Announce the stream, and give its protocol to the caller.
        """
        stream.negotiated()
        if self.negotiating.pop(stream, None) is not None:
            self.owner.agreed(stream, _OUTBOUND)
        if self.result.called:
            return
        if self.scope.closed:
            # By a subscriber of the event.
            self.failed(Failure(ConnectionClosing("the stream has ended")), protocol)
        else:
            self.result.callback(protocol)

    def failed(self, reason: Failure, _: IProtocol | None) -> None:
        """
        Report to the caller that the stream has failed.
        """
        if not self.result.called:
            self.result.errback(reason)

    def _cancelled(self, result: Deferred[IProtocol]) -> None:
        result.errback(CancelledError())
        if self.stream is not None:
            self.stream.abortConnection()
        else:
            self.owner.withdraw(self)
