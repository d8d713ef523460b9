# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that finds peers on the local network, and is found by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import inf
from random import SystemRandom
from random import random as anyNumber
from string import ascii_lowercase, digits
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.discovery.events import PeerDiscovered, PeerExpired
from twisted_libp2p.discovery.mdns.links import (
    Adapters,
    Link,
    findLinks,
    onLinks,
    placeOf,
)
from twisted_libp2p.discovery.mdns.packet import (
    Answer,
    Named,
    parse,
    question,
    serviceName,
)
from twisted_libp2p.discovery.mdns.presence import Presence
from twisted_libp2p.discovery.mdns.schedule import Budget, QuestionTimes
from twisted_libp2p.discovery.mdns.sightings import Sightings
from twisted_libp2p.discovery.mdns.sockets import (
    PORT,
    MulticastSocket,
    MulticastSocket6,
)
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IDrainable,
    IHost,
    IHostService,
    IPeerRouting,
    ISubscription,
    Source,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import addTimeout

__all__ = ["MdnsService"]

#: The name of this discovery in events.
SOURCE: Final = "mdns"

#: Number of characters of our random name.  A collision is not looked for.
LABEL: Final = 40

#: Seconds that peers have to answer a question for one of them.
FIND_TIME: Final = 3.0

#: Seconds between two such questions: they ask for all peers.
FIND_INTERVAL: Final = 1.0


@implementer(IDrainable, IHostService, IPeerRouting)
class MdnsService(Service):
    """
    Finds peers on the local network: C{node.add(MdnsService())}.

    It joins all interfaces, by IPv4 and IPv6, and names on each of them the addresses
    there.  A found peer is announced by
    L{PeerDiscovered<twisted_libp2p.discovery.events.PeerDiscovered>}, and its addresses
    are stored until its answer expires; it is not dialed.

    Only peers of the link are heard, and only addresses of the link are taken; those of
    loopback, from this machine only.
    """

    name = SOURCE
    #: The addresses are judged when they are heard.
    origin = Origin.HOST
    _log = Logger()

    def __init__(
        self,
        fingerprint: str | None = None,
        interfaces: Iterable[str] = (),
        *,
        port: int = PORT,
        adapters: Adapters | None = None,
        random: Callable[[], float] = anyNumber,
    ) -> None:
        """
        Prepare to find peers.

        @param fingerprint: the fingerprint of our private network; None without one.
        @param interfaces: the names or IP addresses of the interfaces to use; all of
            them by default.
        @param port: the port of all peers; another one in tests.
        @param adapters: returns the network adapters; those of this machine by default.
        @param random: returns numbers from 0 to 1, which spread questions and answers.
        """
        self._service = serviceName(fingerprint)
        self._interfaces = frozenset(interfaces)
        self._port = port
        self._adapters = adapters
        self._random = random
        self._questionTimes = QuestionTimes(random)
        self._sightings = Sightings()
        self._question = b""
        self._asked = -inf
        self._links: dict[Link, Presence] = {}
        self._sockets: dict[type[MulticastSocket], MulticastSocket] = {}
        self._unavailable: dict[type[MulticastSocket], str] = {}
        self._problem = ""
        self._asking: IDelayedCall | None = None
        self._expiring: IDelayedCall | None = None
        self._subscription: ISubscription | None = None

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self._budget = Budget(host.clock.seconds())

    def startService(self) -> None:
        """
        Begin to ask and to answer.
        """
        super().startService()
        secret = SystemRandom()
        letters = ascii_lowercase + digits
        self._label = "".join(secret.choices(letters, k=LABEL)).encode()
        self._number = secret.randrange(1 << 16)
        self._subscription = self._host.events.subscribe(
            AddressesChanged,
            lambda event: self._changed(),
            lambda event: event.peer == self._host.peerID,
        )
        self._changed()

    def drain(self) -> None:
        """
        Say goodbye.
        """
        self.stopService()

    def stopService(self) -> Any:
        """
        Say goodbye, and close the sockets.
        """
        super().stopService()
        if self._subscription is not None:
            self._subscription.cancel()
        for call in (self._asking, self._expiring):
            if call is not None:
                call.cancel()
        self._asking = self._expiring = None
        for each in self._links.values():
            each.end()
        closing = [each.close() for each in self._sockets.values()]
        self._sockets.clear()
        self._links.clear()
        self._unavailable.clear()
        self._gone(list(self._sightings))
        self._sightings = Sightings()
        return DeferredList(closing)

    @property
    def links(self) -> list[Presence]:
        """
        The links in use, and their traffic.
        """
        return list(self._links.values())

    @property
    def peers(self) -> list[PeerID]:
        """
        The peers that are there.
        """
        return list(self._sightings)

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Ask the local network for a peer, unless it has been seen.
        """
        return Deferred.fromCoroutine(self._find(peer))

    async def _find(self, peer: PeerID) -> Sequence[Multiaddr]:
        if peer not in self._sightings and self.running:
            seen = self._host.events.next(
                PeerDiscovered, lambda event: event.peer == peer
            )
            addTimeout(seen, FIND_TIME, self._host.clock)
            if self._host.clock.seconds() - self._asked >= FIND_INTERVAL:
                self._changed()
            try:
                await seen
            except TimeoutError:
                return []
        return self._sightings.addresses(peer)

    # Asking

    def _changed(self) -> None:
        """
        Ask at once, and often for a while.
        """
        self._questionTimes.restart()
        if self._asking is not None:
            self._asking.cancel()
        for each in self._links.values():
            each.answer()
        self._wait()

    def _wait(self) -> None:
        self._asking = self._host.clock.callLater(self._questionTimes.next(), self._ask)

    def _ask(self) -> None:
        """
        Ask on all links, and answer on new ones without a question.
        """
        self._asking = None
        self._follow()
        self._asked = self._host.clock.seconds()
        known = self._sightings.known(self._asked)
        self._question = question(self._service, self._number, known)
        for each in self._links.values():
            each.send(self._question)
        self._wait()

    def _follow(self) -> None:
        """
        Follow the interfaces of this machine, which come and go.
        """
        try:
            found = findLinks(self._adapters, self._interfaces)
        except OSError as error:
            self._complain(str(error))
            return
        if self._interfaces and not found:
            names = ", ".join(sorted(self._interfaces))
            self._complain(f"there is no network interface {names}")
        else:
            self._problem = ""
        for kind in (MulticastSocket, MulticastSocket6):
            self._open(kind)
        for link in [each for each in self._links if each not in found]:
            self._links.pop(link).end()
        for socket in self._sockets.values():
            socket.follow(found)
        for link in found:
            if link not in self._links:
                self._links[link] = Presence(
                    self._host,
                    link,
                    self._service,
                    self._label,
                    self._send,
                    self._random,
                )
                self._questionTimes.restart()
                self._links[link].answer()

    def _complain(self, problem: str) -> None:
        """
        Log, once for each reason, that no peers are found.
        """
        if problem != self._problem:
            self._problem = problem
            self._log.warn("no mDNS: {error}", error=problem)

    def _open(self, kind: type[MulticastSocket]) -> None:
        """
        Open a socket, unless that is done; an error is logged once.
        """
        if kind in self._sockets:
            return
        try:
            self._sockets[kind] = kind.open(self._host.reactor, self._heard, self._port)
        except (CannotListenError, OSError) as error:
            reason = str(error)
            if self._unavailable.get(kind) != reason:
                self._unavailable[kind] = reason
                self._log.warn(
                    "no mDNS by {family}: {error}", family=kind.family, error=reason
                )

    def _send(self, data: bytes, link: Link) -> None:
        for socket in self._sockets.values():
            socket.send(data, link)

    # Hearing

    def _heard(self, data: bytes, source: str) -> None:
        """
        Take a packet.
        """
        if data == self._question:
            return
        now = self._host.clock.seconds()
        ip = ip_address(source)
        present = [each for link, each in self._links.items() if link.holds(ip)]
        if not present or not self._budget.take(source, now):
            return
        try:
            heard = parse(data, self._service)
        except InvalidInput as error:
            self._log.debug(
                "mDNS packet of {source}: {error}", source=source, error=str(error)
            )
            return
        for each in present:
            each.heard += 1
            each.lastHeard = now
        if isinstance(heard, Answer):
            for named in heard.peers:
                if named.peer != self._host.peerID:
                    self._named(named, ip, now)
        elif heard.wants(self._service, self._label):
            for each in present:
                each.answer()

    def _named(
        self, named: Named, source: IPv4Address | IPv6Address, now: float
    ) -> None:
        """
        Take a peer that was named.
        """
        peer, text = named.peer, str(source)
        if not named.ttl:
            if self._sightings.leave(text, peer):
                self._gone([peer])
            return
        stated = self._host.addressFilter.select(
            placeOf(source, self._links), named.addresses, peer
        )
        usable = tuple(onLinks(stated, self._links))
        if not usable:
            return
        seen = Named(named.name, peer, usable, named.ttl)
        new, displaced = self._sightings.see(text, seen, now)
        if displaced is not None:
            self._gone([displaced])
        addresses = self._sightings.addresses(peer)
        self._host.peerstore.addAddresses(
            peer, usable, Source.DISCOVERED, self._sightings.lifetime(named.ttl)
        )
        self._expireLater()
        if new:
            self._log.debug(
                "mDNS has found {peer} at {addresses}",
                peer=peer,
                addresses=[str(each) for each in addresses],
            )
            self._host.events.publish(
                PeerDiscovered(
                    time=now, peer=peer, addresses=tuple(addresses), source=SOURCE
                )
            )

    def _expireLater(self) -> None:
        """
        Wait until the next peer has been silent for too long.
        """
        due = self._sightings.due()
        if due is None:
            return
        expiring = self._expiring
        if expiring is not None:
            if expiring.getTime() <= due:
                return
            expiring.cancel()
        delay = max(0.0, due - self._host.clock.seconds())
        self._expiring = self._host.clock.callLater(delay, self._expire)

    def _expire(self) -> None:
        self._expiring = None
        self._gone(self._sightings.expire(self._host.clock.seconds()))
        self._expireLater()

    def _gone(self, peers: Iterable[PeerID]) -> None:
        """
        Announce that peers are no longer there.
        """
        now = self._host.clock.seconds()
        for peer in peers:
            self._host.events.publish(PeerExpired(time=now, peer=peer, source=SOURCE))
