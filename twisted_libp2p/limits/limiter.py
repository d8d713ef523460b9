# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The owner of all scopes of a node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.limits.connectionscope import ConnectionScope
from twisted_libp2p.limits.limits import Limits, ScopeLimits
from twisted_libp2p.limits.scope import Scope
from twisted_libp2p.limits.scopefull import ScopeFull
from twisted_libp2p.limits.streamscope import StreamScope
from twisted_libp2p.limits.subnets import Subnet, Subnets
from twisted_libp2p.limits.usage import Snapshot

__all__ = ["Limiter"]

T = TypeVar("T", PeerID, str)

INBOUND, OUTBOUND = Direction
CONNECTIONS, STREAMS = Resource.CONNECTIONS, Resource.STREAMS

#: Number of protocols whose scopes are kept while no stream speaks them.
_KEPT_PROTOCOLS = 256


def _ignore(error: ScopeFull, peer: PeerID | None) -> None:
    """
    Default callback for refusals: do nothing.
    """


def _makeNoRoom(scopes: Sequence[Scope], newcomer: ConnectionScope) -> bool:
    """
    Default callback for full scopes: let no stream give way.
    """
    return False


def _keepWindows(reserve: int) -> None:
    """
    Default callback for little memory: let no window give way.
    """


def _scope(
    kind: ScopeKind, who: T, usual: ScopeLimits, special: Mapping[T, ScopeLimits]
) -> Scope:
    """
    Make the scope of a peer or protocol, which may have limits of its own.
    """
    return Scope(kind, special.get(who, usual), who, who in special)


class Limiter:
    """
    Owns the scopes of one node.

    @ivar limits: how much may be in use.
    @ivar system: the scope of the whole node.
    @ivar transient: the scope of connections under upgrade and of streams in
        negotiation.
    @ivar peers: the scopes of the connected peers.
    @ivar protocols: the scopes of protocols.
    @ivar subnets: the counts of the networks from which inbound connections come.
    @ivar held: the bytes that are kept for streams; few streams hold any.
    @ivar refused: called with each refusal, and with the peer if it is known.
    @ivar background: protocols whose streams do not count as use of a
        connection.
    @ivar makeRoom: called with the scopes in which a peer has asked for one more
        stream, and the scope of the connection, when one of them is full; returns
        whether each of them has a place now.
    @ivar freeMemory: called when little memory is left for windows, with the
        bytes that a peer may hold all the same.
    @ivar now: returns the time in seconds.
    """

    def __init__(
        self,
        limits: Limits,
        now: Callable[[], float],
        refused: Callable[[ScopeFull, PeerID | None], None] = _ignore,
        background: Collection[str] = (),
        makeRoom: Callable[[Sequence[Scope], ConnectionScope], bool] = _makeNoRoom,
        freeMemory: Callable[[int], None] = _keepWindows,
    ) -> None:
        """
        Make the scopes that exist once; the others are made when they are used.

        @raise ConfigurationError: a network in C{limits} is invalid, or admits no peer.
        """
        self.limits = limits
        self.now = now
        self.refused = refused
        self.background = background
        self.makeRoom = makeRoom
        self.freeMemory = freeMemory
        self.system = Scope(ScopeKind.SYSTEM, limits.system)
        self.transient = Scope(ScopeKind.TRANSIENT, limits.transient)
        self.peers: dict[PeerID, Scope] = {}
        self.protocols: dict[str, Scope] = {}
        self.subnets = Subnets(limits.subnets, limits.exempt, now)
        self.held: dict[StreamScope, int] = {}
        self._upgrading: OrderedDict[ConnectionScope, Callable[[ScopeFull], None]]
        self._upgrading = OrderedDict()

    def snapshot(self) -> Snapshot:
        """
        Return the present use of all limits.
        """
        return Snapshot(
            system=self.system.usage(),
            transient=self.transient.usage(),
            peers={peer: scope.used for peer, scope in self.peers.items()},
            protocols={name: scope.used for name, scope in self.protocols.items()},
        )

    # Connections

    def accept(
        self, address: Multiaddr | None, drop: Callable[[ScopeFull], None]
    ) -> ConnectionScope:
        """
        Count a transport that was accepted.

        If too many are under upgrade, the oldest of these gives way: so silent
        ones keep no peer out, however many they are.

        @param address: the other end of the transport, if it has such an address.
        @param drop: called to end the upgrade.
        @raise LimitExceeded: too many connections come from there.
        """
        subnets = self._check(address)
        transient = self.transient
        while (full := transient.full(CONNECTIONS, INBOUND)) is not None:
            self.refused(full, None)
            if not self._upgrading:
                raise full
            _, giveUp = self._upgrading.popitem(last=False)
            transient.give(CONNECTIONS, INBOUND)
            giveUp(full)
        self.subnets.enter(subnets)
        scope = ConnectionScope(self, INBOUND, subnets)
        transient.add(CONNECTIONS, INBOUND)
        self._upgrading[scope] = drop
        return scope

    def locate(self, scope: ConnectionScope, address: Multiaddr | None) -> None:
        """
        Count an accepted connection in its networks, which are known only now.

        @param address: the address of the client, which a proxy has stated.
        @raise LimitExceeded: too many connections come from there.
        """
        subnets = self._check(address)
        self.subnets.enter(subnets)
        scope.subnets = subnets

    def _check(self, address: Multiaddr | None) -> list[Subnet]:
        """
        Return the networks in which an address is counted.

        @raise LimitExceeded: too many connections come from there.
        """
        subnets = self.subnets.of(address)
        try:
            self.subnets.check(subnets)
        except ScopeFull as error:
            self.refused(error, None)
            raise
        return subnets

    def dial(self) -> ConnectionScope:
        """
        Return the scope of a transport that our side is about to open.
        """
        return ConnectionScope(self, OUTBOUND)

    def full(self, direction: Direction) -> ScopeFull | None:
        """
        Return the error for one more connection of the system; None if there is a
        place for it.
        """
        return self.system.full(CONNECTIONS, direction)

    def upgraded(self, scope: ConnectionScope) -> None:
        """
        Stop counting a connection as one under upgrade, if it is counted so.
        """
        if self._upgrading.pop(scope, None) is not None:
            self.transient.give(CONNECTIONS, INBOUND)

    # Scopes that come and go

    def ofPeer(self, peer: PeerID) -> Scope:
        """
        Return the scope of a peer, which L{forget} removes.
        """
        scope = self.peers.get(peer)
        if scope is None:
            scope = self.peers[peer] = _scope(
                ScopeKind.PEER, peer, self.limits.peer, self.limits.peers
            )
        return scope

    def forget(self, peer: PeerID) -> None:
        """
        Drop the scope of a peer that uses nothing.
        """
        scope = self.peers.get(peer)
        if scope is not None and not any(scope.used):
            del self.peers[peer]

    def ofProtocol(self, protocol: str) -> Scope:
        """
        Return the scope of a protocol.
        """
        scope = self.protocols.get(protocol)
        if scope is None:
            scope = self.protocols[protocol] = _scope(
                ScopeKind.PROTOCOL,
                protocol,
                self.limits.protocol,
                self.limits.protocols,
            )
        return scope

    def keep(self, scopes: Sequence[Scope]) -> None:
        """
        Keep the scopes of protocols that are about to be used again: the only
        stream of one may just have given way.
        """
        for scope in scopes:
            if scope.kind is ScopeKind.PROTOCOL:
                self.protocols[str(scope.who)] = scope

    def leaveProtocol(self, protocol: str) -> None:
        """
        Drop the scope of a protocol if no stream speaks it any longer.  Some unused
        scopes are kept, but not many: peers may invent protocols that a match function
        takes.
        """
        unused = not self.protocols[protocol].streams
        if unused and len(self.protocols) > _KEPT_PROTOCOLS:
            del self.protocols[protocol]
