# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The scopes against a model: connections and streams that begin and end in any order.
The model is a list of them; all counts follow from it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import peer
from tests.examples import explore
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConnectionClosing, LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.limits.connectionscope import ConnectionScope
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import Limits, ScopeLimits
from twisted_libp2p.limits.streamscope import StreamScope
from twisted_libp2p.limits.subnets import SubnetLimit
from twisted_libp2p.limits.usage import Usage

INBOUND = Direction.INBOUND

#: Few of everything, so that every limit is reached.
LIMITS = replace(
    Limits.none(),
    system=ScopeLimits(4, 3, 6, 5),
    transient=ScopeLimits(connections=3, streams=3),
    peer=ScopeLimits(2, 2, 4, 3),
    protocol=ScopeLimits(streams=3, inboundStreams=2),
    subnets=(SubnetLimit(4, 32, 3, streams=3),),
)

NUMBERS = st.integers(0, 7)
DIRECTIONS = st.sampled_from(list(Direction))


@dataclass(eq=False)
class Stream:
    """
    A stream that has not ended.

    @ivar held: the bytes that are kept for it.
    """

    scope: StreamScope
    direction: Direction
    protocol: str | None = None
    held: int = 0


@dataclass(eq=False)
class Connection:
    """
    A connection, which is in the model as long as it or one of its streams is there.

    @ivar peer: the peer; None before the connection is admitted.
    @ivar counted: whether its place is taken.
    @ivar ended: whether it has ended.
    """

    scope: ConnectionScope
    direction: Direction
    address: str | None
    peer: PeerID | None = None
    counted: bool = False
    ended: bool = False
    streams: list[Stream] = field(default_factory=list)


class Scopes(RuleBasedStateMachine):
    """
    A limiter, and the connections and streams that it counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0
        self.connections: list[Connection] = []
        self.limiter = Limiter(LIMITS, lambda: 0.0, self.refused)

    def refused(self, error: LimitExceeded, peer: PeerID | None) -> None:
        """
        Count a refusal.
        """
        self.refusals += 1

    def one(self, number: int, of: list[Any]) -> Any:
        """
        Choose one of several.
        """
        return of[number % len(of)]

    @rule(host=st.sampled_from([None, "192.0.2.1", "192.0.2.2"]))
    def accept(self, host: str | None) -> None:
        """
        A peer connects; the oldest upgrade may give way.
        """
        address = None if host is None else f"/ip4/{host}/tcp/1"
        connection: Connection

        def drop(error: LimitExceeded) -> None:
            connection.scope.close()
            connection.ended = True

        try:
            scope = self.limiter.accept(
                None if address is None else Multiaddr(address), drop
            )
        except LimitExceeded:
            return
        connection = Connection(scope, INBOUND, address)
        self.connections.append(connection)

    @rule()
    def dial(self) -> None:
        """
        Our side dials.
        """
        self.connections.append(
            Connection(self.limiter.dial(), Direction.OUTBOUND, None)
        )

    @precondition(lambda self: self.connections)
    @rule(number=NUMBERS, who=st.integers(1, 3), overCap=st.booleans())
    def admit(self, number: int, who: int, overCap: bool) -> None:
        """
        A handshake ends.
        """
        connection = self.one(number, self.connections)
        if connection.peer is not None:
            return
        try:
            connection.scope.admit(peer(who), overCap)
        except (LimitExceeded, ConnectionClosing):
            return
        assert not connection.ended
        connection.peer, connection.counted = peer(who), True

    @precondition(lambda self: self.connections)
    @rule(number=NUMBERS)
    def leave(self, number: int) -> None:
        """
        A connection is being closed.
        """
        connection = self.one(number, self.connections)
        connection.scope.leave()
        connection.counted = False

    @precondition(lambda self: self.connections)
    @rule(number=NUMBERS)
    def close(self, number: int) -> None:
        """
        A connection ends, perhaps before its streams, perhaps again.
        """
        connection = self.one(number, self.connections)
        connection.scope.close()
        connection.counted, connection.ended = False, True
        for stream in connection.streams:
            stream.held = 0

    @precondition(lambda self: self.connections)
    @rule(number=NUMBERS, direction=DIRECTIONS)
    def openStream(self, number: int, direction: Direction) -> None:
        """
        A stream begins.
        """
        connection = self.one(number, self.connections)
        try:
            scope = connection.scope.openStream(direction)
        except (LimitExceeded, ConnectionClosing):
            return
        assert connection.peer is not None and not connection.ended
        connection.streams.append(Stream(scope, direction))

    def stream(self, number: int) -> tuple[Connection, Stream] | None:
        """
        Choose a stream.
        """
        streams = [(each, one) for each in self.connections for one in each.streams]
        return self.one(number, streams) if streams else None

    @rule(number=NUMBERS, protocol=st.sampled_from(["/a", "/b"]))
    def agree(self, number: int, protocol: str) -> None:
        """
        The protocol of a stream is negotiated.
        """
        chosen = self.stream(number)
        if chosen is None or chosen[1].protocol is not None:
            return
        try:
            chosen[1].scope.agree(protocol)
        except LimitExceeded:
            return
        chosen[1].protocol = protocol

    @rule(number=NUMBERS, size=st.integers(0, 100))
    def hold(self, number: int, size: int) -> None:
        """
        Bytes are kept for a stream.
        """
        chosen = self.stream(number)
        if chosen is not None:
            chosen[1].scope.hold(size)
            if not chosen[0].ended:
                chosen[1].held += size

    @rule(number=NUMBERS)
    def closeStream(self, number: int) -> None:
        """
        A stream ends, and its second end changes nothing.
        """
        chosen = self.stream(number)
        if chosen is not None:
            connection, stream = chosen
            connection.streams.remove(stream)
            for _ in range(2):
                stream.scope.close()
            assert stream.scope.closed

    def expected(self, connections: list[Connection]) -> Usage:
        """
        Return the use of these connections and all their streams.
        """
        counted = [each for each in connections if each.counted]
        streams = [stream for each in connections for stream in each.streams]
        return Usage(
            len(counted),
            sum(each.direction is INBOUND for each in counted),
            len(streams),
            sum(each.direction is INBOUND for each in streams),
            sum(each.held for each in streams),
        )

    @invariant()
    def counts(self) -> None:
        """
        All counts are those of the model.
        """
        self.connections = [
            each for each in self.connections if not each.ended or each.streams
        ]
        snapshot = self.limiter.snapshot()
        assert snapshot.system.used == self.expected(self.connections), snapshot
        peers = {each.peer for each in self.connections if each.peer is not None}
        assert set(snapshot.peers) <= peers, snapshot
        for who in peers:
            own = [each for each in self.connections if each.peer == who]
            assert snapshot.peers.get(who, Usage()) == self.expected(own), who
        streams = [one for each in self.connections for one in each.streams]
        for protocol, used in snapshot.protocols.items():
            speaking = [one for one in streams if one.protocol == protocol]
            inbound = sum(one.direction is INBOUND for one in speaking)
            assert used == Usage(0, 0, len(speaking), inbound, 0), protocol
        upgrading = [
            each
            for each in self.connections
            if each.direction is INBOUND and each.peer is None and not each.ended
        ]
        asking = [
            one for one in streams if one.direction is INBOUND and not one.protocol
        ]
        count, asked = len(upgrading), len(asking)
        assert snapshot.transient.used == Usage(count, count, asked, asked, 0)
        networks = Counter(
            each.address
            for each in self.connections
            for one in each.streams
            if each.address is not None and one.direction is INBOUND
        )
        assert sorted(self.limiter.subnets.streams.values()) == sorted(
            networks.values()
        )


class ModelTests(SynchronousTestCase):
    """
    The scopes agree with the model.
    """

    def test_model(self) -> None:
        """
        In whatever order connections and streams begin and end, each count is the
        number of things that it counts.
        """
        explore(Scopes, 60)
