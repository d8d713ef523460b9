# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two streams between pubsub peers: each side writes on the one that it has opened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    ErrorCode,
    InvalidInput,
    ProtocolViolation,
    StreamReset,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.pubsub.lanes import CHARGED_STEP
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.wire.frames import FrameBuffer, delimit

if TYPE_CHECKING:
    from twisted_libp2p.pubsub.link import Link

__all__ = ["MAX_EMPTY", "MAX_TURN", "InboundStream", "OutboundStream"]

#: Maximum number of empty RPCs in a row, each of which is a single byte.
MAX_EMPTY: Final = 1000

#: Number of RPCs and messages of one peer after which other peers have their turn.
MAX_TURN: Final = 64


@implementer(IPushProducer, IHalfCloseableProtocol)
class OutboundStream(Protocol):
    """
    The stream on which our side writes: the lanes of a peer are emptied as fast as it
    reads.

    @ivar stuckSince: since when the peer has not read everything; None if it has.
    """

    transport: Any

    def __init__(self, link: Link) -> None:
        self._link = link
        self._over = False
        self.stuckSince: float | None = None

    def connectionMade(self) -> None:
        """
        Begin.  The first RPC travels with the proposal of the protocol.
        """
        self.transport.registerProducer(self, True)
        self._link.opened(self)

    def pump(self) -> None:
        """
        Write the waiting RPCs while the peer reads them.
        """
        lanes, transport = self._link.lanes, self.transport
        while self.stuckSince is None and not self._over:
            frames = lanes.next()
            if not frames:
                return
            for each in frames:
                transport.write(delimit(each))
            lanes.written()

    def dataReceived(self, data: bytes) -> None:
        """
        Ignore bytes in the wrong direction.
        """

    def pauseProducing(self) -> None:
        """
        Let RPCs wait.
        """
        self.stuckSince = self._link.now()

    def resumeProducing(self) -> None:
        """
        Go on.
        """
        self.stuckSince = None
        self.pump()
        self._link.drained()

    def stopProducing(self) -> None:
        """
        Do nothing: the end of the stream follows.
        """

    def readConnectionLost(self) -> None:
        """
        Do nothing: peers may end the half on which they do not write.
        """

    def writeConnectionLost(self) -> None:
        """
        Do nothing: the end of the stream follows.
        """

    def has(self, size: int) -> bool:
        """
        Return whether the limits of the peer have room for bytes that wait for it.
        """
        scope = self.transport.scope
        if scope is None or scope.closed:
            return True
        return bool(size <= self.transport.connection.scope.room)

    def charge(self, size: int) -> None:
        """
        Charge bytes that wait for the peer to its limits, with those of the windows.

        @param size: how many more; negative when they no longer wait.
        """
        scope = self.transport.scope
        if scope is not None:
            scope.hold(size)

    def end(self) -> None:
        """
        Close the stream when everything is written.
        """
        self._over = True
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        self._over = True
        self._link.closed(self)


class InboundStream(Protocol):
    """
    The stream on which a peer writes.
    """

    transport: Any
    _reading = False
    _paused = False
    _over = False
    _lost = False
    _empty = 0
    _charged = 0
    _rest: IDelayedCall | None = None

    _link: Link | None = None

    def __init__(self, find: Callable[[PeerID], Link | None], maximum: int) -> None:
        """
        Begin without a link, which follows from the peer.

        @param find: returns the link to a peer; None if it is not connected.
        @param maximum: the size of the largest RPC in bytes.
        """
        self._find = find
        self._frames = FrameBuffer(maximum)
        self._parts: deque[RPC] = deque()

    def connectionMade(self) -> None:
        """
        Begin to read.
        """
        link = self._find(self.transport.connection.remotePeer)
        if link is None:
            self.end()
        else:
            self._link = link
            link.arrived(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Handle the RPCs that are complete.
        """
        if not self._over:
            self._frames.feed(data)
            self._read()

    def _read(self) -> None:
        """
        Handle the RPCs that have come.  After some messages it goes on in the next turn
        of the reactor: each message may have a signature to be verified.
        """
        if self._reading or self._rest is not None:
            return
        self._reading = True
        try:
            room = MAX_TURN
            while not (self._paused or self._over):
                rpc = self._next()
                if rpc is None or self._link is None:
                    break
                self._link.received(rpc)
                room -= 1 + len(rpc.messages)
                if room <= 0 and not self._over:
                    self._pauseForTurn(self._link)
                    break
        except (InvalidInput, ProtocolViolation) as error:
            self.end(ErrorCode.PROTOCOL_VIOLATION)
            if self._link is not None:
                self._link.violated(str(error))
        finally:
            self._reading = False

    def _next(self) -> RPC | None:
        """
        Return the next RPC, or the next part of one with many messages; None if none is
        complete.
        """
        if self._parts:
            return self._parts.popleft()
        for frame in self._frames:
            if not frame:
                self._skip()
                continue
            self._empty = 0
            self._parts.extend(RPC.fromBytes(frame).parts(MAX_TURN))
            return self._parts.popleft()
        return None

    def _pauseForTurn(self, link: Link) -> None:
        self._rest = link.later(self._readOn)
        if not (self._paused or self._lost):
            self.transport.pauseProducing()

    def _readOn(self) -> None:
        self._rest = None
        if not (self._paused or self._over):
            if not self._lost:
                self.transport.resumeProducing()
            self._read()
        if self._lost and self._rest is None:
            self._depart()

    def charge(self, size: int) -> None:
        """
        Charge the memory of the facts about the peer to its limits, even if these are
        full: it is bounded, and the peer gets less memory for its windows.

        @param size: the bytes of all of them, of which whole steps are charged.
        """
        size -= size % CHARGED_STEP
        scope = self.transport.scope
        if scope is not None and size != self._charged:
            scope.hold(size - self._charged)
            self._charged = size

    @property
    def waiting(self) -> bool:
        """
        Whether RPCs wait for the next turn of the reactor.
        """
        return self._rest is not None

    def _skip(self) -> None:
        """
        Skip an empty RPC, which is legal.

        @raise ProtocolViolation: it is one of many.
        """
        self._empty += 1
        if self._empty > MAX_EMPTY:
            raise ProtocolViolation("pubsub", f"{self._empty} empty RPCs in a row")

    def pause(self) -> None:
        """
        Read no further.
        """
        if not self._paused:
            self._paused = True
            if self._rest is None and not self._lost:
                self.transport.pauseProducing()

    def resume(self) -> None:
        """
        Read on.
        """
        if self._paused:
            self._paused = False
            if self._rest is None:
                self.transport.resumeProducing()
                self._read()

    def end(self, code: int = ErrorCode.NONE) -> None:
        """
        Reset the stream.
        """
        self._over = True
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if not self._lost:
            self.transport.abortConnection(code)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end, after the last RPCs: those that wait for their turn get it
        unless the peer has reset the stream.
        """
        self._lost = True
        if reason.check(ConnectionDone):
            self._paused = False
            self._read()
        elif self._paused or reason.check(StreamReset):
            self.end()
        if self._rest is None:
            self._depart()

    def _depart(self) -> None:
        self._over = True
        if self._link is not None:
            self._link.departed(self)
