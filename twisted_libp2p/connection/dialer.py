# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dialing: from a peer id and its addresses to a connection.

Any number of callers share one dial of a peer; each may cancel his own share,
and the dial goes on as long as anybody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin, unmapped
from twisted_libp2p.address.origin import HOST_NAMES
from twisted_libp2p.connection.backoff import AddressBackoff
from twisted_libp2p.connection.dial import Dial, Target
from twisted_libp2p.connection.dnsaddr import DNSAddrResolver, isDNSAddr
from twisted_libp2p.connection.hearsay import Hearsay, isName
from twisted_libp2p.connection.race import Attempt
from twisted_libp2p.connection.ranking import rank
from twisted_libp2p.connection.stack import BOOTSTRAP, MULTISTREAM, SEQUENTIAL
from twisted_libp2p.connection.upgrade import Instead
from twisted_libp2p.connection.upgrader import Upgrader
from twisted_libp2p.errors import (
    AddressRefused,
    ConfigurationError,
    DialToSelf,
    LegacyPeer,
    LocalError,
    NoAddresses,
    NodeStopping,
    UnsupportedAddress,
    UnsupportedProtocol,
    UpgradeTimeout,
    untraced,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IConnection,
    IPeerStore,
    ITransport,
)
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.transport.lane import Lane
from twisted_libp2p.transport.names import NameResolver

__all__ = ["AUTO", "DIALECTS", "Dialer"]

#: Try the draft's dialect with peers that are not known to be legacy ones.
AUTO = "auto"

#: What a dialer may be told to speak on a fresh transport.
DIALECTS = (MULTISTREAM, BOOTSTRAP, AUTO)

#: The most addresses of one peer that are tried in one dial.
MAX_ADDRESSES = 100

#: The maximum number of names that are resolved in one dial: of C{/dnsaddr}, and of
#: hosts that peers have named.
MAX_NAMES = 8

#: Number of C{/dnsaddr} of peers that are resolved at once, in all dials, and number
#: of those that may wait.
MAX_PEER_NAMES = 4
MAX_WAITING_NAMES = 64

#: Seconds for one address: for the connect, and in each dialect the upgrade.
ADDRESS_LIMIT = 15.0


def _nobody(peer: PeerID) -> Sequence[IConnection]:
    """
    Where no connections are known.
    """
    return ()


class Dialer:
    """
    Dials peers over the transports of a node.

    The addresses of a peer are tried in the order, and at the distances, of
    L{rank<twisted_libp2p.connection.ranking.rank>}; those that have failed just
    before, and those on which we listen ourselves, only if nothing comes of all
    others.
    """

    def __init__(
        self,
        upgrader: Upgrader,
        transports: Sequence[ITransport],
        peerstore: IPeerStore,
        dialect: str = MULTISTREAM,
        *,
        resolver: DNSAddrResolver,
        names: NameResolver,
        own: Callable[[], Iterable[Multiaddr]] = tuple,
        existing: Callable[[PeerID], Iterable[IConnection]] = _nobody,
        instead: Instead | None = None,
    ) -> None:
        """
        @param upgrader: makes connections of transports.
        @param transports: what addresses can be dialed with.
        @param peerstore: where addresses and dialects of peers are known.
        @param dialect: one of L{DIALECTS}.
        @param resolver: resolves C{/dnsaddr}.
        @param names: resolves C{/dns}, C{/dns4} and C{/dns6}.
        @param own: gives the addresses on which we listen.
        @param existing: gives the connections to a peer, the preferred one
            first: a dial ends with that one, even if it has failed itself.
        @param instead: returns the connection to use instead of a new one, when
            it turns out only after the handshake that a peer is connected.
        @raise ConfigurationError: there is no such dialect.
        """
        if dialect not in DIALECTS:
            raise ConfigurationError(
                f"no dialect {dialect!r}: choose one of {', '.join(DIALECTS)}"
            )
        self._upgrader = upgrader
        self._clock = upgrader.context.clock
        self._securities = tuple(upgrader.securities)
        self._transports = transports
        self._peerstore = peerstore
        self._dialect = dialect
        self._resolver = resolver
        self._names = names
        self._peerNames: Lane[list[Multiaddr]] = Lane(
            MAX_PEER_NAMES, MAX_WAITING_NAMES, _tooManyNames
        )
        self.hearsay = Hearsay(peerstore, lambda each: self.dials(each, Origin.PUBLIC))
        self._own = own
        self._existing = existing
        self._instead = instead
        # What the dials of addresses without a peer id have led to, as long as
        # it is there.
        self._found: WeakValueDictionary[Multiaddr, IConnection] = WeakValueDictionary()
        self._backoff = AddressBackoff(self._clock.seconds)
        self._dials: dict[Target, Dial] = {}

    def dial(
        self,
        peer: PeerID | None,
        addresses: Iterable[Multiaddr] = (),
        few: int | None = None,
        origin: Origin = Origin.OWN,
    ) -> Deferred[IConnection]:
        """
        Open a connection to a peer.  An address without a peer id leads to the
        connection that its last dial has led to, as long as that is there.

        Where a dial of it is under way this is one more share in that, and the
        addresses are tried as well.

        @param peer: who has to answer; None accepts anybody.
        @param addresses: where to find it; for a peer, what the peerstore
            knows is tried as well.
        @param few: the number of addresses of the peerstore that are tried, the
            most promising ones of those that this node can dial, and of the
            addresses to which their names lead; None for all.
        @param origin: the place of the peer that has named these addresses.  A peer
            must not lead us where we would not go by ourselves: each IP address is
            judged just before it is dialed.
        @return: fires with the connection.  Fails with
            L{DialFailed<twisted_libp2p.errors.DialFailed>}, which tells for
            each address why; with L{NoAddresses}; with L{DialToSelf}.
        """
        if not self._upgrader.context.open:
            return fail(NodeStopping())
        if peer == self._upgrader.identity.peerID:
            return fail(DialToSelf(f"{peer} is this node itself"))
        given = [(each, origin) for each in addresses]
        target: Target | None = peer or next((each for each, _ in given), None)
        if target is None:
            return fail(NoAddresses("neither a peer nor an address was given"))
        if isinstance(target, Multiaddr):
            found = self._found.get(target)
            if found is not None and found.connected:
                return succeed(found)
        dial = self._dials.get(target)
        if dial is not None:
            share = dial.join()
            if dial.few is not None and few is None and peer is not None:
                dial.few = None
                # A name may lead to more addresses than were tried.
                for name in [each for each in dial.known if isName(each)]:
                    del dial.known[name]
                given += self.hearsay.origins(peer, self._peerstore.addresses(peer))
            self._enter(dial, given)
            return share
        dial = self._dials[target] = Dial(target, self._clock)
        share = dial.join()
        dial.outcome().addBoth(self._finished, dial)
        try:
            if peer is not None:
                dial.few = few
                known = self._peerstore.addresses(peer)
                if few is not None:
                    known = list(islice(filter(self.dials, known), few))
                given += self.hearsay.origins(peer, known)
            if given:
                self._enter(dial, given)
            else:
                dial.race.enter([(0.0, _attempt(self._lookup, dial, peer))])
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
        for dial in list(self._dials.values()):
            dial.stop()

    def _finished(self, result: IConnection | Failure, dial: Dial) -> None:
        """
        A dial is over.  The peer may have dialed us meanwhile, and of two
        connections one is preferred.
        """
        del self._dials[dial.target]
        if not isinstance(result, Failure):
            peer: PeerID | None = result.remotePeer
        else:
            peer = None if result.check(CancelledError) else dial.peer
        if peer is not None:
            live = (each for each in self._existing(peer) if each.connected)
            result = next(live, result)
        if isinstance(dial.target, Multiaddr) and not isinstance(result, Failure):
            self._found[dial.target] = result
        dial.finish(result)

    # Addresses

    def _enter(self, dial: Dial, addresses: Iterable[tuple[Multiaddr, Origin]]) -> None:
        """
        Have more addresses tried.

        @param addresses: each with its origin.
        """
        own = [each.withoutPeer() for each in self._own()]
        likely: dict[Multiaddr, ITransport] = {}
        unlikely: dict[Multiaddr, ITransport] = {}
        names: list[tuple[float, Attempt[IConnection]]] = []
        for address, origin in addresses:
            address = unmapped(address)
            if dial.peer is not None:
                address = address.withoutPeer()
            if dial.usable >= MAX_ADDRESSES or not _isNew(dial, address, origin):
                continue
            bare = address.withoutPeer()
            resolved = isDNSAddr(bare)
            transport = None if resolved else self._transportFor(bare, origin)
            cause: Exception | None = None
            if transport is None and not resolved:
                cause = UnsupportedAddress(
                    f"no transport of this node dials {bare};"
                    " /ip4/127.0.0.1/tcp/4001 is one that TCP dials"
                )
            elif resolved or (isName(bare) and origin is not Origin.OWN):
                dial.resolved += 1
                if dial.resolved > MAX_NAMES:
                    cause = NoAddresses(
                        f"no more than {MAX_NAMES} names are resolved in one dial"
                    )
            # Addresses of no use leave the room to others.
            if cause is None or len(dial.known) - dial.usable < MAX_ADDRESSES:
                dial.known[address] = origin
                dial.causes[address] = cause
            if cause is not None:
                continue
            if transport is None:
                names.append((0.0, _attempt(self._resolve, dial, address)))
                continue
            if dial.few is not None and not self._resolves(bare, transport):
                if not dial.few:
                    del dial.known[address], dial.causes[address]
                    continue
                dial.few -= 1
            dial.usable += 1
            ways = unlikely if self._unlikely(dial, address, own) else likely
            ways[address] = transport

        def attempts(
            transports: dict[Multiaddr, ITransport],
        ) -> list[tuple[float, Attempt[IConnection]]]:
            return [
                (
                    delay,
                    _attempt(self._resolveHost, dial, each)
                    if self._resolves(each, transports[each])
                    else _attempt(self._try, dial, each, transports[each]),
                )
                for delay, each in rank(transports, own)
            ]

        dial.race.enter(names + attempts(likely), attempts(unlikely))

    def dials(self, address: Multiaddr, origin: Origin = Origin.OWN) -> bool:
        """
        Check whether an address can be dialed, by a transport of this node or after
        its name is resolved.
        """
        bare = address.withoutPeer()
        return isDNSAddr(bare) or self._transportFor(bare, origin) is not None

    def _transportFor(self, bare: Multiaddr, origin: Origin) -> ITransport | None:
        """
        Find the transport that dials an address, or the addresses of the named host.
        """
        resolved = _example(bare)
        for transport in self._transports:
            if transport.canDial(resolved):
                return transport
        if origin is not Origin.OWN and resolved is not bare:
            # Nobody could judge the address to which the transport connects.
            return None
        return next((each for each in self._transports if each.canDial(bare)), None)

    def _resolves(self, address: Multiaddr, transport: ITransport) -> bool:
        """
        Check whether a name is resolved here.  It is not if the transport dials names
        alone, as a transport does that asks a proxy.
        """
        bare = address.withoutPeer()
        resolved = _example(bare)
        return resolved is not bare and transport.canDial(resolved)

    def _unlikely(
        self, dial: Dial, address: Multiaddr, own: Sequence[Multiaddr]
    ) -> bool:
        """
        Tell whether an address has just failed, or is where we listen.
        """
        peer, bare = _way(dial, address)
        return bare in own or self._backoff.remaining(peer, bare) > 0

    async def _lookup(self, dial: Dial, peer: PeerID) -> None:
        """
        Have the peerstore ask further than memory.
        """
        found = await self._peerstore.lookup(peer)
        self._enter(dial, self.hearsay.origins(peer, found))

    async def _resolve(self, dial: Dial, address: Multiaddr) -> None:
        """
        Have the addresses tried that a C{/dnsaddr} stands for.  They are no more
        trusted than it is.
        """
        origin = dial.known[address]
        try:
            # May be too long with the peer's id, which is a fault of its own alone.
            full = address if dial.peer is None else address.withPeer(dial.peer)
            self._judge(origin, address)
            found = await (
                self._resolver.resolve(full)
                if origin is Origin.OWN
                else self._peerNames.run(lambda: self._resolver.resolve(full))
            )
        except CancelledError:
            raise
        except Exception as error:
            dial.causes[address] = untraced(error)
        else:
            # The causes of these addresses replace the cause of the name.
            dial.causes.pop(address, None)
            self._enter(dial, [(each, origin) for each in found])

    async def _resolveHost(self, dial: Dial, address: Multiaddr) -> None:
        """
        Have the IP addresses tried to which the name of a host leads.

        It is resolved once: the addresses that are judged are the addresses that
        are dialed.
        """
        origin = dial.known[address]
        peer, bare = _way(dial, address)
        first = next(iter(address))
        try:
            self._judge(origin, address)
            self._upgrader.context.connections.dialing(peer, bare)
            hosts = await addTimeout(
                self._names.resolve(
                    first.value or "", first.name, origin is Origin.OWN
                ),
                ADDRESS_LIMIT,
                self._clock,
                _notResolved,
            )
        except CancelledError:
            raise
        except Exception as error:
            self._missed(dial, address, error)
            return
        rest = address.withoutFirst()
        found = [unmapped(_literal(host).encapsulate(rest)) for host in hosts]
        # The causes of these addresses replace the cause of the name.
        dial.causes.pop(address, None)
        for each in found:
            dial.names[each] = address
        self._enter(dial, [(each, origin) for each in found])

    # Attempts

    def _judge(self, origin: Origin, address: Multiaddr) -> None:
        """
        Judge an address.

        @raise AddressRefused: an address of this origin must not lead there.
        """
        reason = origin.refusal(address)
        host = address.host
        if (
            reason is None
            and origin < Origin.HOST
            and host is not None
            and any(each.host == host for each in self._own())
        ):
            reason = f"{address} is an address of this host"
        if reason is not None:
            raise AddressRefused(reason)

    async def _try(
        self, dial: Dial, address: Multiaddr, transport: ITransport
    ) -> IConnection | None:
        """
        Try one address, and learn from it.
        """
        peer, bare = _way(dial, address)
        if peer is not None and dial.peer is None:
            # The name has led to a peer that may be connected.
            for existing in self._existing(peer):
                if existing.connected:
                    return existing
        origin = dial.known[address]
        try:
            self._judge(origin, bare)
            self._upgrader.context.connections.dialing(peer, bare)
            connection = await addTimeout(
                Deferred.fromCoroutine(
                    self._reach(transport, peer, bare, dial.peer is None)
                ),
                ADDRESS_LIMIT,
                self._clock,
                _timedOut,
            )
        except CancelledError:
            raise
        except Exception as error:
            self._missed(dial, address, error)
            return None
        self._backoff.succeeded(peer, bare)
        # A new connection has reported its address to the peerstore when it opened.
        if connection.remoteAddress != bare:
            self._peerstore.succeeded(connection.remotePeer, bare)
        name = dial.names.get(address)
        # A success makes an address ours.  A name of a peer stays the peer's: it may
        # lead elsewhere the next time.
        if name is not None and origin is Origin.OWN:
            self._peerstore.succeeded(connection.remotePeer, name.withoutPeer())
        return connection

    def _missed(self, dial: Dial, address: Multiaddr, error: Exception) -> None:
        """
        An address, or a name, did not lead to the peer.
        """
        dial.causes[address] = untraced(error)
        # A refusal of our own side says nothing about the address.
        if isinstance(error, LocalError):
            return
        peer, bare = _way(dial, address)
        self._backoff.failed(peer, bare)
        if peer is not None:
            self._peerstore.failed(peer, bare)
            name = dial.names.get(address)
            if name is not None:
                self._peerstore.failed(peer, name.withoutPeer())

    async def _reach(
        self,
        transport: ITransport,
        peer: PeerID | None,
        address: Multiaddr,
        anybody: bool,
    ) -> IConnection:
        """
        Try one address in the dialect, or dialects, that fit the peer.  Neither
        side can go on with a transport on which it has heard the wrong one, nor
        with one on which a handshake came behind a proposal that was refused.
        """
        known = self._peerstore.dialect(peer) if peer is not None else None
        dialect = self._dialect
        if dialect == AUTO:
            dialect = known or BOOTSTRAP
        elif dialect == MULTISTREAM and known == SEQUENTIAL:
            dialect = SEQUENTIAL
        while True:
            try:
                return await self._connect(transport, peer, address, dialect, anybody)
            except LegacyPeer:
                if self._dialect != AUTO:
                    raise
                dialect = MULTISTREAM
            except UnsupportedProtocol as refusal:
                if (
                    dialect != MULTISTREAM
                    or refusal.proposed != self._securities[:1]
                    or len(self._securities) == 1
                ):
                    raise
                dialect = SEQUENTIAL

    async def _connect(
        self,
        transport: ITransport,
        peer: PeerID | None,
        address: Multiaddr,
        dialect: str,
        anybody: bool,
    ) -> IConnection:
        """
        Connect and upgrade once.

        @param anybody: whether the caller has named no peer.
        """
        upgrade = self._upgrader.outbound(
            transport, peer, instead=self._instead if anybody else None
        )
        connection = await self._upgrader.connect(upgrade, transport, address, dialect)
        if connection.scope is not upgrade.scope:
            # There was one before, which tells nothing of this dialect.
            return connection
        if dialect == SEQUENTIAL and connection.security == self._securities[0]:
            dialect = MULTISTREAM
        self._peerstore.setDialect(connection.remotePeer, dialect)
        return connection


def _way(dial: Dial, address: Multiaddr) -> tuple[PeerID | None, Multiaddr]:
    """
    Tell who has to answer at an address of a dial, and the address alone.
    """
    return dial.peer or address.peerID, address.withoutPeer()


def _isNew(dial: Dial, address: Multiaddr, origin: Origin) -> bool:
    """
    Check whether an address is new to a dial, or was refused there because of the
    peer that had named it.
    """
    known = dial.known.get(address)
    if known is None:
        return True
    return origin > known and (
        isName(address) or isinstance(dial.causes.get(address), AddressRefused)
    )


def _example(bare: Multiaddr) -> Multiaddr:
    """
    Give an address as the name of a host might be resolved to; any other address
    as it is.
    """
    if not bare or bare.names[0] not in HOST_NAMES:
        return bare
    host = _EXAMPLE_6 if bare.names[0] == "dns6" else _EXAMPLE_4
    return host.encapsulate(bare.withoutFirst())


_EXAMPLE_4 = Multiaddr("/ip4/192.0.2.1")
_EXAMPLE_6 = Multiaddr("/ip6/2001:db8::1")


def _literal(host: str) -> Multiaddr:
    """
    Write an IP address as a multiaddr.
    """
    ip, _, zone = host.partition("%")
    if ":" not in ip:
        return Multiaddr(f"/ip4/{ip}")
    return Multiaddr(f"/ip6zone/{zone}/ip6/{ip}" if zone else f"/ip6/{ip}")


def _tooManyNames() -> NoAddresses:
    return NoAddresses(f"more than {MAX_WAITING_NAMES} names wait to be resolved")


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
    An attempt that is given up has come to nothing.
    """
    try:
        return await attempt
    except CancelledError:
        return None


def _notResolved(result: object, seconds: float) -> Any:
    """
    Name the timeout of a name.
    """
    if isinstance(result, Failure):
        result.trap(CancelledError)
    raise DNSLookupError(f"the name was not resolved within {seconds:g} s")


def _timedOut(result: object, seconds: float) -> IConnection:
    """
    Name what C{addTimeout} has ended.
    """
    if isinstance(result, Failure):
        result.trap(CancelledError)
    raise UpgradeTimeout("the connection", seconds)
