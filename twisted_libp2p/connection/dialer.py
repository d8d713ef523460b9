# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dialing: from a peer id and its addresses to a connection.

Any number of callers share one dial of a peer.  Each may cancel its own share,
and the dial goes on as long as one caller waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.attempts import ADDRESS_LIMIT, Attempts
from twisted_libp2p.connection.backoff import AddressBackoff
from twisted_libp2p.connection.candidates import MAX_ADDRESSES
from twisted_libp2p.connection.choice import TransportChoice
from twisted_libp2p.connection.dial import Dial, Target
from twisted_libp2p.connection.dialrecord import DialRecord
from twisted_libp2p.connection.dnsaddr import DNSAddrResolver, isDNSAddr
from twisted_libp2p.connection.hearsay import Hearsay, isName
from twisted_libp2p.connection.naming import Naming
from twisted_libp2p.connection.punch import Puncher
from twisted_libp2p.connection.race import Attempt
from twisted_libp2p.connection.ranking import rank
from twisted_libp2p.connection.stack import MULTISTREAM
from twisted_libp2p.connection.upgrade import Instead
from twisted_libp2p.connection.upgrader import Upgrader
from twisted_libp2p.errors import (
    DialToSelf,
    NoAddresses,
    NodeStopping,
    UnsupportedAddress,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    AnyTransport,
    DialOptions,
    IAddressFilter,
    IConnection,
    IPeerRouting,
    IPeerStore,
    Role,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.transport.names import NameResolver

__all__ = ["Dialer"]

#: Attempts, and for each the seconds that the attempts before it have.
_Entrants = list[tuple[float, Attempt[IConnection]]]

#: The dials that can be shared: of the same target, with options that do not differ in
#: anything that matters to the peer.
_Key = tuple[Target, Role, Multiaddr | None]


def _none(peer: PeerID) -> Sequence[IConnection]:
    """
    Return no connection.
    """
    return ()


class Dialer:
    """
    Dials peers over the transports of a node.

    The addresses of a peer are tried in the order, and at the distances, of
    L{rank<twisted_libp2p.connection.ranking.rank>}.  Addresses that have just failed,
    and those on which we listen ourselves, follow when all others have failed.  The
    routings are asked last, or first if no address is known.

    @ivar record: the dials that have ended.
    @ivar puncher: dials peers that dial us at the same time.
    @ivar hearsay: the places from which peers have announced names.
    """

    _log = Logger()

    def __init__(
        self,
        upgrader: Upgrader,
        transports: Sequence[AnyTransport],
        peerstore: IPeerStore,
        dialect: str = MULTISTREAM,
        *,
        addressFilter: IAddressFilter,
        resolver: DNSAddrResolver,
        names: NameResolver,
        own: Callable[[], Iterable[Multiaddr]] = tuple,
        existing: Callable[[PeerID], Iterable[IConnection]] = _none,
        instead: Instead | None = None,
        routings: Iterable[IPeerRouting] = (),
        random: Callable[[], float],
    ) -> None:
        """
        Make a dialer.

        @param upgrader: makes connections of transports.
        @param transports: the transports, the preferred one first.
        @param peerstore: has the known addresses and dialects of peers.
        @param dialect: one of L{DIALECTS<twisted_libp2p.connection.attempts.DIALECTS>}.
        @param addressFilter: decides which addresses that peers name are dialed.
        @param resolver: resolves C{/dnsaddr}.
        @param names: resolves C{/dns}, C{/dns4} and C{/dns6}.
        @param own: returns the addresses on which we listen.
        @param existing: returns the connections to a peer, the preferred one
            first: a dial ends with that one, even if it has failed itself.
        @param instead: returns the connection to use instead of a new one, when
            it turns out only after the handshake that a peer is connected.
        @param routings: find the addresses of peers; there may be more later.
        @param random: returns numbers from 0 to 1, for waits that peers do not share.
        @raise ConfigurationError: the dialect is unknown.
        """
        self._upgrader = upgrader
        self._clock = upgrader.context.clock
        self._peerstore = peerstore
        self._own = own
        self._existing = existing
        self._choice = TransportChoice(transports)
        self._backoff = AddressBackoff(self._clock.seconds)
        self.record = DialRecord()
        self._attempts = Attempts(
            upgrader,
            peerstore,
            dialect,
            self._backoff,
            addressFilter,
            existing,
            instead,
            self.record,
            random,
        )
        self.puncher = Puncher(upgrader, self._choice, addressFilter, random)
        self._naming = Naming(
            addressFilter, resolver, names, self._clock, ADDRESS_LIMIT
        )
        self.hearsay = Hearsay(peerstore, lambda each: self.dials(each, Origin.PUBLIC))
        self._routings = routings
        # The connections to which the dials of addresses without a peer id have led, as
        # long as they exist.
        self._found: WeakValueDictionary[Multiaddr, IConnection] = WeakValueDictionary()
        self._dials: dict[_Key | Dial, Dial] = {}

    def dials(self, address: Multiaddr, origin: Origin = Origin.OWN) -> bool:
        """
        Check whether an address can be dialed, by a transport of this node or after
        its name is resolved.
        """
        return self._choice.dials(address, origin)

    def dial(
        self,
        peer: PeerID | None,
        addresses: Iterable[Multiaddr] = (),
        few: int | None = None,
        origin: Origin = Origin.OWN,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[IConnection]:
        """
        Open a connection to a peer.  An address without a peer id leads to the
        connection to which its last dial has led, as long as that exists.

        If the target is being dialed already, the caller joins that dial, and the
        addresses are tried as well.

        @param peer: the peer that has to answer; None accepts any peer.
        @param addresses: addresses to try; those of a peer in the peerstore are
            tried as well.
        @param few: the number of addresses of the peerstore that are tried, the
            most promising ones of those that this node can dial, and of the
            addresses to which their names lead; None for all.  Routings are not asked
            if there is such a number.
        @param origin: the place of the peer that has named these addresses.  A peer
            must not lead us where we would not go by ourselves: each IP address is
            judged just before it is dialed.
        @param options: how to dial.
        @return: fires with the connection.  Fails with
            L{DialFailed<twisted_libp2p.errors.DialFailed>}, which has the reason for
            each address; with L{NoAddresses}; with L{DialToSelf}.
        """
        if not self._upgrader.context.open:
            return fail(NodeStopping())
        if peer == self._upgrader.identity.peerID:
            return fail(DialToSelf(f"{peer} is this node itself"))
        given = [(each, origin) for each in addresses]
        target: Target | None = peer or next((each for each, _ in given), None)
        if target is None:
            return fail(NoAddresses("neither a peer nor an address was given"))
        if isinstance(target, Multiaddr) and not options.fresh:
            found = self._found.get(target)
            if found is not None and found.connected:
                return succeed(found)
        dial = self._dials.get((target, options.role, options.local))
        if dial is not None and not options.fresh:
            return self._join(dial, given, few, options)
        return self._begin(target, given, few, options)

    def _join(
        self,
        dial: Dial,
        given: list[tuple[Multiaddr, Origin]],
        few: int | None,
        options: DialOptions,
    ) -> Deferred[IConnection]:
        """
        Add a caller, and its addresses, to a dial under way.
        """
        share = dial.join(options.timeout)
        peer = dial.peer
        if dial.candidates.few is not None and few is None and peer is not None:
            dial.candidates.admitAll()
            # A name may lead to more addresses than were tried.
            given += self.hearsay.origins(peer, self._peerstore.addresses(peer))
            self._enter(dial, given, self._asking(dial, options))
        else:
            self._enter(dial, given)
        return share

    def _begin(
        self,
        target: Target,
        given: list[tuple[Multiaddr, Origin]],
        few: int | None,
        options: DialOptions,
    ) -> Deferred[IConnection]:
        """
        Begin a dial.
        """
        peer = target if isinstance(target, PeerID) else None
        dial = Dial(target, options, self._clock, few if peer is not None else None)
        # Nobody joins the dial of a caller that wants a connection of its own.
        key = dial if options.fresh else (target, options.role, options.local)
        self._dials[key] = dial
        share = dial.join(options.timeout)
        dial.outcome().addBoth(self._finished, dial, key)
        try:
            if peer is not None:
                known = self._peerstore.addresses(peer)
                if few is not None:
                    known = list(islice(filter(self.dials, known), few))
                given += self.hearsay.origins(peer, known)
            asking = self._asking(dial, options) if few is None else []
            if given or peer is None:
                self._enter(dial, given, asking)
            else:
                looking = _attempt(self._lookup, dial, peer)
                dial.race.enter([(0.0, looking)], (), asking)
        except Exception:
            # A transport or a peerstore has failed, and nothing would end the dial.
            failure = Failure()
            share.addErrback(lambda reason: None)
            dial.stop()
            return fail(failure)
        return share

    def stop(self) -> None:
        """
        Give up all dials.
        """
        self.puncher.stop()
        for dial in list(self._dials.values()):
            dial.stop()

    def _finished(
        self, result: IConnection | Failure, dial: Dial, key: _Key | Dial
    ) -> None:
        """
        End a dial.  The peer may have dialed us in the meantime, and of two
        connections one is preferred.
        """
        del self._dials[key]
        if not isinstance(result, Failure):
            peer: PeerID | None = result.remotePeer
        else:
            peer = None if result.check(CancelledError) else dial.peer
        if peer is not None and not dial.options.fresh:
            live = (each for each in self._existing(peer) if each.connected)
            result = next(live, result)
        if isinstance(dial.target, Multiaddr) and not isinstance(result, Failure):
            self._found[dial.target] = result
        dial.finish(result, self.record)

    # Addresses

    def _enter(
        self,
        dial: Dial,
        addresses: Iterable[tuple[Multiaddr, Origin]],
        asking: _Entrants | None = None,
    ) -> None:
        """
        Let a dial try more addresses.

        @param addresses: each with its origin.
        @param asking: the attempts to find others, when all of them have failed.
        """
        candidates = dial.candidates
        own = [each.withoutPeer() for each in self._own()]
        likely: dict[Multiaddr, AnyTransport] = {}
        unlikely: dict[Multiaddr, AnyTransport] = {}
        names: _Entrants = []
        for address, origin in addresses:
            address = candidates.normal(address)
            if candidates.full or not candidates.isNew(address, origin):
                continue
            bare = address.withoutPeer()
            if isDNSAddr(bare):
                if self._counted(dial, address, origin):
                    candidates.add(address, origin)
                    names.append((0.0, _attempt(self._resolve, dial, address)))
                continue
            transport = self._choice.find(bare, origin)
            if transport is None:
                candidates.refuse(address, origin, _unsupported(bare))
                continue
            foreign = isName(bare) and origin is not Origin.OWN
            if foreign and not self._counted(dial, address, origin):
                continue
            if candidates.use(address, origin, self._choice.resolves(bare, transport)):
                ways = unlikely if self._isUnlikely(dial, address, own) else likely
                ways[address] = transport
        dial.race.enter(
            names + self._ranked(dial, likely, own),
            self._ranked(dial, unlikely, own),
            asking or (),
        )

    def _counted(self, dial: Dial, address: Multiaddr, origin: Origin) -> bool:
        """
        Count a name that has to be resolved.

        @return: False if it is refused, since these are too many.
        """
        try:
            dial.candidates.countName()
        except NoAddresses as error:
            dial.candidates.refuse(address, origin, error)
            return False
        return True

    def _ranked(
        self,
        dial: Dial,
        transports: dict[Multiaddr, AnyTransport],
        own: Sequence[Multiaddr],
    ) -> _Entrants:
        """
        Make the attempts of addresses, in their order.
        """
        return [
            (
                delay,
                _attempt(self._resolveHost, dial, each)
                if self._choice.resolves(each, transports[each])
                else _attempt(
                    self._attempts.reach,
                    dial.candidates,
                    each,
                    transports[each],
                    dial.options,
                    delay,
                ),
            )
            for delay, each in rank(transports, own)
        ]

    def _isUnlikely(
        self, dial: Dial, address: Multiaddr, own: Sequence[Multiaddr]
    ) -> bool:
        """
        Check whether an address has just failed, is one on which we listen, or lies in
        a black hole.
        """
        peer, bare = dial.candidates.way(address)
        return (
            bare in own
            or self._backoff.remaining(peer, bare) > 0
            or self.record.holes.useless(bare)
        )

    async def _lookup(self, dial: Dial, peer: PeerID) -> None:
        """
        Let the peerstore look further than its memory.
        """
        found = await self._peerstore.lookup(peer)
        self._enter(dial, self.hearsay.origins(peer, found))

    async def _resolve(self, dial: Dial, address: Multiaddr) -> None:
        """
        Try the addresses for which a C{/dnsaddr} stands.  They are no more trusted
        than it is.
        """
        candidates = dial.candidates
        origin = candidates.origin(address)
        try:
            # May be too long with the peer's id, which is a fault of its own alone.
            full = address if dial.peer is None else address.withPeer(dial.peer)
            found = await self._naming.addresses(full, origin)
        except CancelledError:
            raise
        except Exception as error:
            candidates.failed(address, error)
        else:
            candidates.resolved(address)
            self._enter(dial, [(each, origin) for each in found])

    async def _resolveHost(self, dial: Dial, address: Multiaddr) -> None:
        """
        Try the IP addresses to which the name of a host leads.
        """
        candidates = dial.candidates
        origin = candidates.origin(address)
        try:
            self._attempts.check(candidates, address)
            found = await self._naming.hosts(address, origin)
        except CancelledError:
            raise
        except Exception as error:
            self._attempts.missed(candidates, address, error)
        else:
            candidates.resolved(address, found)
            self._enter(dial, [(each, origin) for each in found])

    # Routings

    def _asking(self, dial: Dial, options: DialOptions) -> _Entrants:
        """
        Make the attempts that ask the routings for addresses of a peer.
        """
        peer = dial.peer
        if peer is None or not options.routed:
            return []
        return [
            (0.0, _attempt(self._ask, dial, peer, routing))
            for routing in self._routings
        ]

    async def _ask(self, dial: Dial, peer: PeerID, routing: IPeerRouting) -> None:
        """
        Try the addresses that a routing knows, as far as they may lead from the place
        of the peers that have named them.
        """
        try:
            found = await routing.findPeer(peer)
        except CancelledError:
            raise
        except Exception as error:
            dial.unfound.append(f"{routing}: {error}")
            self._log.info(
                "{routing} cannot find {peer}: {error}",
                routing=routing,
                peer=str(peer),
                error=str(error),
            )
            return
        if not found:
            dial.unfound.append(f"{routing}: nothing found")
        own = [each for each in found if each.peerID in (None, peer)]
        self._enter(dial, [(each, routing.origin) for each in own[:MAX_ADDRESSES]])


def _unsupported(bare: Multiaddr) -> UnsupportedAddress:
    return UnsupportedAddress(
        f"no transport of this node dials {bare};"
        " /ip4/127.0.0.1/tcp/4001 is one that TCP dials"
    )


def _attempt(
    function: Callable[..., Coroutine[Deferred[Any], Any, IConnection | None]],
    *args: object,
) -> Attempt[IConnection]:
    """
    Make an attempt of a coroutine function.
    """
    return lambda: Deferred.fromCoroutine(_run(function(*args)))


async def _run(
    attempt: Coroutine[Deferred[Any], Any, IConnection | None],
) -> IConnection | None:
    """
    Run an attempt; one that is given up has come to nothing.
    """
    try:
        return await attempt
    except CancelledError:
        return None
