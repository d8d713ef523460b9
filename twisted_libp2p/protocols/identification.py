# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that identifies: asks every new peer what it is, tells it what we
are, and tells again when that has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, PeerRecord, Scope
from twisted_libp2p.connection import Connection
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.errors import (
    ConnectionClosing,
    ErrorCode,
    Libp2pError,
    ProtocolViolation,
    UpgradeTimeout,
    untraced,
)
from twisted_libp2p.events import (
    AddressesChanged,
    ClosedConn,
    EventBus,
    Identified,
    OpenedConn,
    ProtocolsChanged,
)
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.protocols.identify import (
    PROTOCOL_ID,
    PUSH_PROTOCOL_ID,
    Description,
    Identification,
    Reader,
    describe,
    visible,
)

__all__ = ["IdentifyService"]

#: Seconds that a peer has to tell what it is.
TIMEOUT = 5.0

#: Seconds between a change of ours and the push of it, so that several
#: changes make one push.
PUSH_DELAY = 1.0

#: How many pushes of one connection are taken at once, and the seconds after
#: which one more is.
PUSH_BURST = 10
PUSH_INTERVAL = 5.0


_NOTHING = Identification()


class _Tell(Protocol):
    """
    Writes our message and closes.
    """

    transport: Any

    def __init__(self, service: IdentifyService) -> None:
        self._service = service

    def connectionMade(self) -> None:
        self.transport.write(self._service.message(self.transport.connection))
        self.transport.loseConnection()


@implementer(IHalfCloseableProtocol)
class _Listen(Protocol):
    """
    Reads the peer's message to its end.
    """

    transport: Any

    def __init__(self, service: IdentifyService, push: bool) -> None:
        self._service = service
        self._push = push
        self._reader: Reader | None = None

    def connectionMade(self) -> None:
        connection = self.transport.connection
        if self._push and not self._service.mayPush(connection):
            self.transport.abortConnection(ErrorCode.RATE_LIMITED)
            return
        self._reader = Reader(connection.remoteKey, connection.remoteAddress)
        self._service.deadlines.begin(self)

    def dataReceived(self, data: bytes) -> None:
        if self._reader is not None:
            try:
                self._reader.feed(data)
            except Libp2pError:
                self._end(Failure())
                self.transport.abortConnection()

    def readConnectionLost(self) -> None:
        self._end(None)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Nothing to do.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(reason)

    def timedOut(self) -> None:
        """
        The peer did not tell all in time.
        """
        self._end(Failure(UpgradeTimeout("identify", TIMEOUT)))
        self.transport.abortConnection()

    def _end(self, reason: Failure | None) -> None:
        """
        Tell once what was read, or why it was not.
        """
        reader, self._reader = self._reader, None
        if reader is None:
            return
        self._service.deadlines.end(self)
        connection = self.transport.connection
        if reason is None:
            self._service.told(connection, reader, self._push)
        elif not self._push:
            self._service.silent(connection, reason)


class _ProtocolFactory(Factory):
    """
    Builds a protocol by a function.
    """

    noisy = False

    def __init__(self, build: Callable[[], Protocol]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._build()


class _Peer:
    """
    What is known of the peer of one connection.

    @ivar told: what it has told so far.
    @ivar knows: the number of the state of ours that it was told last.
    @ivar result: what came of asking it; None so far.
    @ivar waiting: who waits for that.
    """

    # There is one for each connection, of which most never push.
    __slots__ = ("_pushes", "knows", "result", "told", "waiting")

    def __init__(self) -> None:
        self.told = _NOTHING
        self.knows: int | None = None
        self.result: Identification | Failure | None = None
        self.waiting: list[Deferred[Identification]] | None = None
        self._pushes: Allowance | None = None

    def mayPush(self, now: float) -> bool:
        """
        Tell whether one more push is taken by now.
        """
        if self._pushes is None:
            self._pushes = Allowance(PUSH_BURST, PUSH_INTERVAL, now)
        return self._pushes.take(now)

    def wait(self) -> Deferred[Identification]:
        """
        Wait for the first answer.
        """
        waiting = self.waiting = self.waiting or []
        one: Deferred[Identification] = Deferred(waiting.remove)
        waiting.append(one)
        return one

    def settle(self, result: Identification | Failure) -> None:
        """
        Tell those who wait for the first answer.
        """
        if isinstance(result, Failure) and isinstance(result.value, Libp2pError):
            # It is kept for as long as the connection.
            result = Failure(untraced(result.value))
        self.result = result
        waiting, self.waiting = self.waiting, None
        for each in waiting or ():
            if isinstance(result, Failure):
                each.errback(result)
            else:
                each.callback(result)


class IdentifyService(Service):
    """
    Speaks identify on all connections of a node.

    What is learnt is published as
    L{Identified<twisted_libp2p.events.Identified>}.

    @ivar agent: the software that we say we are.
    @ivar deadlines: the time that each peer has to tell what it is.
    """

    name = "identify"
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        identity: Identity,
        registry: Registry,
        events: EventBus,
        addresses: Callable[[], Iterable[Multiaddr]],
        *,
        agent: str,
        protocolVersion: str,
    ) -> None:
        """
        @param clock: bounds the asking, and numbers our records.
        @param identity: who we are.
        @param registry: what we serve.
        @param events: tells of connections, and is told of identifications.
        @param addresses: gives where we listen.
        @param agent: our software.
        @param protocolVersion: our network.
        """
        self.clock = clock
        self.deadlines = Deadlines(clock, TIMEOUT)
        self._identity = identity
        self._registry = registry
        self._events = events
        self._addresses = addresses
        self.agent = agent
        self._protocolVersion = protocolVersion
        # Greater with each change, and after each start.
        self._sequence = int(clock.seconds() * 1000)
        # What is told and signed, until something changes.
        self._descriptions: dict[tuple[Scope, int], Description] = {}
        self._records: dict[tuple[Multiaddr, ...], bytes] = {}
        self._peers: dict[Connection, _Peer] = {}
        self._pushing: IDelayedCall | None = None
        registry.register(PROTOCOL_ID, _ProtocolFactory(lambda: _Tell(self)))
        registry.register(
            PUSH_PROTOCOL_ID, _ProtocolFactory(lambda: _Listen(self, push=True))
        )
        self._own = self._present()
        registry.watch(self.changed)
        events.subscribe(OpenedConn, self._opened)
        events.subscribe(ClosedConn, self._closed)

    def identified(self, connection: Connection) -> Deferred[Identification]:
        """
        Wait until a peer has told what it is.

        @return: fires with what it has told by now; fails with why it did
            not, after five seconds at the latest, or with
            L{ConnectionClosing}.
        """
        peer = self._peers.get(connection)
        if peer is None:
            return fail(ConnectionClosing("the connection has ended"))
        if isinstance(peer.result, Failure):
            return fail(peer.result)
        if peer.result is not None:
            return succeed(peer.told)
        return peer.wait()

    def changed(self) -> None:
        """
        Our protocols or addresses have changed: tell the peers, soon.
        """
        self._sequence += 1
        self._records.clear()
        self._descriptions.clear()
        self._schedule()
        before, self._own = self._own, self._present()
        self._compare(self._identity.peerID, before, self._own)

    def _present(self) -> Identification:
        """
        Give what of us may change.
        """
        return Identification(
            protocols=tuple(self._registry.protocols()),
            listenAddresses=tuple(self._addresses()),
        )

    def _compare(
        self, peer: PeerID, before: Identification, now: Identification
    ) -> None:
        """
        Tell what has changed.
        """
        time = self.clock.seconds()
        added = tuple(set(now.protocols).difference(before.protocols))
        removed = tuple(set(before.protocols).difference(now.protocols))
        if added or removed:
            self._events.publish(
                ProtocolsChanged(time=time, peer=peer, added=added, removed=removed)
            )
        if set(before.listenAddresses) != set(now.listenAddresses):
            self._events.publish(
                AddressesChanged(time=time, peer=peer, addresses=now.listenAddresses)
            )

    def _schedule(self) -> None:
        """
        Push, soon, unless that is due already.
        """
        if self.running and self._pushing is None and self._peers:
            self._pushing = self.clock.callLater(PUSH_DELAY, self._push)

    def stopService(self) -> None:
        """
        Tell nobody any more.
        """
        super().stopService()
        pushing, self._pushing = self._pushing, None
        if pushing is not None:
            pushing.cancel()

    def message(self, connection: Connection) -> bytes:
        """
        Give what we tell on a connection.
        """
        peer = self._peers.get(connection)
        if peer is not None:
            peer.knows = self._sequence
        observed = connection.remoteAddress
        scope = Scope.UNKNOWN if observed is None else Scope.of(observed)
        room = 0 if observed is None else len(observed.toBytes())
        description = self._descriptions.get((scope, room))
        if description is None:
            description = self._descriptions[scope, room] = describe(
                self._identity,
                agent=self.agent,
                protocolVersion=self._protocolVersion,
                protocols=self._registry.protocols(),
                addresses=visible(self._addresses(), observed),
                room=room,
                seal=self._seal,
            )
        return description.message(observed)

    def _seal(self, addresses: tuple[Multiaddr, ...]) -> bytes:
        """
        Sign a record of addresses, once for each state.
        """
        sealed = self._records.get(addresses)
        if sealed is None:
            record = PeerRecord(self._identity.peerID, self._sequence, addresses)
            sealed = self._records[addresses] = record.seal(self._identity)
        return sealed

    def mayPush(self, connection: Connection) -> bool:
        """
        Tell whether one more push of a connection is taken by now.
        """
        peer = self._peers.get(connection)
        return peer is not None and peer.mayPush(self.clock.seconds())

    def told(self, connection: Connection, reader: Reader, push: bool) -> None:
        """
        A peer has told something, to its end.
        """
        peer = self._peers.get(connection)
        if peer is None:
            return
        before = peer.told
        try:
            told = reader.finish(before)
        except ProtocolViolation:
            if not push:
                self.silent(connection, Failure())
            return
        peer.told = told
        if peer.knows not in (None, self._sequence):
            # We have changed before it was known whether it wants to be told.
            self._schedule()
        if not push:
            peer.settle(told)
        self._events.publish(
            Identified(
                time=self.clock.seconds(),
                connection=connection,
                peer=connection.remotePeer,
                agent=told.agent,
                protocolVersion=told.protocolVersion,
                protocols=told.protocols,
                listenAddresses=told.listenAddresses,
                observedAddress=told.observedAddress,
                record=told.record,
                push=push,
            )
        )
        if push:
            self._compare(connection.remotePeer, before, told)

    def silent(self, connection: Connection, reason: Failure) -> None:
        """
        A peer did not tell what it is; it may be used all the same.
        """
        peer = self._peers.get(connection)
        if peer is not None and peer.result is None:
            self._log.debug(
                "{peer} did not identify itself: {reason}",
                peer=connection.remotePeer,
                reason=reason.getErrorMessage(),
            )
            peer.settle(reason)

    def _opened(self, event: OpenedConn) -> None:
        connection = event.connection
        if not connection.connected:
            return
        self._peers[connection] = _Peer()
        asking = connection.openStream(
            PROTOCOL_ID, _ProtocolFactory(lambda: _Listen(self, push=False))
        )
        asking.addErrback(lambda reason: self.silent(connection, reason))

    def _closed(self, event: ClosedConn) -> None:
        peer = self._peers.pop(event.connection, None)
        if peer is not None and peer.result is None:
            peer.settle(event.reason)
        self.deadlines.rest()

    def _push(self) -> None:
        """
        Tell those who listen for it what they do not know.
        """
        self._pushing = None
        for connection, peer in list(self._peers.items()):
            if (
                PUSH_PROTOCOL_ID in peer.told.protocols
                and peer.knows != self._sequence
                and connection.connected
            ):
                connection.openStream(
                    PUSH_PROTOCOL_ID, _ProtocolFactory(lambda: _Tell(self))
                ).addErrback(lambda reason: None)
