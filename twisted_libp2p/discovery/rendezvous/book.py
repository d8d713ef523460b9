# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The book of a rendezvous point, without I/O: its registrations, and their limits.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from twisted_libp2p.discovery.rendezvous.cookie import Cookies
from twisted_libp2p.discovery.rendezvous.messages import Layout, Place, Status
from twisted_libp2p.identity import PeerID
from twisted_libp2p.pacing.allowance import Allowance

__all__ = ["Book", "Entry", "Found", "PointLimits"]

#: Number of peers whose requests are counted.
MAX_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLimits:
    """
    The limits of a point.

    @ivar leastTTL: the shortest registration, in seconds.
    @ivar defaultTTL: that of a peer that asks for no time.
    @ivar mostTTL: the longest registration.
    @ivar registrations: maximum number of registrations.
    @ivar registrationsPerPeer: maximum number of them of one peer.
    @ivar size: maximum number of bytes of all records.
    @ivar burst: number of requests of a peer that are answered at once.
    @ivar rate: number of them in a second after that.
    @ivar answer: maximum number of registrations in an answer.
    @ivar answerSize: maximum size of an answer, in bytes.
    """

    leastTTL: int = 2 * 3600
    defaultTTL: int = 2 * 3600
    mostTTL: int = 72 * 3600
    registrations: int = 10_000
    registrationsPerPeer: int = 1000
    size: int = 16 << 20
    burst: int = 32
    rate: float = 32.0
    answer: int = 1000
    answerSize: int = 900_000


@dataclass(slots=True)
class Entry:
    """
    A registration.

    @ivar places: the addresses of the peer, once for each layout in which it has
        registered them; the latest first.
    @ivar expires: the time of its end.
    @ivar number: its place in the order of registrations.
    """

    places: tuple[Place, ...]
    expires: float
    number: int

    @property
    def size(self) -> int:
        """
        The size of its records, in bytes.
        """
        return sum(map(_sizeOf, self.places))

    def placeFor(self, layouts: Sequence[Layout]) -> Place | None:
        """
        Return the place in the first of some layouts that the peer has registered in.
        """
        for layout in layouts:
            for each in self.places:
                if each.layout is layout:
                    return each
        return None


class Found(NamedTuple):
    """
    A registration for an asker.

    @ivar namespace: its namespace.
    @ivar place: the addresses of the peer, in the layout for the asker.
    @ivar expires: the time of its end.
    """

    namespace: str
    place: Place
    expires: float


_Key = tuple[str, PeerID]

# The layouts that an asker is sent, by its own, the best first.  For an asker of the
# old one all are written in it.  One of the signed one leaves out the records of the
# RFC, or can read them.
_READABLE: Final[Mapping[Layout | None, Sequence[Layout]]] = {
    None: (Layout.RFC, Layout.SIGNED),
    Layout.RFC: (Layout.RFC,),
    Layout.SIGNED: (Layout.SIGNED, Layout.RFC),
    Layout.OLD: tuple(Layout),
}


class Book:
    """
    The registrations of a point, in the order of their last renewal.
    """

    def __init__(self, limits: PointLimits, cookies: Cookies) -> None:
        """
        Begin with no registration.

        @param limits: the limits.
        @param cookies: makes the cookies.
        """
        self._limits = limits
        self._cookies = cookies
        self._entries: OrderedDict[_Key, Entry] = OrderedDict()
        # The same by namespace, so that a request looks at few of them.
        self._spaces: dict[str, OrderedDict[_Key, Entry]] = {}
        self._perPeer: Counter[PeerID] = Counter()
        # No registration ends before this time.
        self._due = inf
        self._size = 0
        self._number = 0
        self._allowances: OrderedDict[PeerID, Allowance] = OrderedDict()
        # Peers read the layout in which they register; of rust-libp2p no other.
        self._layouts: OrderedDict[PeerID, Layout] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def allowed(self, peer: PeerID, now: float) -> bool:
        """
        Count a request.

        @return: whether it is answered.
        """
        allowance = self._allowances.get(peer)
        if allowance is None:
            limits = self._limits
            allowance = Allowance(limits.burst, 1.0 / limits.rate, now)
            self._allowances[peer] = allowance
            if len(self._allowances) > MAX_REMEMBERED:
                self._allowances.popitem(last=False)
        return allowance.take(now)

    def layoutOf(self, peer: PeerID) -> Layout | None:
        """
        Return the layout in which a peer has registered last.
        """
        return self._layouts.get(peer)

    def register(
        self, peer: PeerID, namespace: str, place: Place, ttl: int, now: float
    ) -> tuple[Status, int]:
        """
        Register a peer, or renew its registration: in one layout, beside the others in
        which it has registered the same addresses.

        @param peer: the peer that asks, and that its record has to be about.
        @param ttl: the seconds that it asks for; 0 for the default.
        @return: the status, and the seconds of the registration.
        """
        limits = self._limits
        if place.peer != peer:
            return Status.NOT_AUTHORIZED, 0
        if not place.addresses:
            return Status.INVALID_SIGNED_PEER_RECORD, 0
        ttl = ttl or limits.defaultTTL
        if not limits.leastTTL <= ttl <= limits.mostTTL:
            return Status.INVALID_TTL, 0
        key = namespace, peer
        before = self._entries.get(key)
        places = () if before is None else before.places
        if any(each.sequence > place.sequence for each in places):
            return Status.INVALID_SIGNED_PEER_RECORD, 0
        self.expire(now)
        if before is None and not self._makeRoom(peer):
            return Status.UNAVAILABLE, 0
        self._remove(key)
        self._number += 1
        same = [each for each in places if _alike(each, place)]
        entry = Entry((place, *same), now + ttl, self._number)
        self._entries[key] = entry
        self._spaces.setdefault(namespace, OrderedDict())[key] = entry
        self._due = min(self._due, entry.expires)
        self._perPeer[peer] += 1
        self._size += entry.size
        while self._size > limits.size:
            self._remove(next(iter(self._entries)))
        self._layouts[peer] = place.layout
        self._layouts.move_to_end(peer)
        if len(self._layouts) > MAX_REMEMBERED:
            self._layouts.popitem(last=False)
        return Status.OK, ttl

    def _makeRoom(self, peer: PeerID) -> bool:
        """
        Make room for one more registration of a peer: the peer with the most of them
        loses its oldest.

        @return: whether there is room.
        """
        limits = self._limits
        mine = self._perPeer[peer]
        if mine >= limits.registrationsPerPeer:
            return False
        if len(self._entries) < limits.registrations:
            return True
        largest, most = self._perPeer.most_common(1)[0]
        if mine + 1 >= most:
            return False
        oldest = next(key for key in self._entries if key[1] == largest)
        self._remove(oldest)
        return True

    def unregister(self, peer: PeerID, namespace: str) -> None:
        """
        End a registration, if there is one.
        """
        self._remove((namespace, peer))

    def _remove(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            space = self._spaces[key[0]]
            del space[key]
            if not space:
                del self._spaces[key[0]]
            self._size -= entry.size
            self._perPeer[key[1]] -= 1
            if not self._perPeer[key[1]]:
                del self._perPeer[key[1]]

    def expire(self, now: float) -> None:
        """
        Remove the registrations whose time is over.
        """
        if now < self._due:
            return
        # They differ in their times by as much as the limits allow: all are looked at.
        for key in [key for key, each in self._entries.items() if each.expires <= now]:
            self._remove(key)
        ends = (each.expires for each in self._entries.values())
        self._due = min(ends, default=inf)

    def discover(
        self,
        namespace: str | None,
        limit: int,
        cookie: bytes,
        now: float,
        layout: Layout | None = None,
    ) -> tuple[Status, list[Found], bytes]:
        """
        Return the registrations of a namespace.

        @param namespace: the namespace; None for all of them.
        @param limit: maximum number of registrations; 0 for that of the limits.
        @param cookie: that of the answer to be continued; empty for a first one.
        @param layout: the layout of the asker, if it is known: one of rust-libp2p reads
            an answer only if all of it is in its own; others are not given
            registrations without a signature.
        @return: the status, the registrations, and the cookie.
        """
        after = 0
        if cookie:
            read = self._cookies.read(namespace, cookie)
            if read is None:
                return Status.INVALID_COOKIE, [], b""
            # Of a cookie of an earlier process the numbers are unknown.
            after = read if read <= self._number else 0
        count = min(limit or self._limits.answer, self._limits.answer)
        readable = _READABLE[layout]
        size = 0
        found: list[Found] = []
        entries: Mapping[_Key, Entry] = self._entries
        if namespace is not None:
            entries = self._spaces.get(namespace, {})
        for (name, _), entry in entries.items():
            if entry.number <= after or entry.expires <= now:
                continue
            place = entry.placeFor(readable)
            if place is None:
                continue
            size += _sizeOf(place) + len(name.encode("utf-8")) + 32
            if len(found) >= count or size > self._limits.answerSize:
                break
            found.append(Found(name, place, entry.expires))
            after = entry.number
        return Status.OK, found, self._cookies.make(namespace, after)


def _alike(before: Place, place: Place) -> bool:
    """
    Return whether two places differ in their layouts only.
    """
    return before.layout is not place.layout and before.addresses == place.addresses


def _sizeOf(place: Place) -> int:
    return len(place.envelope) or len(place.toBytes(old=True))
