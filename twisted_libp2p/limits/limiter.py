# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Keeps all the scopes of a node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.limits.limits import Limits, ScopeLimits
from twisted_libp2p.limits.scopes import (
    CONNECTION,
    CONNECTIONS,
    STREAMS,
    TRANSIENT,
    ConnectionScope,
    Scope,
    release,
    reserve,
)
from twisted_libp2p.limits.subnets import Subnets

__all__ = ["Limiter"]

T = TypeVar("T", PeerID, str)

#: The scopes of so many protocols are kept while nobody uses them.
_KEPT_PROTOCOLS = 256


def _nobody(error: LimitExceeded, peer: PeerID | None) -> None:
    """
    Where nobody wants to know of refusals.
    """


def _nothing(scopes: Sequence[Scope], newcomer: ConnectionScope) -> bool:
    """
    Where no stream gives way.
    """
    return False


def _keep(reserve: int) -> None:
    """
    Where no window gives way.
    """


def _scope(
    kind: str, who: T, usual: ScopeLimits, special: Mapping[T, ScopeLimits]
) -> Scope:
    """
    Make the scope of a peer or protocol, which may have limits of its own.
    """
    if who in special:
        return Scope(kind, f"Limits.{kind}s[{who}]", special[who], who)
    return Scope(kind, f"Limits.{kind}", usual, who)


class Limiter:
    """
    Keeps the scopes of one node.

    @ivar limits: how much may be in use.
    @ivar system: the whole node.
    @ivar transient: what is not known yet.
    @ivar peers: the scopes of the connected peers.
    @ivar protocols: the scopes of protocols.
    @ivar subnets: where inbound connections come from.
    @ivar refused: told of each refusal, and of the peer if it is known.
    @ivar background: protocols whose streams do not count as use of a
        connection.
    @ivar makeRoom: called with the scopes in which a peer has asked for one more
        stream, and the connection that it is for, when one of them is full;
        returns whether each of them has a place now.
    @ivar freeMemory: called when little memory is left for windows, with the
        bytes that a peer may hold all the same.
    @ivar now: tells the time.
    """

    def __init__(
        self,
        limits: Limits,
        now: Callable[[], float],
        refused: Callable[[LimitExceeded, PeerID | None], None] = _nobody,
        background: Collection[str] = (),
        makeRoom: Callable[[Sequence[Scope], ConnectionScope], bool] = _nothing,
        freeMemory: Callable[[int], None] = _keep,
    ) -> None:
        """
        @raise ConfigurationError: a network in C{limits} is none, or lets nobody in.
        """
        self.limits = limits
        self.now = now
        self.refused = refused
        self.background = background
        self.makeRoom = makeRoom
        self.freeMemory = freeMemory
        self.system = Scope("the system", "Limits.system", limits.system)
        self.transient = Scope(TRANSIENT, "Limits.transient", limits.transient)
        self.peers: dict[PeerID, Scope] = {}
        self.protocols: dict[str, Scope] = {}
        self.subnets = Subnets(limits.subnets, limits.exempt, now)
        self._upgrading: OrderedDict[ConnectionScope, Callable[[LimitExceeded], None]]
        self._upgrading = OrderedDict()

    # Connections

    def accept(
        self, address: Multiaddr | None, drop: Callable[[LimitExceeded], None]
    ) -> ConnectionScope:
        """
        A transport was accepted.

        If too many are under upgrade, the oldest of these gives way: so silent
        ones keep nobody out, however many they are.

        @param address: where it comes from, if it has such an address.
        @param drop: called to give the upgrade up.
        @raise LimitExceeded: too many come from there.
        """
        subnets = self.subnets.of(address)
        try:
            self.subnets.check(subnets)
        except LimitExceeded as error:
            self.refused(error, None)
            raise
        transient = self.transient
        while transient.used[CONNECTIONS] >= transient.limits[CONNECTIONS]:
            full = transient.exceeded(CONNECTIONS)
            self.refused(full, None)
            if not self._upgrading:
                raise full
            _, giveUp = self._upgrading.popitem(last=False)
            release((transient,), CONNECTION[True])
            giveUp(full)
        self.subnets.enter(subnets)
        scope = ConnectionScope(self, True, subnets)
        reserve((transient,), CONNECTION[True])
        self._upgrading[scope] = drop
        return scope

    def dial(self) -> ConnectionScope:
        """
        A transport is about to be opened by our side.
        """
        return ConnectionScope(self, False)

    def full(self, inbound: bool) -> LimitExceeded | None:
        """
        Tell whether the system takes one more connection.

        @return: why not; None if it does.
        """
        system = self.system
        for resource in CONNECTION[inbound]:
            if system.used[resource] >= system.limits[resource]:
                return system.exceeded(resource)
        return None

    def upgraded(self, scope: ConnectionScope) -> None:
        """
        A connection is transient no more; it does not matter whether it was.
        """
        if self._upgrading.pop(scope, None) is not None:
            release((self.transient,), CONNECTION[True])

    # Scopes that come and go

    def ofPeer(self, peer: PeerID) -> Scope:
        """
        @return: the scope of a peer, which L{forget} removes.
        """
        scope = self.peers.get(peer)
        if scope is None:
            scope = self.peers[peer] = _scope(
                "peer", peer, self.limits.peer, self.limits.peers
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
        @return: the scope of a protocol.
        """
        scope = self.protocols.get(protocol)
        if scope is None:
            scope = self.protocols[protocol] = _scope(
                "protocol", protocol, self.limits.protocol, self.limits.protocols
            )
        return scope

    def keep(self, scopes: Sequence[Scope]) -> None:
        """
        Keep the scopes of protocols that are about to be used again: the only
        stream of one may just have given way.
        """
        for scope in scopes:
            if scope.kind == "protocol":
                self.protocols[str(scope.who)] = scope

    def leaveProtocol(self, protocol: str, resources: Sequence[int]) -> None:
        """
        A stream of a protocol has ended.  Unused scopes are kept, but not many:
        peers may think up protocols that a match function takes.
        """
        scope = self.protocols[protocol]
        used = scope.used
        for resource in resources:
            used[resource] -= 1
        if not used[STREAMS] and len(self.protocols) > _KEPT_PROTOCOLS:
            del self.protocols[protocol]
