# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ways of a node to find the addresses of peers, and a record of their lookups.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.errors import NotFound
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IExplaining, IPeerRouting

__all__ = ["Routing"]

#: Number of keys whose last lookups are kept.
MAX_EXPLAINED: Final = 64

#: Number of lookups of one key that are kept.
MAX_LOOKUPS: Final = 16


@dataclass(slots=True)
class _Lookup:
    """
    A lookup by one routing.

    @ivar routing: the name of the routing.
    @ivar began: the time of its beginning.
    @ivar seconds: its duration; None while it lasts.
    @ivar outcome: its result, in words.
    """

    routing: str
    began: float
    seconds: float | None = None
    outcome: str = "still looking"


@implementer(IPeerRouting)
class _Recorded:
    """
    A routing whose lookups are recorded.
    """

    def __init__(self, routing: IPeerRouting, owner: Routing) -> None:
        self.routing = routing
        self.name: str = (
            IService(routing).name
            if IService.providedBy(routing)
            else type(routing).__name__
        )
        self._owner = owner

    @property
    def origin(self) -> Origin:
        """
        The place of the peers that name the addresses.
        """
        return self.routing.origin

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Look up the addresses of a peer.
        """
        lookup = self._owner.begin(peer, self.name)
        return self.routing.findPeer(peer).addBoth(self._ended, lookup)

    def _ended(self, result: Any, lookup: _Lookup) -> Any:
        outcomes = self._owner.outcomes
        if not isinstance(result, Failure):
            result = list(result)
            outcomes[self.name, "found" if result else "nothing"] += 1
            lookup.outcome = f"{len(result)} addresses" if result else "nothing found"
        elif result.check(CancelledError):
            outcomes[self.name, "cancelled"] += 1
            lookup.outcome = "no longer needed"
        else:
            outcome = "nothing" if result.check(NotFound) else "failed"
            outcomes[self.name, outcome] += 1
            lookup.outcome = result.getErrorMessage()
        lookup.seconds = self._owner.clock.seconds() - lookup.began
        return result

    def __str__(self) -> str:
        return self.name


class Routing:
    """
    The routings of a node, which the dialer asks for the addresses of a peer:
    C{node.routing}.

    @ivar clock: the time.
    @ivar outcomes: the number of lookups by the name of the routing and the outcome:
        C{found}, C{nothing}, C{failed}, or C{cancelled}.
    """

    def __init__(
        self, clock: IReactorTime, routings: Iterable[IPeerRouting] = ()
    ) -> None:
        """
        Begin with some routings.

        @param clock: the time.
        @param routings: the routings.
        """
        self.clock = clock
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._routings: list[_Recorded] = []
        self._lookups: OrderedDict[PeerID, list[_Lookup]] = OrderedDict()
        for each in routings:
            self.add(each)

    def __len__(self) -> int:
        return len(self._routings)

    def __iter__(self) -> Iterator[IPeerRouting]:
        return iter(self._routings)

    def add(self, routing: IPeerRouting) -> None:
        """
        Ask one more routing from now on.
        """
        self._routings.append(_Recorded(routing, self))

    async def findPeer(self, peer: PeerID | str) -> list[Multiaddr]:
        """
        Look up the addresses of a peer, by all routings at once; the first one that
        finds some decides.

        @return: the addresses, with the id of the peer at their end.  The dialer judges
            them again, by the place of the peers that have named them.
        @raise NotFound: no routing has found any.
        """
        wanted = PeerID.of(peer)
        first: Deferred[Sequence[Multiaddr]] = Deferred()
        looking = [each.findPeer(wanted) for each in self._routings]
        left = len(looking)

        def ended(result: Any) -> None:
            nonlocal left
            left -= 1
            found = [] if isinstance(result, Failure) else list(result)
            if (found or not left) and not first.called:
                first.callback(found)

        try:
            for each in looking:
                each.addBoth(ended)
            addresses = list(await first) if looking else []
        finally:
            for each in looking:
                each.cancel()
        own = [each for each in addresses if each.peerID in (None, wanted)]
        if not own:
            raise self._notFound(wanted)
        return [each.withPeer(wanted) for each in own]

    def _notFound(self, peer: PeerID) -> NotFound:
        lookups = self._lookups.get(peer, [])[-len(self._routings) :]
        if not self._routings:
            why = "this node has no routing to ask, such as --mdns"
        else:
            why = "; ".join(f"{each.routing}: {each.outcome}" for each in lookups)
        return NotFound(str(peer), reason=why)

    def begin(self, peer: PeerID, routing: str) -> _Lookup:
        """
        Record the beginning of a lookup.

        @param routing: the name of the routing.
        """
        lookups = self._lookups.setdefault(peer, [])
        self._lookups.move_to_end(peer)
        if len(self._lookups) > MAX_EXPLAINED:
            self._lookups.popitem(last=False)
        lookup = _Lookup(routing, self.clock.seconds())
        lookups.append(lookup)
        del lookups[:-MAX_LOOKUPS]
        return lookup

    def explain(self, peer: PeerID | str) -> str:
        """
        Describe the last lookups of a peer, one line for each, the latest last; and
        below it the path of the lookup, if the routing can describe it.
        """
        wanted = PeerID.of(peer)
        lookups = self._lookups.get(wanted)
        if not lookups:
            return f"{wanted} was not looked up"
        now = self.clock.seconds()
        lines = []
        for each in lookups:
            seconds = now - each.began if each.seconds is None else each.seconds
            lines.append(f"{each.routing}: {each.outcome}, {seconds:.1f} s")
        for recorded in self._routings:
            if IExplaining.providedBy(recorded.routing):
                path = recorded.routing.explain(wanted.toBytes())
                lines += [f"  {line}" for line in path.splitlines()]
        return "\n".join(lines)
