# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections and streams for type checkers, as the programs of users name them.

The contracts of this package are interfaces of zope, which a type checker understands
only with a plugin.  These two classes say the same in annotations that need none::

    class Greeter(Protocol):
        transport: Stream

        def connectionMade(self) -> None:
            self.transport.write(f"hello, {self.transport.getPeer().peerID}".encode())

No object is an instance of them: they stand in annotations only.  See
C{docs/howto/typing.rst}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar, overload

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces.direction import Direction, Role
from twisted_libp2p.interfaces.transport import IAllowance

__all__ = ["Connection", "Stream"]

P = TypeVar("P")
M = TypeVar("M", bound=Protocol)

# To a type checker, a subclass of an unknown class fits wherever an interface is
# expected, such as the transport of a protocol.
_Interface: Any = object


class Stream(_Interface):  # type: ignore[misc]
    """
    A stream, as L{IStream<twisted_libp2p.interfaces.IStream>} describes it.
    """

    connection: Connection
    direction: Direction
    protocolID: str | None
    disconnecting: bool
    unsentSize: int

    def write(self, data: bytes) -> None: ...
    def writeSequence(self, data: Iterable[bytes]) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self, code: int = 0) -> None: ...
    def getPeer(self) -> PeerAddress: ...  # type: ignore[empty-body]
    def getHost(self) -> PeerAddress: ...  # type: ignore[empty-body]
    def registerProducer(self, producer: Any, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def stopProducing(self) -> None: ...


class Connection(_Interface):  # type: ignore[misc]
    """
    A connection, as L{IConnection<twisted_libp2p.interfaces.IConnection>} describes it.
    """

    localPeer: PeerID
    remotePeer: PeerID
    remoteKey: PublicKey
    localAddress: Multiaddr | None
    remoteAddress: Multiaddr | None
    direction: Direction
    role: Role
    limited: bool
    allowance: IAllowance | None
    transport: str
    security: str
    muxer: str
    early: bool
    upgradeTime: float
    openedAt: float
    roundTrip: float
    streams: Collection[Stream]
    connected: bool
    endsApart: bool
    reason: Failure | None

    @overload
    def openStream(
        self,
        protocols: str | Sequence[str],
        factory: Callable[[], P],
        *,
        allowLimited: bool = False,
    ) -> Deferred[P]: ...
    @overload
    def openStream(
        self,
        protocols: str | Sequence[str],
        factory: Factory[M],
        *,
        allowLimited: bool = False,
    ) -> Deferred[M]: ...
    @overload
    def openStream(
        self,
        protocols: str | Sequence[str],
        factory: Factory[Any],
        *,
        allowLimited: bool = False,
    ) -> Deferred[Any]: ...
    def openStream(
        self,
        protocols: str | Sequence[str],
        factory: Any,
        *,
        allowLimited: bool = False,
    ) -> Any: ...
    def ping(self) -> Deferred[float]: ...  # type: ignore[empty-body]
    def close(self, code: int = 0) -> Deferred[None]: ...  # type: ignore[empty-body]
    def abort(self, reason: Failure) -> None: ...
    def whenClosed(self) -> Deferred[None]: ...  # type: ignore[empty-body]
