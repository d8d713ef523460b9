# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The use of rendezvous points: registrations, and the search for peers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ConnectionClosed
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.discovery.advertising import Advertisement
from twisted_libp2p.discovery.rendezvous.messages import (
    MAX_MESSAGE,
    MAX_NAMESPACE,
    RENDEZVOUS,
    Kind,
    Layout,
    Message,
    Place,
    Registration,
    Status,
    namespaceOf,
    readMessage,
    registrationsIn,
)
from twisted_libp2p.discovery.searching import Search
from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidMultiaddr,
    Libp2pError,
    NotFound,
    ProtocolViolation,
    RendezvousRefused,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IConnection,
    IDiscovery,
    IDrainable,
    IHost,
    IHostService,
    Source,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.protocols.exchange import Exchange
from twisted_libp2p.wire.frames import delimit

__all__ = ["RendezvousClient"]

#: The name of this discovery in events.
SOURCE: Final = "rendezvous"

#: Seconds for the answer of a point.
ANSWER_TIME: Final = 20.0

#: Maximum number of answers that are asked for in one search at one point.
MAX_PAGES: Final = 10

#: Maximum number of registrations in one of them that are read.
MAX_REGISTRATIONS: Final = 1000

#: The longest time for which an address is believed, in seconds: 72 hours.
MAX_TTL: Final = 259_200

# The part of its time after which a registration is renewed.
_RENEWAL: Final = 7 / 8

# The seconds of a registration at old points: py-libp2p wants to be asked for them, and
# the answer does not have to state them.
_OLD_TTL: Final = 7200

# The answers to a record in another layout: py-libp2p takes it for one of another peer.
_UNREADABLE: Final = (Status.INVALID_SIGNED_PEER_RECORD, Status.NOT_AUTHORIZED)

_Found = dict[PeerID, tuple[Multiaddr, ...]]


@implementer(IDrainable, IHostService, IDiscovery)
class RendezvousClient(MultiService):
    """
    Registers at rendezvous points, and finds the peers that are registered there:
    C{node.add(RendezvousClient(["/ip4/.../p2p/..."]))}.

    It stays registered in the given namespaces, and goes on to look for their peers,
    for as long as it runs.  For other times there are
    L{Advertisement<twisted_libp2p.discovery.advertising.Advertisement>} and
    L{Search<twisted_libp2p.discovery.searching.Search>}.
    """

    _log = Logger()

    def __init__(
        self, points: Iterable[str | Multiaddr], namespaces: Iterable[str] = ()
    ) -> None:
        """
        Take the points.

        @param points: their addresses, which end in their ids.
        @param namespaces: the names under which the node registers and looks for peers.
        @raise ConfigurationError: an address, or a name, cannot be used.
        """
        super().__init__()
        self.setName(SOURCE)
        self.namespaces = list(namespaces)
        for each in self.namespaces:
            _encoded(each)
        self.points = [_point(each) for each in points]
        # The layouts that the points have not refused.
        self._layouts: dict[PeerID, tuple[Layout, ...]] = {}

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self._exchange = Exchange(
            RENDEZVOUS, host.clock, timeout=ANSWER_TIME, maximum=MAX_MESSAGE
        )
        for each in self.namespaces:
            Advertisement(host, self, each).setServiceParent(self)
            Search(host, self, each, SOURCE).setServiceParent(self)

    def drain(self) -> None:
        """
        Look for no peers any longer, and end the registrations.
        """
        self.stopService()

    def stopService(self) -> Any:
        """
        Look for no peers any longer, and end the registrations.
        """
        stopping = super().stopService()
        withdrawing = [self.withdraw(each) for each in self.namespaces]
        return DeferredList([stopping, *withdrawing])

    # Registrations

    def advertise(self, namespace: str, ttl: float | None = None) -> Deferred[float]:
        """
        Register at all points.

        @param namespace: the name, of up to 255 bytes.
        @param ttl: seconds, 2 to 72 hours at most points; None for their default.
        @return: fires with the seconds after which to register again.  Fails with the
            error of the last point if none has accepted it, with L{NotFound} if this
            node has no address, and with L{ConfigurationError} for a wrong name.
        """
        return Deferred.fromCoroutine(self._advertise(namespace, ttl))

    async def _advertise(self, namespace: str, ttl: float | None) -> float:
        encoded = _encoded(namespace)
        addresses = self._host.ownAddresses.dialable()
        if not addresses:
            raise NotFound("an own address", reason="peers could not reach this node")
        times: list[float] = await self._atPoints(
            lambda connection: self._register(connection, encoded, addresses, ttl)
        )
        return min(times) * _RENEWAL

    async def _register(
        self,
        connection: IConnection,
        namespace: bytes,
        addresses: Sequence[Multiaddr],
        ttl: float | None,
    ) -> float:
        """
        Register at one point: in each signed layout that it accepts, since the peers
        that ask there read one or the other; without a signature if it accepts none.

        @return: the seconds of the registration.
        """
        # Below the numbers of identify, which are milliseconds: its records are newer.
        sequence = int(self._host.clock.seconds())
        point = connection.remotePeer
        layouts = self._layouts.get(point, tuple(Layout))
        accepted: list[float] = []
        refused: set[Layout] = set()
        status = int(Status.UNAVAILABLE)
        for layout in layouts:
            if accepted and layout is Layout.OLD:
                break
            place = Place.make(self._host.identity, addresses, sequence, layout)
            request = _registering(namespace, place, ttl)
            try:
                answer = await self._ask(connection, request, Kind.REGISTER_RESPONSE)
            except (Libp2pError, ConnectionClosed):
                # rust-libp2p gives no answer to a record that it cannot read.
                if not accepted:
                    raise
                break
            status = answer.registerResponse.status
            if status == Status.OK:
                accepted.append(float(answer.registerResponse.ttl or ttl or _OLD_TTL))
            elif status in _UNREADABLE:
                refused.add(layout)
            else:
                break
        if not accepted:
            raise RendezvousRefused(str(point), status, Status.nameOf(status))
        self._layouts[point] = tuple(each for each in layouts if each not in refused)
        return min(accepted)

    def withdraw(self, namespace: str) -> Deferred[None]:
        """
        End the registration at all points; there is no answer to wait for.
        """
        return Deferred.fromCoroutine(self._withdraw(_encoded(namespace)))

    async def _withdraw(self, namespace: bytes) -> None:
        request = Message(type=Kind.UNREGISTER)
        request.unregister.ns = namespace
        for point in self.points:
            for connection in self._host.connections.to(_peerOf(point))[:1]:
                try:
                    await connection.openStream(
                        RENDEZVOUS, StreamFactory(lambda: _Notice(request))
                    )
                except Libp2pError as error:
                    self._log.debug("{error}", error=str(error))

    # Search

    def findPeers(
        self, namespace: str, count: int = 100
    ) -> Deferred[Sequence[tuple[PeerID, Sequence[Multiaddr]]]]:
        """
        Ask all points for the peers of a namespace.

        @param count: maximum number of peers.
        @return: fires with peers and the addresses at which they may be dialed.  Fails
            as L{advertise} does.
        """
        return Deferred.fromCoroutine(self._findPeers(namespace, count))

    async def _findPeers(
        self, namespace: str, count: int
    ) -> Sequence[tuple[PeerID, Sequence[Multiaddr]]]:
        encoded = _encoded(namespace)
        answers = await self._atPoints(
            lambda connection: self._discover(connection, encoded, count)
        )
        found: _Found = {}
        for each in answers:
            for peer, addresses in each.items():
                found[peer] = tuple(dict.fromkeys((*found.get(peer, ()), *addresses)))
        return list(found.items())[:count]

    async def _discover(
        self, connection: IConnection, namespace: bytes, count: int
    ) -> _Found:
        """
        Ask one point, page by page.
        """
        found: _Found = {}
        cookie = b""
        for _ in range(MAX_PAGES):
            request = Message(type=Kind.DISCOVER)
            request.discover.ns = namespace
            request.discover.limit = max(count - len(found), 1)
            if cookie:
                request.discover.cookie = cookie
            message = await self._ask(connection, request, Kind.DISCOVER_RESPONSE)
            answer = message.discoverResponse
            if answer.status != Status.OK:
                raise RendezvousRefused(
                    str(connection.remotePeer),
                    answer.status,
                    Status.nameOf(answer.status),
                )
            new = registrationsIn(answer.registrations, MAX_REGISTRATIONS)
            for each in new:
                if each.namespace == namespace.decode("utf-8"):
                    self._take(connection, each, found)
            cookie = answer.cookie
            if not answer.registrations or len(found) >= count or not cookie:
                break
        return found

    def _take(
        self, connection: IConnection, registration: Registration, found: _Found
    ) -> None:
        """
        Take the usable addresses of a found peer, and store them.
        """
        place = registration.place
        if place.peer == self._host.peerID:
            return
        filter = self._host.addressFilter
        origin = filter.origin(connection.remoteAddress)
        usable = filter.select(origin, place.addresses, place.peer)
        if not usable:
            return
        store = self._host.peerstore
        if place.envelope:
            store.addRecord(place.peer, place.envelope, usable)
        else:
            ttl = min(registration.ttl, MAX_TTL)
            store.addAddresses(place.peer, usable, Source.DISCOVERED, ttl)
        found[place.peer] = tuple(usable)

    # Requests

    async def _atPoints(self, ask: Any) -> list[Any]:
        """
        Ask all points at once.

        @param ask: asks one of them; a coroutine function that takes the connection.
        @return: the results of those that have answered.
        @raise Libp2pError: none has: the error of the last one.
        """

        async def reach(point: Multiaddr) -> Any:
            return await ask(await self._host.connect(point))

        results: Any = await DeferredList(
            [Deferred.fromCoroutine(reach(each)) for each in self.points],
            consumeErrors=True,
        )
        answers = [result for success, result in results if success]
        if not answers:
            if not results:
                raise ConfigurationError("there is no rendezvous point to ask")
            results[-1][1].raiseException()
        return answers

    async def _ask(
        self, connection: IConnection, request: Message, kind: Kind
    ) -> Message:
        """
        Ask a point once.
        """
        answer = readMessage(
            await self._exchange.ask(connection, request.SerializeToString())
        )
        if answer.type != kind:
            raise ProtocolViolation(RENDEZVOUS, f"an answer of type {answer.type}")
        return answer


class _Notice(Protocol):
    """
    Sends a message that has no answer.
    """

    transport: Any

    def __init__(self, message: Message) -> None:
        self._message = message

    def connectionMade(self) -> None:
        """
        Send it, and close.
        """
        self.transport.write(delimit(self._message.SerializeToString()))
        self.transport.loseConnection()


def _registering(namespace: bytes, place: Place, ttl: float | None) -> Message:
    old = place.layout is Layout.OLD
    register = Message.Register(ns=namespace, signedPeerRecord=place.toBytes(old))
    if ttl is not None:
        register.ttl = int(ttl)
    elif old:
        register.ttl = _OLD_TTL
    return Message(type=Kind.REGISTER, register=register)


def _point(text: str | Multiaddr) -> Multiaddr:
    try:
        address = Multiaddr.of(text)
    except InvalidMultiaddr as error:
        raise ConfigurationError(f"rendezvous point {text}: {error}") from None
    if address.peerID is None:
        raise ConfigurationError(
            f"rendezvous point {text}: it has to be an address that ends in /p2p/ and"
            " the id of the point"
        )
    return address


def _peerOf(point: Multiaddr) -> PeerID:
    peer = point.peerID
    assert peer is not None
    return peer


def _encoded(namespace: str) -> bytes:
    encoded = namespace.encode("utf-8")
    if namespaceOf(encoded) is None:
        raise ConfigurationError(
            f"namespace {namespace[:50]!r}: it has to have 1 to {MAX_NAMESPACE} bytes"
        )
    return encoded
