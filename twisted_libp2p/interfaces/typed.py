# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

# mypy: disable-error-code="empty-body"

"""
Connections, streams and the peerstore for type checkers, as the programs of users name
them.

The contracts of this package are interfaces of zope, which a type checker understands
only with a plugin.  These classes say the same in annotations that need none::

    class Greeter(Protocol):
        transport: Stream

        def connectionMade(self) -> None:
            self.transport.write(f"hello, {self.transport.getPeer().peerID}".encode())

No object is an instance of them: they stand in annotations only.  For the same reason
a parameter that takes any provider of an interface also names C{Any}, such as the
C{IHostService | Any} of C{node.add}: without the plugin no class is known to provide
the interface.  See C{docs/howto/typing.rst}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar, overload

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces.allowance import IAllowance
from twisted_libp2p.interfaces.direction import Direction, Role
from twisted_libp2p.interfaces.peerinfo import Identification, PeerInfo, Source

__all__ = ["Connection", "PeerStore", "Stream"]

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
    def getPeer(self) -> PeerAddress: ...
    def getHost(self) -> PeerAddress: ...
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
    received: int
    sent: int
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
    def ping(self) -> Deferred[float]: ...
    def close(self, code: int = 0) -> Deferred[None]: ...
    def abort(self, reason: Failure) -> None: ...
    def whenClosed(self) -> Deferred[None]: ...


class PeerStore(_Interface):  # type: ignore[misc]
    """
    A peerstore, as L{IPeerStore<twisted_libp2p.interfaces.IPeerStore>} describes it.
    """

    def prefer(self, dialable: Callable[[Multiaddr], bool]) -> None: ...
    def addresses(self, peer: PeerID | str) -> list[Multiaddr]: ...
    def addAddresses(
        self,
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source = Source.DISCOVERED,
        ttl: float | None = None,
    ) -> None: ...
    def setAddresses(
        self,
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source,
        ttl: float | None = None,
    ) -> None: ...
    def removeAddresses(
        self, peer: PeerID | str, addresses: Iterable[Multiaddr | str]
    ) -> None: ...
    def succeeded(self, peer: PeerID | str, address: Multiaddr | str) -> None: ...
    def failed(self, peer: PeerID | str, address: Multiaddr | str) -> None: ...
    def lookup(self, peer: PeerID | str) -> Deferred[list[Multiaddr]]: ...
    def addRecord(
        self,
        peer: PeerID | str,
        envelope: bytes,
        usable: Collection[Multiaddr | str] | None = None,
    ) -> bool: ...
    def record(self, peer: PeerID | str) -> bytes | None: ...
    def certifiedAddresses(self, peer: PeerID | str) -> list[Multiaddr]: ...
    def publicKey(self, peer: PeerID | str) -> PublicKey | None: ...
    def setPublicKey(self, peer: PeerID | str, key: PublicKey) -> None: ...
    def protocols(self, peer: PeerID | str) -> tuple[str, ...]: ...
    def dialect(self, peer: PeerID | str) -> str | None: ...
    def setDialect(self, peer: PeerID | str, dialect: str) -> None: ...
    def tags(self, peer: PeerID | str) -> dict[str, int]: ...
    def setTag(
        self, peer: PeerID | str, name: str, value: int = 0, ttl: float | None = None
    ) -> None: ...
    def removeTag(self, peer: PeerID | str, name: str) -> None: ...
    def metadata(self, peer: PeerID | str) -> dict[str, bytes]: ...
    def setMetadata(
        self,
        peer: PeerID | str,
        name: str,
        value: bytes | None,
        ttl: float | None = None,
    ) -> None: ...
    def learn(self, peer: PeerID | str, identification: Identification) -> None: ...
    def connected(
        self, peer: PeerID | str, address: Multiaddr | str | None = None
    ) -> None: ...
    def disconnected(self, peer: PeerID | str) -> None: ...
    def protect(self, peer: PeerID | str) -> None: ...
    def unprotect(self, peer: PeerID | str) -> None: ...
    def peers(self) -> list[PeerID]: ...
    def recent(self, count: int) -> list[PeerID]: ...
    def info(self, peer: PeerID | str) -> PeerInfo | None: ...
    def merge(self, info: PeerInfo) -> None: ...
    def forget(self, peer: PeerID | str) -> None: ...
    def whenLoaded(self) -> Deferred[None]: ...
    def flush(self) -> Deferred[None]: ...
